"""The command line without secrets, the commit of the script; and nothing of either where it is not wanted or not known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tb_lossdiag.process import origin
from tb_lossdiag.process.origin import command_line

SECRETS = (
    ("--api-key", "abcdef"),
    ("--api_key=abcdef",),
    ("--wandb-key", "abcdef"),
    ("--password", "hunter2"),
    ("--db.passwd=hunter2",),
    ("--hf-token", "abc"),
    ("+logger.token=abc",),
    ("wandb.api_key=abc",),
    ("--auth", "me:abc"),
    ("--client-secret", "x"),
    ("sk-abcdef123",),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a",),
    ("--anything", "hf_aBcDeFgHiJ"),
    ("--id=A1b2C3d4E5f6G7h8I9j0K1l2M3",),
    ("A1b2C3d4E5f6G7h8I9j0K1l2M3",),
    ("--db", "postgres://me:hunter2@host/base"),
    ("--url", "https://host/x?user=me&access_token=abc&page=2"),
    ("--slack", "https://hooks.slack.com/services/T0/B0/abc"),
    ("--header", "Bearer abc.def"),
)
ORDINARY = (
    "train.py --lr 1e-3 --max-tokens 512 --tokenizer gpt2 --key-dim 64",
    "train.py --num_tokens=2048 --data /mnt/sets/imagenet-2012/train_256 --monkey 3",
    "train.py model=vit_base_patch16_224_augreg_in21k optimizer.betas=[0.9,0.95] +seed=17",
    "train.py --resume runs/2026-11-29T18-33-01_deep_sigmoid_baseline/checkpoint_000120.pt",
    "train.py --url https://host/path?page=2 --pass-through 1",
    "train.py --author me --bypass yes --keyboard us",
)


@pytest.mark.parametrize("words", SECRETS, ids=" ".join)
def test_what_looks_like_a_secret_is_hidden(words: tuple[str, ...]) -> None:
    line = command_line(["train.py", *words, "--lr", "0.1"])
    assert "***" in line
    assert line.startswith("train.py ")
    assert line.endswith(" --lr 0.1")
    for secret in ("abc", "hunter2", "ghp_", "A1b2", " x "):
        assert secret not in line


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_arguments_are_told(line: str) -> None:
    assert command_line(line.split(" ")) == line


def test_a_switch_without_a_value_hides_no_other_argument() -> None:
    assert command_line(["t.py", "--use-token", "--lr", "1"]) == "t.py --use-token --lr 1"


def test_spaces_are_quoted_and_long_lines_cut() -> None:
    assert command_line(["t.py", "a b", ""]) == 't.py "a b" ""'
    assert len(command_line(["t.py", *["word"] * 1000])) == 1002


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in a folder of its own, as it is run."""
    path = tmp_path / "code" / "train.py"
    path.parent.mkdir()
    path.write_text("pass\n", "utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), "--lr", "1"])
    monkeypatch.delenv(origin.SWITCH, raising=False)
    monkeypatch.chdir(tmp_path)
    origin._commit.cache_clear()
    return path


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=me", "-c", "user.email=me@host", "-c", "commit.gpgsign=false")
    done = subprocess.run(("git", *named, *words), cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(folder: Path) -> str:
    git(folder, "init", "-q", "-b", "trunk")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return git(folder, "rev-parse", "HEAD")[:12]


def test_the_commit_is_that_of_the_scripts_repository(script: Path) -> None:
    made = commit(script.parent)
    command = f"{script} --lr 1"
    assert origin.origin() == {
        "command": command,
        "git commit": made,
        "git branch": "trunk",
        "git changes": "none",
    }
    script.write_text("pass  # changed\n", "utf-8")
    origin._commit.cache_clear()
    assert origin.origin()["git changes"] == "files were changed"


def test_packed_references_worktrees_and_detached_heads(script: Path, tmp_path: Path) -> None:
    folder = script.parent
    made = commit(folder)
    git(folder, "pack-refs", "--all")
    assert origin._head(folder / ".git") == (git(folder, "rev-parse", "HEAD"), "trunk")
    other = tmp_path / "other"
    git(folder, "worktree", "add", "-q", "-b", "side", str(other))
    found = origin._head(other / ".git")
    assert found is not None
    assert (found[0][:12], found[1]) == (made, "side")
    git(folder, "checkout", "-q", "--detach")
    assert origin._head(folder / ".git") == (git(folder, "rev-parse", "HEAD"), "")


def test_no_repository_an_empty_one_and_a_damaged_one_say_nothing(script: Path) -> None:
    assert set(origin.origin()) == {"command"}
    git(script.parent, "init", "-q")
    origin._commit.cache_clear()
    assert set(origin.origin()) == {"command"}
    (script.parent / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    origin._commit.cache_clear()
    assert set(origin.origin()) == {"command"}


def test_without_git_the_commit_is_known_and_no_more(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commit(script.parent)
    monkeypatch.setenv("PATH", "")
    found = origin.origin()
    assert found.get("git commit") == made
    assert "git changes" not in found


@pytest.mark.parametrize("argv", [[], [""], ["/site/ipykernel_launcher.py", "-f", "kernel.json"]])
def test_no_command_of_consoles_and_notebooks(
    script: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    assert script.exists()
    monkeypatch.setattr(sys, "argv", argv)
    assert "command" not in origin.origin()


def test_it_is_switched_off_by_the_environment(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert script.exists()
    monkeypatch.setenv(origin.SWITCH, "off")
    assert origin.origin() == {}
