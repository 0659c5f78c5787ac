from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_lossdiag.quantities import (
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    REWARD,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    Quantity,
)
from tb_lossdiag.reader import Reader, Scalars, open_folder
from tb_lossdiag.reader.logs import file as log_file
from tb_lossdiag.run import Run


def runs(place: Path, **mapped: str) -> dict[str, Run]:
    """All runs of a place that have something to judge."""
    tags = {key: (tag,) for key, tag in mapped.items()}
    reader = Reader(provider := open_folder(str(place)), Scalars(provider, limit=0, mapped=tags))
    return {name: reader.read(listing) for name, listing in reader.listings().items()}


def only(place: Path, **mapped: str) -> Run:
    """The one run of a place."""
    (run,) = runs(place, **mapped).values()
    return run


def written(path: Path, text: str) -> Path:
    """A file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file with a row of JSON a line."""
    return written(path, "".join(json.dumps(row) + "\n" for row in rows))


def curve(run: Run, quantity: Quantity) -> list[tuple[int, float]]:
    """Steps and values of a quantity's first column."""
    table = run[quantity]
    return [
        (int(s), round(float(v), 4)) for s, v in zip(table.steps, table.values[:, 0], strict=True)
    ]


STATE = {
    "global_step": 20,
    "log_history": [
        {"epoch": 0.5, "step": 10, "loss": 2.5, "grad_norm": 1.0, "learning_rate": 1e-4},
        {"epoch": 0.5, "step": 10, "eval_loss": 2.4, "eval_accuracy": 0.5},
        {"epoch": 1.0, "step": 20, "loss": 2.0, "grad_norm": math.nan, "learning_rate": 5e-5},
        {"epoch": 1.0, "step": 20, "train_loss": 99.0, "train_runtime": 1.0, "total_flos": 1.0},
    ],
}


def state(folder: Path, document: Any = STATE) -> Path:
    """Transformers' own log."""
    return written(folder / "trainer_state.json", json.dumps(document))


def test_the_trainers_state(tmp_path: Path) -> None:
    """Its summary at the end is no record of the loss."""
    run = only(state(tmp_path))
    assert run.name == "trainer_state.json"
    assert curve(run, LOSS) == [(10, 2.5), (20, 2.0)]
    assert curve(run, VALIDATION_LOSS) == [(10, 2.4)]
    assert curve(run, VALIDATION_ACCURACY) == [(10, 0.5)]
    assert run.facts["scalars"].startswith("loss=train/loss")
    assert run.tables["nonfinite_steps"].values[:, 0].tolist() == [0, 1]
    assert np.ptp(run[LOSS].walltimes) == 0, "no time is told: that of the file"


def test_a_log_of_verl_s_and_of_a_phase_in_a_column(tmp_path: Path) -> None:
    json_lines(tmp_path / "grpo.jsonl", [{"step": s, "data": {"loss": 2.0 - s}} for s in range(2)])
    rows = [{"step": s, "split": p, "loss": s + 0.5} for s in range(2) for p in ("train", "test")]
    json_lines(tmp_path / "metrics.jsonl", rows)
    found = runs(tmp_path)
    assert curve(found["grpo.jsonl"], LOSS) == [(0, 2.0), (1, 1.0)]
    assert found["metrics.jsonl"].facts["scalars"] == "loss=train/loss, validation_loss=test/loss"


def test_what_a_trainer_printed(tmp_path: Path) -> None:
    """TRL, axolotl, unsloth: rows are counted, since fractions of epochs are no steps; values may be spelled."""
    text = "loading…\n{'loss': 2.0, 'grad_norm': nan, 'epoch': 0.1}\n 5%| 3/9 {'loss': '1.5', 'epoch': 0.2}\nbye\n"
    run = only(written(tmp_path / "train.log", text))
    assert curve(run, LOSS) == [(0, 2.0), (1, 1.5)]
    assert "damaged" not in run.facts


