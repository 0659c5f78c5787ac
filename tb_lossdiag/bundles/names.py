"""Names of layers, losses and folders as neutral ones, the same for the same.

Words that many models share are kept, since rules look at some of them and readers at all; every other becomes `n1`, `n2` …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tb_lossdiag.quantities import BY_NAME
from tb_lossdiag.run import Run

_WORD = re.compile(r"[^\W\d_]+")
_KEPT = frozenset(
    """
    a b g h in out to of and the is not by at step steps no
    weight weights bias gain scale shift running mean var std num batches tracked gamma beta alpha
    layer layers block blocks stage stages module modules net network model models backbone trunk body neck stem
    encoder decoder head heads lm classifier features fc proj projection up down gate mlp ffn feed forward dense linear
    attention attn self cross query key value q k v o qkv ih hh l reverse lstm gru rnn cell hidden
    conv convs conv1d conv2d conv3d transposed kernel pool norm norms ln bn gn layernorm layer_norm batchnorm batch group instance rms rmsnorm
    embed embedding embeddings embd token tokens word words position positions pos wte wpe patch cls type
    relu gelu silu tanh sigmoid softmax leaky elu dropout residual shortcut downsample upsample act activation
    lora adapter default base router expert experts shared moe rank
    generator discriminator critic actor policy value encoder student teacher target online ema
    loss losses train training val valid validation test eval total fit data task
    kl recon reconstruction mse mae l1 l2 ce bce nll cross entropy binary smooth huber hinge ctc dice focal div with logits cosine similarity triplet
    margin ranking poisson gaussian contrastive penalty regulariser regularizer reg aux auxiliary adversarial perceptual commitment
    F nn functional torch Module Linear Conv Sequential ReLU LayerNorm BatchNorm Embedding Transformer MultiheadAttention
    SGD Adam AdamW NAdam RAdam Adamax Adagrad Adadelta RMSprop Rprop ASGD LBFGS SparseAdam Adafactor Muon Lion
    StepLR MultiStepLR ConstantLR LinearLR ExponentialLR CosineAnnealingLR CosineAnnealingWarmRestarts ReduceLROnPlateau OneCycleLR
    CyclicLR LambdaLR SequentialLR PolynomialLR cosine warmup constant linear groups optimizer scheduler clip norm max
    """.split()  # noqa: SIM905  (one word after the other reads better)
)
_OUR_WORDS = (
    "torch",
    "tb_lossdiag",
    "norms",
    "ranks",
    "tail",
    "planned steps",
    "rewards",
    "agent",
    "thinned",
    "weights move",
    "own weights loaded",
)
"""Facts whose values are of our own making, or versions."""
_OTHERS = ("optimizer", "scheduler")
"""Facts whose values are names."""


class Neutral:
    """Gives neutral names."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """A name without what is the user's own.

        >>> neutral = Neutral()
        >>> neutral("patientnet.encoder.0.weight"), neutral("patientnet.secret.bias")
        ('n1.encoder.0.weight', 'n1.n2.bias')
        """
        return _WORD.sub(self._word, name)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        if word in _KEPT or word.lower() in _KEPT or word in BY_NAME:
            return word
        return self._known.setdefault(word, f"n{len(self._known) + 1}")


def neutral(run: Run) -> Run:
    """The run under neutral names: columns and subjects; of its facts only those that name nobody and nothing."""
    named = Neutral()
    tables = {
        key: replace(table, columns=_apart(tuple(map(named, table.columns))))
        for key, table in run.tables.items()
    }
    reported = tuple(replace(one, subject=named(one.subject)) for one in run.reported)
    facts = _facts(run.facts, named)
    return Run("run", tables, facts, reported, run.restarts)


def _apart(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Columns of two names stay two."""
    seen: dict[str, int] = {}
    found = []
    for column in columns:
        count = seen[column] = seen.get(column, 0) + 1
        found.append(column if count == 1 else f"{column} ({count})")
    return tuple(found)


def _facts(facts: Mapping[str, str], named: Neutral) -> dict[str, str]:
    kept = {name: value for name, value in facts.items() if name in _OUR_WORDS}
    return kept | {name: named(facts[name]) for name in _OTHERS if name in facts}
