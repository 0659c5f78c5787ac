"""What the command line understands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from tb_lossdiag import __version__
from tb_lossdiag.config.settings import LANGUAGES, LEVELS
from tb_lossdiag.fleet import table
from tb_lossdiag.report.formats import FORMATS

SHELLS = ("bash", "zsh", "tcsh")
"""Those that `shtab` knows."""
Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The parser; every sub-command leaves its function in `run`."""
    top = argparse.ArgumentParser(
        prog="tb-lossdiag", description="Says what is wrong with a training."
    )
    top.add_argument("--version", action="version", version=f"tb-lossdiag {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _check(commands.add_parser("check", help="judge every run in a folder"))
    _run(commands.add_parser("run", help="run a training script as it stands, recorded"))
    _compare(commands.add_parser("compare", help="say what differs between two runs"))
    _watch(commands.add_parser("watch", help="say what happens to runs that are going on"))
    _fleet(commands.add_parser("fleet", help="say what is wrong with many runs"))
    _bundle(commands.add_parser("bundle", help="write one run as a file to hand on"))
    _mcp(commands.add_parser("mcp", help="answer coding agents about the runs of a folder"))
    _export(commands.add_parser("export", help="write the tab as a folder that needs no server"))
    _explain(commands.add_parser("explain", help="print a rule's documentation"))
    _rules(commands.add_parser("rules", help="list the rules"))
    _docs(commands.add_parser("docs", help="open the manual"))
    _demo(commands.add_parser("demo", help="train small sick and healthy models, and judge them"))
    _completion(commands.add_parser("completion", help="print what makes a shell complete"), top)
    return top


def _later(module: str, function: str) -> Command:
    """A function of a module that is imported when it is called: what a command needs, the others do not wait for."""

    def run(arguments: argparse.Namespace) -> int:
        command: Command = getattr(import_module(f"tb_lossdiag.cli.{module}"), function)
        return command(arguments)

    return run


def _places(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "places",
        nargs="*",
        metavar="LOGDIR [RUN…]",
        help="folder with event files, as for tensorboard --logdir, and runs of it (default: all); or several folders, "
        "folders of single runs, event files, logs (trainer_state.json, JSON lines, CSV)",
    )
    command.add_argument(
        "--logdir_spec",
        "--logdir-spec",
        default="",
        metavar="NAME:DIR,…",
        help="several folders under names of their own, as for tensorboard --logdir_spec",
    )


def _check(command: argparse.ArgumentParser) -> None:
    _places(command)
    command.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="processes (default: several where that is quicker; 0: one per core)",
    )
    command.add_argument(
        "--no-cache",
        action="store_true",
        help="read runs that have not changed since an earlier check again, and keep nothing",
    )
    _judging(command)
    _output(command, ("text", *FORMATS, table.FORMAT))
    command.add_argument(
        "--fail-on",
        choices=LEVELS,
        help="exit with 1 from this severity on (default: warning)",
    )
    command.add_argument(
        "--baseline", metavar="FILE", help="findings listed there do not fail the check"
    )
    command.add_argument(
        "--write-baseline", metavar="FILE", help="list all findings of now there, and exit with 0"
    )
    command.set_defaults(run=_later("check", "run"))


def _watch(command: argparse.ArgumentParser) -> None:
    _places(command)
    number = {"type": float, "metavar": "N"}
    command.add_argument("--every", default=30.0, help="seconds between two looks (30)", **number)  # type: ignore[arg-type]
    command.add_argument("--stuck", default=10.0, help="minutes without a step (10)", **number)  # type: ignore[arg-type]
    command.add_argument("--once", action="store_true", help="look once, and say all there is")
    command.add_argument("--fail-on", choices=LEVELS, help="with --once: exit with 1 from this on")
    command.add_argument("--until", choices=LEVELS[:-1], help="end with 1 at such a finding")
    command.add_argument("--prometheus", metavar="[HOST:]PORT", help="gauges for Prometheus there")
    command.add_argument("--otel", action="store_true", help="send gauges by OpenTelemetry")
    command.add_argument(
        "--baseline", metavar="FILE", help="findings listed there are not spoken of"
    )
    _judging(command)
    command.add_argument("--format", choices=("text", "jsonl"), default="text")
    command.add_argument("--output", metavar="FILE", help="add lines there instead of printing")
    command.set_defaults(run=_later("watch", "run"))


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--logdir",
        help="folder of the run (default: the one that the script writes to, or a new one in runs)",
    )
    command.add_argument(
        "--live", action="store_true", help="print findings while the script is running"
    )
    command.add_argument(
        "--preflight",
        action="store_true",
        help="before the first step, try whether copies can learn the first batch by heart (a minute at most); the training goes on as it would",
    )
    command.add_argument(
        "script", nargs=argparse.REMAINDER, help="the script, and its own arguments"
    )
    command.set_defaults(run=_later("run", "run"))