def test_what_verl_and_torchtitan_print(tmp_path: Path) -> None:
    """A rate that is rounded to 0.000 is not known: it may be one of 1e-6."""
    head = "\x1b[36m(TaskRunner pid=7)\x1b[0m"
    text = "".join(
        f"{head} step:{s} - actor/entropy:0.3 - actor/lr:0.000 - critic/score/mean:np.float64({s / 8})\nsaved step {s}\n"
        for s in range(3)
    )
    verl = only(written(tmp_path / "verl" / "run.log", text))
    assert curve(verl, REWARD) == [(0, 0.0), (1, 0.125), (2, 0.25)]
    assert LEARNING_RATE not in verl
    line = "[titan] 2026-01-01 00:00:00,1 - root - INFO - step: {:2}  loss: {:7.4f}  grad_norm:  1.5  memory:  8.4GiB(9%)  tps: 6,583\n"
    titan = only(written(tmp_path / "titan.log", "".join(line.format(s, 9 - s) for s in (1, 10))))
    assert curve(titan, LOSS) == [(1, 8.0), (10, -1.0)]
    assert curve(titan, GLOBAL_NORM) == [(1, 1.5), (10, 1.5)]


def test_what_nanogpt_prints(tmp_path: Path) -> None:
    """What the training set costs every 250 steps is no curve beside the losses of the steps."""
    text = "".join(f"iter {i}: loss {9 - i / 100:.4f}, time 12.3ms, mfu 4%\n" for i in range(20))
    text += "step 20: train loss 4.1, val loss 4.2\n"
    run = only(written(tmp_path / "out.log", text))
    assert len(run[LOSS]) == 20
    assert curve(run, VALIDATION_LOSS) == [(20, 4.2)]


def test_what_pytorchs_examples_print(tmp_path: Path) -> None:
    text = "".join(
        f"Epoch: [{e}][{i:>3}/250]\tTime  1.154 ( 1.408)\tLoss {3 - e - i / 60:.4f} (2.3890)\tAcc@1  4.69 (  3.12)\n"
        for e in (0, 1)
        for i in (0, 10, 20)
    )
    run = only(written(tmp_path / "imagenet.log", text))
    assert run[LOSS].steps.tolist() == [0, 10, 20, 30, 40]


def test_what_loops_print_by_epoch(tmp_path: Path) -> None:
    text = "".join(
        f"Epoch:[{e}/2]({i}/30), loss: {3 - e - i / 60:.4f}, lr: 0.00040000\n"
        for e in (1, 2)
        for i in (10, 20, 30)
    )
    run = only(written(tmp_path / "sft.log", text))
    assert run[LOSS].steps.tolist() == [10, 20, 30, 40, 50, 60]
    assert curve(run, LEARNING_RATE)[0][1] == pytest.approx(4e-4)


def test_lightnings_and_ultralytics_tables(tmp_path: Path) -> None:
    lightning = "epoch,step,train_loss,val_loss\n0,4,2.0,\n0,9,,1.8\n1,9,1.5,\n"
    written(tmp_path / "version_0" / "metrics.csv", lightning)
    names = "epoch, time, train/box_loss, train/cls_loss, val/box_loss, val/cls_loss, lr/pg0"
    rows = "\n".join(f"  {e}, {e}.5,  1.0,  0.5, 1.1, 0.6, 0.01" for e in range(1, 4))
    written(tmp_path / "yolo" / "results.csv", f"     {names}\n{rows}\n")
    found = runs(tmp_path)
    assert curve(found["version_0/metrics.csv"], LOSS) == [(4, 2.0), (9, 1.5)]
    assert curve(found["version_0/metrics.csv"], VALIDATION_LOSS) == [(9, 1.8)]
    assert curve(found["yolo/results.csv"], LOSS) == [(1, 1.5), (2, 1.5), (3, 1.5)]
    assert curve(found["yolo/results.csv"], LEARNING_RATE)[0] == (1, 0.01)


