"""Under which tags loops log how long a step takes, how much they get through, and how much a step holds; see `styles` for how tags are compared.

TRL (trl/trainer/grpo_trainer.py, rloo_trainer.py), verl (verl/trainer/ppo/metric_utils.py), torchtitan (components/metrics.py), Megatron-LM
(megatron/training/training.py, its console too), NeMo (utils/callbacks, `train_step_timing in s`), Coqui's trainer, OLMo-core (callbacks/speed_monitor.py),
Lightning (callbacks/throughput_monitor.py), torchtune, axolotl, detectron2 and mmengine, which call it `time`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.styles import Patterns, normalised
from tb_lossdiag.records import Floats, Table

_P = r"(?:train(?:ing)?[/|])?"

DURATIONS: Patterns = {
    q.STEP_SECONDS: (
        "timing_s/step",
        "perf/(?:time|seconds)_per_step",
        r"time_metrics/end_to_end\(s\)",
        "iteration_time",
        r"elapsed_time_per_iteration_\(ms\)",
        "train_step_timing(?:_in_s)?",
        r"(?:\w+_)?trainiterstats/step_time",
        "throughput/device/bps",
        f"{_P}(?:device/)?batches_per_sec",
        f"{_P}(?:steps|iterations|it)_per_sec(?:onds?)?",
        f"(?:{_P}|timing/)(?:step|iteration|batch)_time(?:_(?:s|sec|seconds|ms))?",
        f"{_P}(?:time|seconds)_per_(?:step|iter(?:ation)?|batch)",
    ),
    q.THROUGHPUT: (
        r"throughput\(tps\)",
        "perf/throughput",
        "throughput/device/tps",
        f"(?:{_P}|perf/)(?:tokens|samples)_per_sec(?:onds?)?(?:_per_(?:gpu|device))?",
        f"{_P}device/(?:items|samples)_per_sec",
        f"{_P}tokens/train_per_sec_per_gpu",
    ),
    q.STEP_TOKENS: (
        "perf/total_num_tokens",
        "global_seqlen/mean",
        f"{_P}(?:num_)?tokens_per_(?:step|batch)",
        f"{_P}(?:mean_|avg_)?seq(?:uence)?_?len(?:gth)?(?:[/_]mean)?",
        r"(?:\w+_)?trainiterstats/(?:avg_)?(?:text|spec)_length",
    ),
    q.STEP_SAMPLES: (f"{_P}(?:global_)?batch_size",),
}

TELLING = re.compile("time|timing|seconds|_per_sec|throughput|seq|tokens|batch_size|length")
"""What every pattern here has in it."""

_BESIDE = "data_time"
"""Beside which `time` is that of a step; alone it may be a clock."""
_RATE = re.compile(r".*(?:per_sec(?:onds?)?|/bps)")
_THOUSANDTHS = re.compile(r".*(?:_ms|\(ms\))")


def patterns(names: Mapping[str, Source]) -> Patterns:
    """Those for a run with these tags."""
    if _BESIDE not in names:
        return DURATIONS
    return {**DURATIONS, q.STEP_SECONDS: (*DURATIONS[q.STEP_SECONDS], "time")}


def seconds(tag: str, values: Floats) -> Floats:
    """What a tag says of a step, in seconds; NaN throughout if it is a clock, which never goes back.

    >>> seconds("throughput/device/BPS", np.array([4.0, 2.0], "f4")).tolist(), seconds("step_time_ms", np.array([30.0, 20.0], "f4")).round(3).tolist()
    ([0.25, 0.5], [0.029999999329447746, 0.019999999552965164])
    >>> seconds("step_time", np.array([1.0, 2.0, 3.5], "f4")).tolist()
    [nan, nan, nan]
    """
    name = normalised(tag)
    known = values[np.isfinite(values)]
    if len(known) > 1 and known[-1] > known[0] and (np.diff(known) >= 0).all():
        return np.full_like(values, np.nan)
    if _RATE.fullmatch(name):
        with np.errstate(divide="ignore"):
            return np.where(values > 0, np.float32(1) / values, np.float32(np.nan))
    return values * np.float32(1e-3) if _THOUSANDTHS.fullmatch(name) else values


def in_seconds(table: Table, tag: str) -> Table:
    """The time of a step by its tag, where that says anything."""
    values = seconds(tag, table.values[:, 0])[:, None]
    known = np.isfinite(values[:, 0])
    parts = table.steps[known], table.walltimes[known], values[known]
    return Table(table.quantity, table.columns, *parts)
