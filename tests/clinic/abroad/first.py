"""What each lot of new programs came to when it was first measured: how well the rules do on what they have not met.

A lot's right answers are written down before it is measured, it is measured once, and only then opened and mended. So these figures
cannot be made again from the newest rules; each names the commit at which the lot was run, with one seed. A cause that is told as an
information is not named: who looks at warnings does not see it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lot:
    """Programs that were new to the rules.

    Attributes:
        title: which they are.
        commit: of the rules that judged them.
        faults: programs with a fault.
        named: of them, those whose cause was named.
        top: of them, those where nothing else explained it.
        first: of them, those where it came first.
        healthy: programs without one.
        alarmed: of them, those with a warning or an error.
        day: on which it was measured, with which others; "" for what no longer says how the rules do.
        missed: which faults were not named, where that was kept.
        wrongly: which healthy ones were alarmed.
    """

    title: str
    commit: str
    faults: int
    named: int
    top: int
    first: int
    healthy: int
    alarmed: int
    day: str = ""
    missed: tuple[str, ...] = ()
    wrongly: tuple[str, ...] = ()


_THIRD_MISSED = (
    "a-maker-that-knows-no-black",
    "a-plateau-of-five-batches",
    "a-trunk-that-came-in-eval",
    "a-weight-for-each-class-and-not-for-each-sample",
    "an-equation-over-two-thousand-metres",
    "an-overlap-of-raw-scores",
    "balanced-by-the-sampler-and-by-the-loss",
    "centres-and-sizes-taken-for-corners",
    "codes-that-are-never-scaled",
    "cosines-without-a-scale",
    "dropout-behind-the-answer",
    "likelihoods-taken-for-scores",
    "links-that-carry-their-own-answer",
    "noise-from-0-to-1",
    "one-model-for-all-folds",
    "pairs-that-differ-are-pulled-together",
    "several-labels-for-one-class",
    "statistics-of-the-last-batch",
    "the-first-batch-again-and-again",
    "the-number-of-the-best-action-for-its-value",
    "unlike-pairs-with-a-nought",
)
_THIRD_WRONGLY = (
    "balanced-by-the-sampler",
    "keras-tags-words-alone",
    "sums-that-get-longer",
)
_FOURTH_MISSED = (
    "a-class-weight-for-both-answers",
    "a-decay-that-is-written-over",
    "a-layer-made-in-forward",
    "a-log-variance-that-is-never-negative",
    "a-mean-over-the-padding",
    "a-moving-mean-that-looks-ahead",
    "a-ratio-to-itself",
    "a-readout-over-features",
    "a-temperature-for-the-others-alone",
    "an-advantage-between-two-scales",
    "an-end-forgotten-too-late",
    "clients-keep-their-statistics",
    "labels-shuffled-alone",
    "negatives-that-were-bought",
    "nodes-of-the-test-in-the-loss",
    "pictures-flipped-without-their-masks",
    "the-best-weights-by-reference",
    "the-focus-of-a-mean",
    "uncertainty-that-costs-nothing",
    "words-that-were-never-masked",
)
_FOURTH_WRONGLY = (
    "a-mean-over-the-words",
    "a-penalty-with-a-graph",
    "a-reversal-that-reverses",
    "clients-that-are-averaged",
)
_FIFTH_MISSED = (
    "fifth-a-fake-that-is-detached-for-its-maker",
    "fifth-log-probabilities-of-a-copy",
    "fifth-no-reference-but-the-policy",
    "fifth-one-class-after-the-other",
    "fifth-scaled-by-what-is-to-come",
)
_FIFTH_WRONGLY = (
    "fifth-four-reviews-at-a-time",
    "fifth-three-tasks-on-three-scales",
)
_SIXTH_MISSED = (
    "sixth-a-flow-that-learns-by-arriving",
    "sixth-a-plateau-of-what-should-rise",
    "sixth-a-target-that-loads-itself",
    "sixth-a-value-after-the-end",
    "sixth-boxes-multiplied-like-pictures",
    "sixth-idle-codes-that-nobody-revives",
    "sixth-places-beyond-what-bfloat16-counts",
    "sixth-preferences-where-nothing-is-said",
    "sixth-rotations-by-the-head",
    "sixth-the-same-augmentation-each-epoch",
    "sixth-the-weight-of-a-single-expert",
    "sixth-weights-under-other-names",
)
_SIXTH_WRONGLY = (
    "sixth-a-margin-that-all-meet",
    "sixth-a-residual-of-a-sum",
    "sixth-dropout-kept-for-its-doubts",
    "sixth-layers-thawed-one-by-one",
)
_SEVENTH_MISSED = (
    "seventh-a-judge-to-whom-all-is-real",
    "seventh-a-slope-for-each-pixel",
    "seventh-a-warm-up-for-the-second-time",
    "seventh-divided-by-others-who-agree",
    "seventh-frozen-but-for-its-statistics",
    "seventh-noise-that-is-to-stay",
    "seventh-pairs-of-any-length",
    "seventh-reset-outside-the-if",
)
_SEVENTH_WRONGLY = ("seventh-lessons-that-get-longer",)
_EIGHTH_MISSED = (
    "eighth-a-balance-that-nobody-adds",
    "eighth-a-contradiction-that-is-counted",
    "eighth-a-log-variance-taken-for-a-deviation",
    "eighth-a-rate-below-nought",
    "eighth-a-softmax-over-the-pairs",
    "eighth-a-target-for-each-joint",
    "eighth-centred-and-not-scaled",
    "eighth-episodes-in-one-line",
    "eighth-masks-read-as-pictures",
    "eighth-normalised-once-more-each-epoch",
    "eighth-odds-of-errors-for-odds-of-likelihoods",
    "eighth-one-picture-of-sixteen",
    "eighth-sixteen-parts-added-up",
    "eighth-the-velocity-of-another-path",
)
_EIGHTH_WRONGLY = (
    "eighth-half-of-the-weights-three-times",
    "eighth-three-pixels-in-a-hundred",
    "eighth-what-is-made-is-one",
)
_NINTH_MISSED = (
    "ninth-a-loop-without-backward",
    "ninth-a-loss-that-kept-the-old-model",
    "ninth-a-mask-that-is-thrown-away",
    "ninth-all-predictions-become-one",
    "ninth-an-accuracy-since-the-first-epoch",
    "ninth-an-emotion-that-is-never-named",
    "ninth-batches-that-were-made-larger",
    "ninth-masks-that-are-transposed",
    "ninth-pictures-without-an-anomaly",
    "ninth-preferences-with-a-beta-of-nought",
    "ninth-real-ones-have-a-background",
    "ninth-statistics-of-the-stage-before",
    "ninth-the-hardest-of-all-negatives",
    "ninth-the-wrong-way-through-the-risks",
)
_TENTH_MISSED = (
    "tenth-a-checkpoint-that-was-a-model-alone",
    "tenth-a-mask-over-the-askers",
    "tenth-a-timestamp-in-a-factorisation-machine",
    "tenth-a-variance-that-cancels-out",
    "tenth-actions-not-taken-are-worth-nothing",
    "tenth-an-average-the-wrong-way-round",
    "tenth-entropy-is-paid-for",
    "tenth-keras-an-autoencoder-that-lost-its-pixels",
    "tenth-keras-nodes-that-do-not-see-themselves",
    "tenth-keras-the-student-teaches",
    "tenth-labels-that-are-the-tokens",
)
_FIRST, _SECOND = "2026-11-29, first two lots", "2026-11-30, third lot"
_THIRD, _FOURTH = "2026-11-30, fourth lot", "2026-11-30, fifth lot"
_FIFTH, _SIXTH = "2026-11-30, sixth lot", "2026-11-30, seventh lot"
_SEVENTH, _EIGHTH = "2026-11-30, eighth lot", "2026-12-01, ninth lot"
_NINTH = "2026-12-01, tenth lot"
LOTS = (
    Lot("75 faults, before any rule was changed for them", "f168f63", 75, 33, 33, 31, 48, 4),
    Lot("the half of 203 that was sealed until 2026-11-29", "9e665a2", 64, 41, 40, 40, 41, 1),
    Lot("fresh public reports (`fresh_reports`)", "04963a7", 10, 7, 7, 7, 5, 1),
    Lot(
        "15 fields, first lot of 2026-11-29 (`sealed_*`)", "962b965", 38, 14, 14, 14, 36, 2, _FIRST
    ),
    Lot("second lot of that day (`sealed_second*`)", "9d68290", 9, 5, 5, 5, 8, 0, _FIRST),
    Lot(
        "third lot, of 2026-11-30 (`sealed_third*`)",
        "cf471f4",
        38,
        17,
        14,
        14,
        29,
        3,
        _SECOND,
        _THIRD_MISSED,
        _THIRD_WRONGLY,
    ),
    Lot(
        "fourth lot, of 2026-11-30 (`sealed_fourth*`)",
        "69c3b5ed",
        37,
        17,
        17,
        16,
        36,
        4,
        _THIRD,
        _FOURTH_MISSED,
        _FOURTH_WRONGLY,
    ),
    Lot(
        "fifth lot, of 2026-11-30 (`sealed_fifth*`)",
        "69784ccc",
        23,
        18,
        18,
        16,
        17,
        2,
        _FOURTH,
        _FIFTH_MISSED,
        _FIFTH_WRONGLY,
    ),
    Lot(
        "sixth lot, of 2026-11-30 (`sealed_sixth*`)",
        "9ba2cd98",
        26,
        14,
        14,
        14,
        21,
        4,
        _FIFTH,
        _SIXTH_MISSED,
        _SIXTH_WRONGLY,
    ),
    Lot(
        "seventh lot, of 2026-11-30 (`sealed_seventh*`)",
        "60760a04",
        24,
        16,
        16,
        15,
        28,
        1,
        _SIXTH,
        _SEVENTH_MISSED,
        _SEVENTH_WRONGLY,
    ),
    Lot(
        "eighth lot, of 2026-11-30 (`sealed_eighth*`)",
        "29b806c0",
        26,
        12,
        11,
        11,
        28,
        3,
        _SEVENTH,
        _EIGHTH_MISSED,
        _EIGHTH_WRONGLY,
    ),
    Lot(
        "ninth lot, of 2026-12-01 (`sealed_ninth*`)",
        "f746bfb7",
        25,
        11,
        11,
        11,
        9,
        0,
        _EIGHTH,
        _NINTH_MISSED,
    ),
    Lot(
        "tenth lot, of 2026-12-01 (`sealed_tenth*`)",
        "5cfc7394",
        20,
        9,
        8,
        8,
        10,
        0,
        _NINTH,
        _TENTH_MISSED,
    ),
)


def newest() -> dict[str, Lot]:
    """Those that say how the rules do on what is new: what was measured on a day, together."""
    days = dict.fromkeys(lot.day for lot in LOTS if lot.day)
    return {day: _together([lot for lot in LOTS if lot.day == day]) for day in days}


def _together(lots: Sequence[Lot]) -> Lot:
    return Lot(
        "new programs",
        lots[-1].commit,
        sum(lot.faults for lot in lots),
        sum(lot.named for lot in lots),
        sum(lot.top for lot in lots),
        sum(lot.first for lot in lots),
        sum(lot.healthy for lot in lots),
        sum(lot.alarmed for lot in lots),
        lots[-1].day,
    )


def table() -> Iterator[str]:
    """All lots, in Markdown."""
    yield "| programs | rules of | faults | cause named | healthy | alarmed |"
    yield "|---|---|---|---|---|---|"
    for lot in LOTS:
        named = f"{lot.named} ({100 * lot.named / lot.faults:.0f} %)"
        cells = (lot.title, lot.commit, lot.faults, named, lot.healthy, lot.alarmed)
        yield f"| {' | '.join(map(str, cells))} |"


def misses() -> Iterator[str]:
    """What was missed or wrongly said of the lots that kept it, in Markdown; it is looked into no more than that."""
    for lot in LOTS:
        if lot.missed:
            yield f"\nOf the {lot.title}, not named: {_listed(lot.missed)}. Alarmed: {_listed(lot.wrongly)}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