def test_what_wandb_exports(tmp_path: Path) -> None:
    """A chart holds several runs; a history has lines and steps; a table of runs has no course."""
    chart = '"Step","a - loss","a - loss__MIN","b - loss"\n"1","2","1","3"\n"2","1","1",""\n'
    written(tmp_path / "wandb_export_1.csv", chart)
    written(tmp_path / "again" / "wandb_export.csv", chart)  # renamed, without its date
    history = (
        "_step,_timestamp,train/global_step,train/loss\n0,1700000000,10,2\n7,1700000060,20,1\n"
    )
    written(tmp_path / "history.csv", history)
    found = runs(tmp_path)
    assert curve(found["wandb_export_1.csv#a"], LOSS) == [(1, 2.0), (2, 1.0)]
    assert curve(found["wandb_export_1.csv#b"], LOSS) == [(1, 3.0)]
    assert curve(found["again/wandb_export.csv#b"], LOSS) == [(1, 3.0)]
    assert curve(found["history.csv"], LOSS) == [(10, 2.0), (20, 1.0)]
    assert found["history.csv"][LOSS].walltimes.tolist() == [1.7e9, 1.7e9 + 60]
    table = written(tmp_path / "runs.csv", "Name,State,Created,loss\na,ok,x,2\n")
    with pytest.raises(ValueError, match="a table of runs"):
        runs_of_one(table)


def runs_of_one(path: Path) -> Run:
    """The run of a file, or why it has none."""
    reader = Reader(open_folder(str(path)))
    (listing,) = reader.listings().values()
    return reader.read(listing)


def test_other_documents(tmp_path: Path) -> None:
    columns = written(tmp_path / "a.json", json.dumps({"loss": [2, 1], "val_loss": [3, 2]}))
    assert curve(only(columns), VALIDATION_LOSS) == [(0, 3.0), (1, 2.0)]
    rows = written(
        tmp_path / "b.json", json.dumps([{"iter": 5, "loss": 2}, 7, {"iter": 9, "loss": 1}])
    )
    run = only(rows)
    assert curve(run, LOSS) == [(5, 2.0), (9, 1.0)]
    assert run.facts["damaged"] == "1"
    lines = json_lines(
        tmp_path / "metrics.json", [{"iteration": s, "total_loss": 1.0} for s in (19, 39)]
    )
    assert curve(only(lines), LOSS) == [(19, 1.0), (39, 1.0)]


