"""Files of trainers by name, in the folders where they leave them, with the tags that their sources write (see `reader/styles.py` and `reader/durations.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.plain_scalars import falling, write
from tb_lossdiag.quantities import (
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    STEP_SAMPLES,
    STEP_SECONDS,
    THROUGHPUT,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.reader import Reader, Scalars, open_folder
from tb_lossdiag.run import Run

COUNT = 12
CURVE = [round(value, 4) for value in falling(COUNT)]


def runs(place: Path) -> dict[str, Run]:
    """All runs of a place that have something to judge."""
    reader = Reader(provider := open_folder(str(place)), Scalars(provider, limit=0))
    return {name: reader.read(listing) for name, listing in reader.listings().items()}


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def same(count: int, **tags: float) -> dict[str, list[float]]:
    return {tag: [value] * count for tag, value in tags.items()}


def nemo(folder: Path) -> None:
    """nemo/utils/exp_manager.py; a folder for each session."""
    for session in ("2026-01-01_00-00-00", "2026-01-02_00-00-00"):
        place = folder / "nemo_experiments" / "default" / session
        constant = {
            "train_step_timing in s": [2.5] * COUNT,
            "train_backward_timing in s": [1e-5] * COUNT,
        }
        write(
            place, {"reduced_train_loss": CURVE, **same(COUNT, lr=1e-4, grad_norm=1.0), **constant}
        )
        put(place / "nemo_log_globalrank-0_localrank-0.txt", "[NeMo I] Training epoch 0\n")


def nemo_printed(folder: Path) -> None:
    """nemo/lightning/pytorch/callbacks/progress_printer.py."""
    head = "[NeMo I 2026-01-01 00:00:00 nemo_logging:393] Training epoch 0, iteration {0}/11 | lr: 1.961e-06 | global_batch_size: 8 |"
    rest = " global_step: {0} | reduced_train_loss: {1} | train_step_timing in s: 2.505 | consumed_samples: 16\n"
    text = "".join((head + rest).format(step, loss) for step, loss in enumerate(CURVE))
    put(folder / "nemo_log_globalrank-0_localrank-0.txt", text)


def coqui(folder: Path) -> None:
    """trainer/trainer.py: a folder for each run; what it prints lies beside."""
    for run in ("run-January-01-2026", "run-January-02-2026"):
        tags = {
            "loss": CURVE,
            **same(COUNT, current_lr=1e-3, grad_norm=1.0, step_time=0.25, loader_time=0.01),
        }
        write(folder / run, {f"TrainIterStats/{tag}": values for tag, values in tags.items()}, 25)
        write(folder / run, {"EvalStats/avg_loss": falling(3)}, 100)
        put(folder / run / "trainer_0_log.txt", " > EPOCH: 0/1000\n")


def coqui_printed(folder: Path) -> None:
    """trainer/logging/console_logger.py: an evaluation's steps are none of the training's."""
    bold, end = "\x1b[1m", "\x1b[0m"
    text = f"\n\x1b[4m{bold} > EPOCH: 0/1000{end}\n --> /out/run\n\n{bold} > TRAINING (2026-01-01 00:00:00) {end}\n"
    for step, loss in enumerate(CURVE):
        text += f"\n{bold}   --> TIME: 2026-01-01 00:00:00 -- STEP: {step}/12 -- GLOBAL_STEP: {25 * step}{end}\n"
        text += f"     | > loss: {loss}  (9.0)\n     | > grad_norm: 1.0  (1.0)\n     | > current_lr: 0.001 \n     | > step_time: 0.25  (0.25)\n\n"
    text += (
        f"\n{bold} > EVALUATION {end}\n\n{bold}   --> STEP: 3{end}\n     | > loss: 99.0  (99.0)\n"
    )
    text += f"\n  {bold}--> EVAL PERFORMANCE{end}\n     | > avg_loss:\x1b[92m 0.9 \x1b[0m(-0.1)\n"
    put(folder / "trainer_0_log.txt", text)


def diffusers(folder: Path) -> None:
    """examples/text_to_image/train_text_to_image.py: `accelerator.init_trackers`, with hyper-parameters in a folder below."""
    place = folder / "sd-model" / "logs" / "text2image-fine-tune"
    write(place, {"train_loss": CURVE})
    write(place / "1700000000.1", {"hp_metric": [0.0]})


def dreambooth(folder: Path) -> None:
    """examples/dreambooth/train_dreambooth_lora.py."""
    write(folder / "out" / "logs" / "dreambooth-lora", {"loss": CURVE, **same(COUNT, lr=1e-4)})


def _history(steps: int, **more: float) -> list[dict[str, Any]]:
    known = {"grad_norm": 1.0, "learning_rate": 1e-4, **more}
    return [{"step": s, "epoch": s / 6, "loss": CURVE[s], **known} for s in range(steps)]


def _checkpoints(out: Path, **more: float) -> None:
    for steps in (6, COUNT):
        state = {"global_step": steps, "log_history": _history(steps, **more)}
        put(out / f"checkpoint-{steps}" / "trainer_state.json", json.dumps(state))


def axolotl(folder: Path) -> None:
    """axolotl/core/trainers/base.py, `log`; what it prints has its numbers in quotes."""
    out = folder / "outputs" / "out"
    _checkpoints(
        out, ppl=2.0, **{"memory/max_active (GiB)": 3.0, "tokens/train_per_sec_per_gpu": 900.0}
    )
    rows = (
        {tag: str(value) for tag, value in row.items() if tag != "step"} for row in _history(COUNT)
    )
    put(out / "debug.log", "[axolotl] Starting trainer...\n" + "".join(f"{row}\n" for row in rows))


def unsloth(folder: Path) -> None:
    """Transformers' own files; two trainings."""
    _checkpoints(folder / "outputs")
    _checkpoints(folder / "outputs_lower_rate")


