"""Plain scalars in event files -> both loaders -> runs -> diagnosis; and `tb-lossdiag check` on a folder of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from integration.loaders import LOADERS, Open
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from torch.utils.tensorboard import SummaryWriter as TorchWriter

from helpers.plain_scalars import FRAMEWORKS, START, WELL, diverging, falling, turning, write
from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GLOBAL_NORM, LEARNING_RATE, LOSS, LOSS_TERM, VALIDATION_LOSS
from tb_lossdiag.reader import Reader, Scalars
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Open:
    """Each of TensorBoard's loaders."""
    return LOADERS[request.param]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sick run per framework."""
    folder = tmp_path_factory.mktemp("plain")
    for name, (training, _) in FRAMEWORKS.items():
        training(folder / name)
    write(folder / "metrics only", {"accuracy": [0.1, 0.2]})
    return folder


def read_all(reader: Reader) -> dict[str, Run]:
    return {name: reader.read(listing) for name, listing in reader.listings().items()}


def test_every_framework_is_one_run_and_its_sickness_is_named(loader: Open, logdir: Path) -> None:
    runs = read_all(Reader(loader(str(logdir))))
    assert set(runs) == set(FRAMEWORKS)
    for name, (_, code) in FRAMEWORKS.items():
        assert runs[name].facts["source"] == "scalars"
        assert "thinned" not in runs[name].facts
        found = {f.code for f in diagnose(runs[name], RULES).findings()}
        assert code in found, name


def test_healthy_trainings_have_no_alarm_in_any_style(tmp_path: Path) -> None:
    for name, (training, _) in FRAMEWORKS.items():
        training(tmp_path / name, WELL)
    for name, run in read_all(Reader(LOADERS["python"](str(tmp_path)))).items():
        found = list(diagnose(run, RULES).findings())
        assert not [f.code for f in found if f.severity > Severity.INFO], name


def test_values_are_those_that_were_written(loader: Open, logdir: Path) -> None:
    runs = read_all(Reader(loader(str(logdir))))
    run = runs["transformers"]
    np.testing.assert_array_equal(run[LOSS].values[:, 0], np.array(diverging(200), np.float32))
    assert run[LOSS].steps.tolist() == list(range(0, 2000, 10))
    assert run[LEARNING_RATE].values[0, 0] == np.float32(5e-5)
    assert len(run[GLOBAL_NORM]) == 200
    assert runs["keras"][VALIDATION_LOSS].values[:, 0].tolist() == [
        np.float32(v) for v in turning(40)
    ]
    assert runs["lightning"].facts["optimizer"] == "AdamW"
    assert runs["yolo"][LOSS_TERM].columns == ("box", "cls", "dfl")
    assert runs["script"][VALIDATION_LOSS].steps[[0, -1]].tolist() == [30, 599]
    assert runs["script"].facts["placed_by_wall_time"] == "validation_loss"


def test_both_loaders_agree(logdir: Path) -> None:
    a, b = (read_all(Reader(loader(str(logdir)))) for loader in LOADERS.values())
    for name, run in a.items():
        assert run.facts == b[name].facts
        for quantity, table in run.tables.items():
            np.testing.assert_array_equal(table.steps, b[name].tables[quantity].steps)
            np.testing.assert_array_equal(table.values, b[name].tables[quantity].values)


def test_a_resumed_run_keeps_the_later_branch(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step, value in [(0, 3.0), (1, 2.0), (2, 1.0), (1, 2.5), (2, 1.5)]:
            writer.add_scalar("train/loss", value, step)
    run = read_all(Reader(loader(str(tmp_path))))["run"]
    assert run[LOSS].values[:, 0].tolist() == [3.0, 2.5, 1.5]


def test_our_records_win_and_scalars_fill_in(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(50):
            writer.add_diagnostics(loss=float(50 - step), global_step=step)
            writer.add_scalar("train/loss", -1.0, step)
            if step % 10 == 0:
                writer.add_scalar("val/loss", float(step), step)
    run = read_all(Reader(loader(str(tmp_path))))["run"]
    assert run[LOSS].values[0, 0] == 50
    assert run[VALIDATION_LOSS].steps.tolist() == [0, 10, 20, 30, 40]
    assert run.facts["scalars"] == "validation_loss=val/loss"
    assert "source" not in run.facts


def test_a_thinned_series_says_so(tmp_path: Path) -> None:
    write(tmp_path / "run", {"loss": falling(1500), "lr": [1e-3] * 999})
    run = read_all(Reader(LOADERS["rust"](str(tmp_path))))["run"]
    assert len(run[LOSS]) == 1000
    assert run[LOSS].steps[-1] == 1499
    assert run.facts["thinned"] == "loss"


def test_the_command_line_reads_more_than_the_tab(tmp_path: Path) -> None:
    write(tmp_path / "run", {"loss": falling(1500)})
    provider = LOADERS["python"](str(tmp_path))
    run = read_all(Reader(provider, Scalars(provider, limit=0)))["run"]
    assert len(run[LOSS]) == 1500
    assert "thinned" not in run.facts


def test_nothing_is_read_before_it_is_asked_for_nor_twice(logdir: Path) -> None:
    provider = LOADERS["python"](str(logdir))
    calls: list[str] = []
    for verb in ("read_scalars", "list_scalars"):
        original = getattr(provider, verb)

        def counted(
            *args: object, verb: str = verb, original: object = original, **kwargs: object
        ) -> object:
            calls.append(verb)
            return original(*args, **kwargs)  # type: ignore[operator]

        setattr(provider, verb, counted)
    reader = Reader(provider)
    listings = reader.listings()
    assert calls == ["list_scalars"]
    run = reader.read(listings["keras"])
    assert calls.count("read_scalars") == 2  # one for each of its folders, nothing of other runs
    assert reader.read(reader.listings()["keras"]) is run
    assert calls.count("read_scalars") == 2


def test_a_growing_series_is_read_again(tmp_path: Path) -> None:
    multiplexer = EventMultiplexer()
    write(tmp_path / "run", {"loss": falling(20)})
    reader = Reader(MultiplexerDataProvider(multiplexer, str(tmp_path)))
    assert reader.listings() == {}
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    for kept in reader._scalars._kept.values():
        kept.until = 0.0
    first = reader.listings()["run"]
    assert len(reader.read(first)[LOSS]) == 20
    write(tmp_path / "run", {"loss": falling(30)})
    multiplexer.Reload()
    for kept in reader._scalars._kept.values():
        kept.until = 0.0
    second = reader.listings()["run"]
    assert second.version != first.version
    assert len(reader.read(second)[LOSS]) == 30


def test_listing_big_folders_costs_a_small_share_of_the_time(logdir: Path) -> None:
    provider = LOADERS["python"](str(logdir))
    scalars = Scalars(provider)
    context = RequestContext()
    first = scalars.found(context, "", ())
    assert scalars.found(context, "", ()) is first  # within the pause that follows a listing
    kept = scalars._kept[""]
    kept.until = 0.0
    assert scalars.found(context, "", ()) is not first


def test_a_provider_without_scalars_costs_only_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_diagnostics(loss=1.0, global_step=0)
    provider = LOADERS["python"](str(tmp_path))

    def refuse(*args: object, **kwargs: object) -> object:
        raise NotImplementedError("no scalars here")

    provider.list_scalars = refuse
    assert set(read_all(Reader(provider))) == {"run"}
    assert "no scalars here" in caplog.text


def test_curves_of_a_run_of_ours_are_its_parts(loader: Open, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(5):
            writer.add_diagnostics(loss=1.0, global_step=step)
            writer.add_scalars("Loss", {"train": 1.0}, step)
    listings = Reader(loader(str(tmp_path))).listings()
    assert listings["run"].parts == {"run", "run/Loss_train"}


def test_check_works_on_a_folder_of_foreign_event_files(
    logdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(logdir), "--format", "json"]) == 1
    runs = {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert set(runs) == set(FRAMEWORKS)
    keras = runs["keras"]
    assert keras["facts"]["source"] == "scalars"
    assert keras["status"] == "warning"
    open_ = {o["code"]: o for o in keras["outcomes"] if o["outcome"] == "not evaluated"}
    assert "watch" in open_["LD201"]["reason"]  # says what to add


def test_check_says_which_runs_it_left_out_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "good", {"loss": falling(100)})
    write(tmp_path / "strange", {"my_objective": falling(10), "accuracy": [0.5] * 10})
    write(tmp_path / "gan", {"train/loss": falling(10), "D_loss": [1.0] * 10})
    assert main(["check", str(tmp_path), "--format", "json"]) == 0
    told = capsys.readouterr().err
    assert "strange" in told
    assert "--map loss=my_objective" in told
    assert "gan" in told
    assert "D_loss" in told
    assert "good" not in told


def test_check_names_what_it_did_not_read_and_the_option_that_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curves = {"loss": falling(100), "cfg/learningrate": [1e-3] * 100, "speed": [3.0] * 100}
    write(tmp_path / "run", curves)
    assert main(["check", str(tmp_path), "--no-config"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "nobody knows these scalars: cfg/learningrate;" in told
    assert "--map learning_rate=cfg/learningrate, if that scalar is the learning rate" in told
    option = "learning_rate=cfg/learningrate"
    assert main(["check", str(tmp_path), "--no-config", "--map", option]) == 0
    assert "nobody knows" not in " ".join(capsys.readouterr().out.split())


def train_twice(folder: Path) -> None:
    """Two trainings into one folder, of which the first overfits and the second is young."""
    write(folder, {"train/loss": falling(600, 2.5, 0.05), "val/loss": turning(600)})
    with TorchWriter(str(folder)) as writer:
        for step, value in enumerate(falling(300, 2.5, 0.4)):
            writer.add_scalar("train/loss", value, step, walltime=START + 10_000 + step)


def test_no_loader_gives_a_training_the_validation_of_the_one_before(
    loader: Open, tmp_path: Path
) -> None:
    train_twice(tmp_path / "run")
    (run,) = read_all(Reader(loader(str(tmp_path)))).values()
    assert (len(run[LOSS]), VALIDATION_LOSS in run) == (300, False)


def test_a_second_training_in_the_folder_is_said_and_not_judged_by_the_firsts_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_twice(tmp_path / "run")
    assert main(["check", str(tmp_path), "--no-config", "--format", "json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["steps"], run["facts"]["scalars"]) == (300, "loss=train/loss")
    (restart,) = run["restarts"]
    assert (restart["kind"], restart["step"], restart["undone"]) == ("went back", 0, 600)


def test_a_folder_of_nothing_but_players_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "gan", {"train/loss": falling(10), "D_loss": [1.0] * 10})
    assert main(["check", str(tmp_path)]) == 2
    assert "D_loss" in capsys.readouterr().err


def test_an_agents_log_is_judged_by_its_rewards_and_not_by_its_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "rl", {"train/loss": diverging(200), "train/reward": falling(200)})
    assert main(["check", str(tmp_path), "--format", "json"]) != 1
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["facts"]["scalars"] == "reward=train/reward"
    outcomes = {one["code"]: one for one in run["outcomes"]}
    assert outcomes["LD102"]["outcome"] == "not evaluated"
