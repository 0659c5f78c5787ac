"""torch -> event file -> both loaders -> tables: the same numbers, whatever happened to the run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from integration.loaders import LOADERS, Open
from torch.utils.tensorboard import SummaryWriter as PlainWriter

from helpers.tiny_trainings import backward, model, record
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    CLIP_GLOBAL_NORM,
    EXTRA,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
    LOSS_WEIGHT,
    OTHER_WRITERS,
    PARAMETER_HELD,
    PARAMETER_NORM,
    VALIDATION_LOSS,
)
from tb_lossdiag.reader import Reader
from tb_lossdiag.run import Run


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Open:
    """Each of TensorBoard's loaders."""
    return LOADERS[request.param]


def read(loader: Open, logdir: Path, name: str = "run") -> Run:
    reader = Reader(loader(str(logdir)))
    return reader.read(reader.listings()[name])


def test_a_plain_run_comes_back_as_torch_measures_it(loader: Open, tmp_path: Path) -> None:
    record(tmp_path / "run", range(30))
    run = read(loader, tmp_path)
    net = model()
    loss = backward(net, 0)
    expected = [float(p.grad.norm()) for p in net.parameters() if p.grad is not None]
    assert run[GRADIENT_NORM].columns == tuple(name for name, _ in net.named_parameters())
    np.testing.assert_allclose(run[GRADIENT_NORM].values[0], expected, rtol=1e-6)
    weights = [float(p.detach().norm()) for p in net.parameters()]
    np.testing.assert_allclose(run[PARAMETER_NORM].values[0], weights, rtol=1e-6)
    assert run[LOSS].values[0, 0] == pytest.approx(1.05 * float(loss), rel=1e-6)
    assert run[LOSS_TERM].columns == ("fit", "penalty")
    assert run[LOSS_WEIGHT].values[0].tolist() == [1.0, 0.5]
    assert run[VALIDATION_LOSS].steps.tolist() == [0, 10, 20]
    assert run[LEARNING_RATE].values[0, 0] == np.float32(0.05)
    assert run[CLIP_GLOBAL_NORM].values[0, 0] == pytest.approx(math.hypot(*expected), rel=1e-6)
    assert np.isnan(run[CLIP_AFTER_STEP].values[0, 0]) or run[CLIP_AFTER_STEP].values[0, 0] == 0
    assert run[CLIP_AFTER_STEP].values[1:, 0].tolist() == [0.0] * 29
    assert run[PARAMETER_HELD].values[0].tolist() == [1.0] * 4
    assert run[OTHER_WRITERS].values.tolist() == [[0.0]]
    assert run.facts["optimizer"] == "SGD"


def test_a_resumed_run_keeps_the_later_branch(loader: Open, tmp_path: Path) -> None:
    record(tmp_path / "run", range(20))
    record(tmp_path / "run", range(12, 25))
    run = read(loader, tmp_path)
    assert run[LOSS].steps.tolist() == list(range(25))
    fresh = backward(model(), 12)  # the resumed training starts from a new model
    assert run[LOSS].values[12, 0] == pytest.approx(1.05 * float(fresh), rel=1e-6)
    assert run[VALIDATION_LOSS].steps.tolist() == [0, 10, 20]