def _detected(step: int) -> dict[str, float]:
    loss = CURVE[step]
    terms = {"total_loss": loss, "loss_cls": loss / 2, "loss_box_reg": loss / 2}
    return {**terms, "lr": 0.02, "time": 0.25, "data_time": 0.01, "rpn/num_pos_anchors": 10.0}


def detectron2(folder: Path) -> None:
    """detectron2/utils/events.py: `metrics.json`, to which a second training appends."""
    rows = [{"iteration": 20 * step + 19, **_detected(step)} for step in range(COUNT)]
    rows.insert(6, {"iteration": 130, "bbox/AP": 30.0})
    put(
        folder / "output" / "metrics.json",
        "".join(f"{json.dumps(row)}\n" for row in [*rows, *rows]),
    )


def detectron2_printed(folder: Path) -> None:
    """The same file, `CommonMetricPrinter`."""
    line = "[01/01 00:00:10 d2.utils.events]:  eta: 0:10:00  iter: {}  total_loss: {:.4f}  loss_cls: 0.5  time: 0.2500  last_time: 0.2400  data_time: 0.0100  lr: 0.02  max_mem: 2000M\n"
    put(folder / "log.txt", "".join(line.format(20 * s + 19, CURVE[s]) for s in range(COUNT)))


def ultralytics(folder: Path) -> None:
    """ultralytics/engine/trainer.py, `save_metrics`: a folder for each training; older versions fill up with blanks."""
    names = [
        "epoch",
        "time",
        *(f"{of}/{term}_loss" for of in ("train", "val") for term in ("box", "cls", "dfl")),
    ]
    names += ["metrics/mAP50(B)", "lr/pg0", "lr/pg1"]
    for run, wide in (("train", 23), ("train2", 0)):
        rows: list[list[Any]] = [
            [s + 1, 30.0 * s, *[CURVE[s]] * 6, 0.5, 0.01, 0.01] for s in range(COUNT)
        ]
        lines = (",".join(f"{cell}".rjust(wide) for cell in row) for row in (names, *rows))
        put(
            folder / "runs" / "detect" / run / "results.csv", "".join(f"{line}\n" for line in lines)
        )


