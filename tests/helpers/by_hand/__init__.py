"""Losses as many write them by hand, by subject, each in words of our own; importing this package enters them in `FORMS`.

- `form`: a spelling of a loss, and the small training that uses it
- `classes`: cross-entropies and what is like them
- `elements`: losses of yes or no, of overlaps and of measured values
- `pairs`: losses of pairs, of policies, of latent codes and of players

Read in public code on 2026-11-30: PyTorch's chatbot tutorial, d2l.ai, DCRNN, MAE, CornerNet, SupContrast, MoCo, SimCLR, SigLIP, and many
repositories of one author each.
"""

from helpers.by_hand import classes, elements, pairs
from helpers.by_hand.form import FORMS, Data, Written, network, said

__all__ = ["FORMS", "Data", "Written", "classes", "elements", "network", "pairs", "said"]
