"""Whether the losses of training and validation weigh their samples alike: others aren't comparable, however sound the training is."""

from __future__ import annotations

from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.run import Run


def needs_like_weights(run: Run) -> None:
    """Stop a rule that compares both.

    Raises:
        NotEnough: the loop said that samples are weighted in one of them alone.
    """
    if q.WEIGHTED_PHASE in run.facts:
        raise NotEnough(Text("samples weighted alike in training and validation loss"))


def weighs_training(run: Run) -> bool:
    """Whether a training's loss call was given weights of classes; of the validation's nothing is known."""
    return q.CALL_WEIGHTED in run and bool((run[q.CALL_WEIGHTED].values == 1).any())