def _compare(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "places",
        nargs="+",
        metavar="LOGDIR RUN_A RUN_B",
        help="a folder and two of its runs, or two folders with one run each",
    )
    _judging(command)
    _output(command, ("text", "json", "markdown"))
    command.set_defaults(run=_later("compare", "run"))


def _fleet(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "tables", nargs="+", metavar="FILE", help="tables that `check --format parquet` wrote"
    )
    command.add_argument(
        "--where", default="", metavar="SQL", help="only these runs, e.g. \"run LIKE 'vae/%%'\""
    )
    command.add_argument(
        "--sql",
        metavar="QUERY",
        help="ask the views runs, findings, settings and outcomes something else",
    )
    command.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts")
    _output(command, ("text", "json"))
    command.set_defaults(run=_later("fleet", "run"))


def _bundle(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "places",
        nargs="+",
        metavar="LOGDIR [RUN]",
        help="a folder and one of its runs, or the folder of one; or a bundle, to look at",
    )
    command.add_argument(
        "--names", action="store_true", help="keep names of layers and losses, and all facts"
    )
    _judging(command)
    command.add_argument("--output", metavar="FILE", help="(default: run.lossdiag.npz)")
    command.set_defaults(run=_later("bundle", "run"))


def _mcp(command: argparse.ArgumentParser) -> None:
    command.add_argument("logdir", help="folder with event files, as for tensorboard --logdir")
    command.set_defaults(run=_later("mcp", "run"))


def _export(command: argparse.ArgumentParser) -> None:
    command.add_argument("logdir", help="folder with event files, as for tensorboard --logdir")
    command.add_argument("site", help="folder to write; open its index.html")
    command.set_defaults(run=_later("export", "run"))


def _explain(command: argparse.ArgumentParser) -> None:
    command.add_argument("code", help="code or name of a rule, e.g. LD302 or clip-after-step")
    command.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts")
    command.set_defaults(run=_later("explain", "explain"))


def _rules(command: argparse.ArgumentParser) -> None:
    command.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts")
    command.add_argument(
        "--format", choices=("text", "markdown"), default="text", help="markdown: the reference"
    )
    command.add_argument("--output", metavar="FILE", help="write there instead of printing")
    command.set_defaults(run=_later("explain", "rules"))


def _docs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "page",
        nargs="?",
        default="index",
        help="name of a page, code or name of a rule (default: the beginning)",
    )
    command.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the pages")
    command.add_argument(
        "--text", action="store_true", help="print the page instead of opening a browser"
    )
    command.set_defaults(run=_later("docs", "run"))


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--logdir", default="runs", help="where the runs go (default: runs)")
    command.add_argument(
        "--serve", action="store_true", help="then start TensorBoard on the folder"
    )
    command.add_argument(
        "--port", type=int, default=6006, help="TensorBoard's port (default: 6006)"
    )
    command.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the texts")
    command.set_defaults(run=_later("demo", "run"))


def _jobs(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes")
    return int(text)


def _completion(command: argparse.ArgumentParser, top: argparse.ArgumentParser) -> None:
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=_later("completion", "run"), parser=top)


def _judging(command: argparse.ArgumentParser) -> None:
    """Options that override the configuration file."""
    many = {"action": "append", "default": []}
    command.add_argument("--select", metavar="CODES", help="only these rules, e.g. LD2", **many)  # type: ignore[arg-type]
    command.add_argument("--ignore", metavar="CODES", help="without these rules", **many)  # type: ignore[arg-type]
    command.add_argument(
        "--set",
        metavar="LD601.max_ratio=0.2",
        help="change a threshold",
        **many,  # type: ignore[arg-type]
    )
    command.add_argument(
        "--map",
        metavar="loss=my/tag",
        help="which plain scalar is which quantity (loss, validation_loss, learning_rate, global_norm, loss_term.NAME …)",
        **many,  # type: ignore[arg-type]
    )
    command.add_argument(
        "--config",
        metavar="FILE",
        help="configuration (default: lossdiag.toml or pyproject.toml at or above the folder, or the current one)",
    )
    command.add_argument("--no-config", action="store_true", help="read no configuration")
    command.add_argument("--lang", choices=LANGUAGES, help="language of the texts")


def _output(command: argparse.ArgumentParser, forms: tuple[str, ...]) -> None:
    command.add_argument("--format", choices=forms, default="text")
    command.add_argument("--output", metavar="FILE", help="write there instead of printing")