TIMED = {LOSS, LEARNING_RATE, GLOBAL_NORM, STEP_SECONDS}
CASES: list[tuple[Any, str, list[str], set[Quantity]]] = [
    (nemo, "", [f"nemo_experiments/default/2026-01-0{day}_00-00-00" for day in (1, 2)], TIMED),
    (nemo_printed, "nemo_log_globalrank-0_localrank-0.txt", ["nemo_log_globalrank-0_localrank-0.txt"], {LOSS, LEARNING_RATE, STEP_SECONDS, STEP_SAMPLES}),
    (coqui, "", ["run-January-01-2026", "run-January-02-2026"], {*TIMED, VALIDATION_LOSS}),
    (coqui_printed, "trainer_0_log.txt", ["trainer_0_log.txt"], {*TIMED, VALIDATION_LOSS}),
    (diffusers, "", ["sd-model/logs/text2image-fine-tune"], {LOSS}),
    (dreambooth, "", ["out/logs/dreambooth-lora"], {LOSS, LEARNING_RATE}),
    (axolotl, "", ["outputs/out/checkpoint-12/trainer_state.json"], {LOSS, LEARNING_RATE, GLOBAL_NORM, THROUGHPUT}),
    (axolotl, "outputs/out/debug.log", ["debug.log"], {LOSS, LEARNING_RATE, GLOBAL_NORM}),
    (unsloth, "", [f"outputs{which}/checkpoint-12/trainer_state.json" for which in ("", "_lower_rate")], {LOSS, LEARNING_RATE, GLOBAL_NORM}),
    (detectron2, "", ["output/metrics.json#1", "output/metrics.json#2"], {LOSS, LOSS_TERM, LEARNING_RATE, STEP_SECONDS}),
    (detectron2_printed, "log.txt", ["log.txt"], {LOSS, LOSS_TERM, LEARNING_RATE, STEP_SECONDS}),
    (ultralytics, "", [f"runs/detect/{run}/results.csv" for run in ("train", "train2")], {LOSS, LOSS_TERM, LEARNING_RATE}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "named", "names", "known"), CASES)
def test_each_training_is_a_run_with_what_it_wrote(
    tmp_path: Path, make: Any, named: str, names: list[str], known: set[Quantity]
) -> None:
    make(tmp_path)
    found = runs(tmp_path / named)
    assert sorted(found) == names
    for run in found.values():
        assert run[LOSS].values[:, 0].tolist()[-1] == pytest.approx(
            CURVE[-1] * (3 if make is ultralytics else 1), rel=1e-3
        )
        assert {q for q in (*TIMED, *known, STEP_SECONDS, THROUGHPUT) if q in run} == known


def test_what_nobody_knows_is_named(tmp_path: Path) -> None:
    """With the option that would give it a meaning."""
    detectron2(tmp_path)
    run = runs(tmp_path)["output/metrics.json#1"]
    assert "rpn/num_pos_anchors" in run.facts["unread"]
    strange = tmp_path / "strange" / "metrics.jsonl"
    put(
        strange,
        "".join(f'{{"step": {s}, "loss": {v}, "my/stepsize": 0.1}}\n' for s, v in enumerate(CURVE)),
    )
    assert runs(strange)["metrics.jsonl"].facts["unread"] == "my/stepsize"


def test_a_clock_is_no_time_of_a_step(tmp_path: Path) -> None:
    rows = "".join(
        f'{{"step": {s}, "loss": {v}, "step_time": {s + 1}}}\n' for s, v in enumerate(CURVE)
    )
    put(tmp_path / "metrics.jsonl", rows)
    assert STEP_SECONDS not in runs(tmp_path)["metrics.jsonl"]
