"""The wheel lists what of others it holds, whether it is built from the repository or from a source distribution."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from helpers.plain_scalars import diverging, write
from tb_lossdiag import __version__

ROOT = Path(__file__).parents[2]
STATIC = "tb_lossdiag/plugin/static"
UNSHIPPED = {".gitattributes", ".gitignore"}
DIGITS_OF_SHA_512 = 128


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's files, because setuptools writes beside the sources."""
    place = tmp_path_factory.mktemp("sources")
    for name in repository():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    return place


def repository() -> list[str]:
    """Its files."""
    command = ("git", "ls-files", "-z")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def unpacked(sources: Path) -> Path:
    """A source distribution."""
    code = "import setuptools.build_meta as b; print(b.build_sdist('dist'))"
    subprocess.run([sys.executable, "-c", code], cwd=sources, check=True, capture_output=True)
    (packed,) = (sources / "dist").glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(sources / "unpacked", filter="data")
    return next((sources / "unpacked").iterdir())


def test_a_source_distribution_is_the_repository(unpacked: Path) -> None:
    """Its tests and the page's sources among it."""
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert set(repository()) - files == UNSHIPPED
    extra = {name for name in files - set(repository()) if ".egg-info/" not in name}
    assert extra == {"PKG-INFO"}


def wheel(sources: Path, place: Path) -> ZipFile:
    """Built as pip does, but asking nobody for anything."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps")
    options = ("--no-index", "--disable-pip-version-check", "--wheel-dir", place)
    subprocess.run([*pip, *options, sources], check=True, stdin=subprocess.DEVNULL)
    (built,) = place.glob("*.whl")
    return ZipFile(built)


@pytest.fixture(scope="module")
def built_wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built once."""
    with wheel(sources, tmp_path_factory.mktemp("dist")) as built:
        return Path(str(built.filename))


def test_every_package_is_in_the_wheel(built_wheel: Path) -> None:
    with ZipFile(built_wheel) as built:
        names = set(built.namelist())
        text = built.read(f"tb_lossdiag-{__version__}.dist-info/METADATA").decode()
    ours = [name for name in repository() if name.startswith("tb_lossdiag/")]
    missing = {name for name in ours if not name.endswith((".po", "http_api.md"))} - names
    assert not {name for name in missing if Path(name).suffix in {".py", ".json", ".mo", ".proto"}}
    assert {name.partition("/")[0] for name in names} == {
        "tb_lossdiag",
        f"tb_lossdiag-{__version__}.dist-info",
    }
    assert not re.findall(r"\]\((?!https?:|#)", text)
    assert not re.findall(r'src(?:set)?="(?!https?:)', text)


INSTALLED = """
import importlib.metadata, sys
from pathlib import Path
import tb_lossdiag
place = Path(sys.argv[1])
assert Path(tb_lossdiag.__file__).is_relative_to(place), tb_lossdiag.__file__
entries = importlib.metadata.distribution("tb-lossdiag").entry_points
assert {entry.group for entry in entries} == {"tensorboard_plugins", "console_scripts", "pytest11"}
for entry in entries:
    entry.load()
import tb_lossdiag.demo
assert Path(tb_lossdiag.demo.__file__).is_relative_to(place)
print(tb_lossdiag.diagnose("runs", language="zh-CN").to_markdown())
assert (place / "tb_lossdiag" / "report" / "schema" / "check.json").is_file()
assert (place / "tb_lossdiag" / "plugin" / "static" / "app.js").is_file()
"""


