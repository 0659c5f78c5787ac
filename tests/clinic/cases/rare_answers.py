"""Answers that are rare, in trainings that are on their way to saying them."""

from __future__ import annotations

from clinic.case import case
from clinic.cases.published_pytorch import ONSETS, transcribe

from tb_lossdiag import SummaryWriter


@case(family="RNN", source=ONSETS + " (repaired, with fewer keys)")
def keys_are_rare_and_learned_slowly(writer: SummaryWriter) -> None:
    """One of twenty keys is held: until step 600 none is heard, at step 2000 eight of ten are."""
    transcribe(writer, late=False, held=0.05, steps=600)


@case(family="RNN", source=ONSETS + " (repaired, with fewer keys)")
def fewer_keys_are_held(writer: SummaryWriter) -> None:
    """15 of 100 keys are held; the loss passes by that of their frequency and goes on falling."""
    transcribe(writer, late=False, held=0.15)