def test_a_resume_undoes_and_another_training_is_another_run(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    steps = [1, 2, 3, 4, 3, 4, 5, 1, 2, 3]
    json_lines(path, [{"step": s, "loss": float(i)} for i, s in enumerate(steps)])
    found = runs(path)
    assert curve(found["metrics.jsonl#1"], LOSS) == [
        (1, 0.0),
        (2, 1.0),
        (3, 4.0),
        (4, 5.0),
        (5, 6.0),
    ]
    assert curve(found["metrics.jsonl#2"], LOSS) == [(1, 7.0), (2, 8.0), (3, 9.0)]


def test_iterations_that_begin_again_with_each_epoch_are_counted_on(tmp_path: Path) -> None:
    rows = [{"epoch": e, "iter": i, "loss": 1.0} for e in (1, 2, 3) for i in (50, 100)]
    rows.append({"epoch": 3, "lr": 0.1})
    assert [s for s, _ in curve(only(json_lines(tmp_path / "a.jsonl", rows)), LOSS)] == [
        *(50, 100),
        *(150, 200),
        *(250, 300),
    ]


def test_one_training_is_read_once(tmp_path: Path) -> None:
    """The newest checkpoint says all, the output folder's own more, and event files at or below say the same."""
    for step in (20, 100):
        state(tmp_path / "a" / f"checkpoint-{step}")
        state(tmp_path / "b" / f"checkpoint-{step}")
    state(tmp_path / "b")
    assert set(runs(tmp_path)) == {"a/checkpoint-100/trainer_state.json", "b/trainer_state.json"}
    written(tmp_path / "b" / "runs" / "events.out.tfevents.1", "")
    assert set(runs(tmp_path)) == {"a/checkpoint-100/trainer_state.json"}
    assert set(runs(tmp_path / "b" / "trainer_state.json")) == {"trainer_state.json"}, "when named"


def test_files_that_are_no_logs_are_left_alone(tmp_path: Path) -> None:
    json_lines(tmp_path / "train.jsonl", [{"text": "steps", "label": 1}])
    written(tmp_path / "results.csv", "model,score\na,1\n")
    written(tmp_path / "config.json", "{}")
    os.mkfifo(tmp_path / "metrics.csv")
    assert not runs(tmp_path)


BAD = {
    "cut.json": ('{"log_history": [{"loss": 1', "not a whole JSON document"),
    "deep.json": ("[" * 100_000, "not a whole JSON document"),
    "other.json": ('{"a": 1}', "without rows"),
    "one.csv": ("loss\n1\n", "1 columns"),
    "empty.csv": ("", "0 columns"),
    "prose.jsonl": ("hello\nworld\n", "none of its 2 lines"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_say_what_is_wrong(tmp_path: Path, name: str) -> None:
    text, why = BAD[name]
    with pytest.raises(ValueError, match=why):
        runs_of_one(written(tmp_path / name, text))


def test_too_large_a_file_and_too_many_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sparse file of a gigabyte costs nothing, and neither does asking."""
    path = tmp_path / "metrics.jsonl"
    with path.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ValueError, match="1024 MB; logs are read up to 256 MB"):
        runs_of_one(path)
    monkeypatch.setattr(log_file, "_MOST_TAGS", 2)
    wide = json_lines(tmp_path / "wide.jsonl", [{"step": 1, "a": 1, "b": 1, "c": 1}])
    with pytest.raises(ValueError, match="different names"):
        runs_of_one(wide)


def test_damaged_rows_cost_only_themselves(tmp_path: Path) -> None:
    """Half a last line is being written; NaN, infinity, too large a number, text and yes are told apart."""
    rows = [
        '{"step": 1, "loss": NaN, "note": "x", "ok": true}',
        "broken",
        '{"step": 2, "loss": 1e999}',
    ]
    rows += [
        '{"step": 3, "loss": "1.25"}',
        '{"step": 1e300, "loss": 1}',
        '{"step": null, "loss": 7}',
    ]
    rows += ['{"step": 4, "loss": {"a": {"b": 1}}}', '{"step": 5, "lo']
    run = only(written(tmp_path / "m.jsonl", "\n".join(rows)))
    assert run.facts["damaged"] == "1"
    assert curve(run, LOSS)[1] == (2, math.inf)
    assert [s for s, _ in curve(run, LOSS)] == [1, 2, 3]
    long = written(
        tmp_path / "long.jsonl",
        '{"step": 1, "loss": 1}\n' + "x" * 2**21 + '\n{"step": 2, "loss": 2}\n',
    )
    assert [s for s, _ in curve(only(long), LOSS)] == [1, 2]
    ragged = written(
        tmp_path / "r.csv", 'step,loss\n1,2\n1,2,3\n2,1\0\n"' + "x" * 200_000 + '",1\n'
    )
    assert curve(only(ragged), LOSS) == [(1, 2.0), (2, 1.0)]


def test_hostile_names_and_an_own_tag(tmp_path: Path) -> None:
    rows = [
        {"step": s, "\x1b[31m/../<b>": 2.0, "mine": 1.0 + s, "_timestamp": "2026-01-02"}
        for s in (1, 2)
    ]
    path = json_lines(tmp_path / "metrics.jsonl", rows)
    assert not runs(path)
    assert curve(only(path, loss="mine"), LOSS) == [(1, 2.0), (2, 3.0)]