def test_what_is_installed_works_by_itself(built_wheel: Path, tmp_path: Path) -> None:
    """Away from the repository: every file that is read at run time is in the wheel, every entry point leads somewhere."""
    write(tmp_path / "runs" / "div", {"train/loss": diverging(100)})
    place = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps")
    subprocess.run([*pip, "--target", place, built_wheel], check=True, stdin=subprocess.DEVNULL)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    for command, code in (
        (("-c", INSTALLED, str(place)), 0),
        (("-m", "tb_lossdiag", "check", "runs"), 1),
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "LD102" in done.stdout


@pytest.fixture(scope="module")
def alone(built_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own: the package comes from the wheel, what it needs from the tests' environment."""
    place = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = (sys.executable, "-m", "pip", "--python", program(place, "python"), "install", "--quiet")
    options = ("--no-index", "--no-deps", "--disable-pip-version-check")
    subprocess.run([*pip, *options, built_wheel], check=True, stdin=subprocess.DEVNULL)
    ask = (program(place, "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    site = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    (Path(site) / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return place


def program(place: Path, name: str) -> Path:
    """Of an environment."""
    return place / ("Scripts" if os.name == "nt" else "bin") / name


def ended(command: list[Any], folder: Path) -> str:
    """What it printed, once it has ended well; nothing of the repository can be imported."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=bare, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


A_TRAINING = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = torch.nn.Linear(8, 2), torch.nn.Linear(2, 8)

    def losses(self, x):
        z = self.down(x)
        return (self.up(z) - x).square().mean(), z.square().mean()

@torch.no_grad()
def validate(model):
    return sum(model.losses(loader[0]))

torch.manual_seed(0)
model, beta, loader = Model(), 0.1, [torch.randn(16, 8) for _ in range(60)]
optimizer = torch.optim.Adam(model.parameters())
"""


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_first_example_runs_as_it_stands(
    alone: Path, tmp_path: Path, name: str
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    first = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    (tmp_path / "train.py").write_text(A_TRAINING + first, encoding="utf-8")
    ended([program(alone, "python"), "train.py"], tmp_path)
    check = [
        program(alone, "tb-lossdiag"),
        "check",
        "runs",
        "--format",
        "json",
        "--fail-on",
        "never",
    ]
    (run,) = json.loads(ended(check, tmp_path))["runs"]
    assert (run["run"], run["steps"]) == ("vae", 60)


def test_the_tests_of_a_source_distribution_pass_where_it_is_installed(
    alone: Path, unpacked: Path
) -> None:
    """A part that is quick; the wheel is the same, whatever it is built from. `-I`: the sources themselves are not imported."""
    pytest_of_it = [program(alone, "python"), "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    some = ["tests/unit/wire", "tests/unit/config", "tests/unit/report/test_document.py"]
    where = "import tb_lossdiag; print(tb_lossdiag.__file__)"
    place = ended([program(alone, "python"), "-I", "-c", where], unpacked)
    assert Path(place.strip()).is_relative_to(alone)
    assert " passed" in ended([*pytest_of_it, "-o", "pythonpath=tests", *some], unpacked)


def listed(built: ZipFile) -> dict[str, Any]:
    """The inventory."""
    place = f"tb_lossdiag-{__version__}.dist-info/sboms/page.cdx.json"
    found: dict[str, Any] = json.loads(built.read(place))
    return found


def licensed() -> dict[str, tuple[str, str]]:
    """Version and licence of what was built into the page, as the build itself found it there."""
    text = (ROOT / STATIC / "THIRD_PARTY_LICENSES.txt").read_text(encoding="utf-8")
    heads = re.findall(r"^(\S+) ([\d.]+) \((\S+)\)$", text, re.MULTILINE)
    return {name: (version, licence) for name, version, licence in heads}


def test_a_wheel_lists_the_scripts_it_holds(built_wheel: Path) -> None:
    with ZipFile(built_wheel) as built:
        found = listed(built)
        assert f"{STATIC}/vendor.js" in built.namelist()
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    parts = {
        one["name"]: (one["version"], one["licenses"][0]["license"]["id"])
        for one in found["components"]
    }
    assert parts == licensed()
    assert {"echarts", "preact"} <= parts.keys()
    assert found["metadata"]["component"]["purl"] == f"pkg:pypi/tb-lossdiag@{__version__}"
    for one in found["components"]:
        (digest,) = one["externalReferences"][0]["hashes"]
        assert (digest["alg"], len(digest["content"])) == ("SHA-512", DIGITS_OF_SHA_512)


def test_who_needs_whom_is_closed(built_wheel: Path) -> None:
    with ZipFile(built_wheel) as built:
        found = listed(built)
    own = found["metadata"]["component"]["bom-ref"]
    known = {own, *(one["bom-ref"] for one in found["components"])}
    needs = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert needs.keys() == known
    assert {other for others in needs.values() for other in others} == known - {own}


def test_a_source_distribution_builds_the_same_list(
    built_wheel: Path, unpacked: Path, tmp_path: Path
) -> None:
    with ZipFile(built_wheel) as here, wheel(unpacked, tmp_path / "there") as there:
        assert listed(here) == listed(there)
        assert sorted(here.namelist()) == sorted(there.namelist())