def test_going_back_inside_one_writer_undoes_what_followed(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in (0, 1, 2, 3, 1, 2):
            writer.add_diagnostics(loss=float(10 + step), global_step=step)
            writer.add_diagnostics(loss=1.0, phase="validation", global_step=step)
    run = read(loader, tmp_path)
    assert run[LOSS].steps.tolist() == [0, 1, 2]
    assert run[VALIDATION_LOSS].steps.tolist() == [0, 1, 2]


def test_one_step_given_in_parts_is_one_record(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(3):
            writer.add_diagnostics(loss=1.0, global_step=step)
            writer.flush()
            writer.add_diagnostics(extra={"reward": step}, global_step=step)
            writer.add_diagnostics(loss=2.0, global_step=step)
    run = read(loader, tmp_path)
    assert run[LOSS].values[:, 0].tolist() == [2.0, 2.0, 2.0]
    assert run[EXTRA].values[:, 0].tolist() == [0.0, 1.0, 2.0]


def test_nan_and_infinity_are_data(loader: Open, tmp_path: Path) -> None:
    net = model()
    with SummaryWriter(tmp_path / "run") as writer:
        for step, value in enumerate([1.0, float("nan"), float("inf")]):
            backward(net, step)
            if step:
                next(net.parameters()).grad[0, :3] = value  # type: ignore[index]
            writer.add_diagnostics(net, loss=value, global_step=step)
    run = read(loader, tmp_path)
    assert run[LOSS_NONFINITE].values[:, 0].tolist() == [0.0, 1.0, 1.0]
    assert np.isnan(run[LOSS].values[1, 0])
    assert np.isinf(run[LOSS].values[2, 0])
    assert run[GRADIENT_NONFINITE].values[:, 0].tolist() == [0.0, 3.0, 3.0]
    assert run[GRADIENT_NONFINITE].values[:, 1].tolist() == [0.0, 0.0, 0.0]


def test_columns_that_appear_later_are_united(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_diagnostics(loss_terms={"a": 1.0}, global_step=0)
        writer.add_diagnostics(loss_terms={"b": 2.0, "a": 3.0}, global_step=1)
        writer.add_diagnostics(loss_terms={"b": 4.0}, global_step=2)
    table = read(loader, tmp_path)[LOSS_TERM]
    assert table.columns == ("a", "b")
    expected = [[1.0, np.nan], [3.0, 2.0], [np.nan, 4.0]]
    np.testing.assert_array_equal(table.values, expected)


def test_every_record_is_kept(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(3000):
            writer.add_diagnostics(loss=float(step), global_step=step)
    table = read(loader, tmp_path)[LOSS]
    assert table.steps.tolist() == list(range(3000))
    assert table.values[:, 0].tolist() == list(range(3000))


def test_a_truncated_tail_costs_only_the_tail(loader: Open, tmp_path: Path) -> None:
    record(tmp_path / "run", range(30))
    (file,) = (tmp_path / "run").iterdir()
    file.write_bytes(file.read_bytes()[:-700])
    steps = read(loader, tmp_path)[LOSS].steps
    assert 20 <= len(steps) < 30
    assert steps.tolist() == list(range(len(steps)))


def test_foreign_and_empty_folders_have_no_runs(loader: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with PlainWriter(tmp_path / "foreign") as writer:
        writer.add_scalar("accuracy", 1.0, 0)
        writer.add_tensor("lossdiag/loss/x/0", torch.zeros(3), 0)
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "events.out.tfevents.1.x.1.0").write_bytes(b"no event file at all")
    assert Reader(loader(str(tmp_path))).listings() == {}


def test_hostile_names_come_back_as_they_are(loader: Open, tmp_path: Path) -> None:
    names = ["<img src=x onerror=alert(1)>", "a/b/../c", "名字", "x" * 300, ""]
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_diagnostics(loss_terms=dict.fromkeys(names, 1.0), global_step=0)
    assert read(loader, tmp_path)[LOSS_TERM].columns == tuple(names)


def test_both_loaders_agree_to_the_bit(tmp_path: Path) -> None:
    record(tmp_path / "run", range(40))
    record(tmp_path / "run", range(25, 60))
    a, b = (read(loader, tmp_path) for loader in LOADERS.values())
    assert a.tables.keys() == b.tables.keys()
    for name, table in a.tables.items():
        other = b.tables[name]
        assert table.columns == other.columns
        np.testing.assert_array_equal(table.steps, other.steps)
        np.testing.assert_array_equal(table.values, other.values)
    assert a.facts == b.facts


def test_a_second_writer_in_the_folder_is_noticed(loader: Open, tmp_path: Path) -> None:
    first = SummaryWriter(tmp_path / "run")
    first.add_diagnostics(loss=1.0, global_step=0)
    with SummaryWriter(tmp_path / "run") as second:
        second.add_diagnostics(loss=1.0, global_step=1)
    first.close()
    assert read(loader, tmp_path)[OTHER_WRITERS].values.max() == 1


def test_a_plain_writer_in_the_folder_is_noticed_while_it_is_open(tmp_path: Path) -> None:
    plain = PlainWriter(tmp_path / "run")
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_diagnostics(loss=1.0, global_step=1)
    plain.close()
    assert read(LOADERS["rust"], tmp_path)[OTHER_WRITERS].values.max() == 1


def test_an_unchanged_run_costs_one_listing(tmp_path: Path) -> None:
    record(tmp_path / "run", range(5))
    provider = LOADERS["python"](str(tmp_path))
    calls: list[str] = []
    read_tensors = provider.read_tensors

    def counted(*args: object, **kwargs: object) -> object:
        calls.append("read")
        return read_tensors(*args, **kwargs)

    provider.read_tensors = counted
    reader = Reader(provider)
    first = reader.read(reader.listings()["run"])
    assert calls
    calls.clear()
    assert reader.read(reader.listings()["run"]) is first
    assert calls == []
