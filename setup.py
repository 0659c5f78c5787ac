"""What setup.cfg cannot say.

The README with links that lead somewhere from a package index, which packages there are, and the list of the scripts of others that the
wheel holds in `.dist-info/sboms/` (PEP 770).
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel

ROOT = Path(__file__).parent
HOME = "https://github.com/tb-lossdiag/tb-lossdiag/blob/main/"
FILES = "https://raw.githubusercontent.com/tb-lossdiag/tb-lossdiag/main/"
LOCK = ROOT / "frontend" / "package-lock.json"
NAME = "page.cdx.json"


class Wheel(bdist_wheel):  # type: ignore[misc]  # (setuptools has no types)
    """A wheel whose metadata hold the list."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        """Make the metadata, of which `pip` asks both before building and while it does."""
        super().egg2dist(egginfo_path, distinfo_path)
        place = Path(distinfo_path) / "sboms"
        place.mkdir()
        found = inventory(json.loads(LOCK.read_text(encoding="utf-8")), self.wheel_dist_name)
        (place / NAME).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def inventory(lock: dict[str, Any], wheel: str) -> dict[str, Any]:
    """In CycloneDX: what is built into the page, from where, in what depends on what.

    Args:
        lock: npm's lock file; the page is built from nothing else.
        wheel: name and version of the distribution, with a dash between.
    """
    name, _, version = wheel.replace("_", "-").rpartition("-")
    own = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
    }
    packages = lock["packages"]
    reached = _reached(packages)
    refs = {one: _purl(one, packages[_place(one)]) for one in reached}
    needs = {refs[one]: _needs(packages[_place(one)]) for one in reached}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": [_component(one, packages[_place(one)]) for one in reached],
        "dependencies": [
            {"ref": ref, "dependsOn": [refs[other] for other in others]}
            for ref, others in {own["bom-ref"]: _needs(packages[""]), **needs}.items()
        ],
    }


def _reached(packages: dict[str, Any]) -> list[str]:
    """The page's dependencies and theirs, by name; tools that only build and test it are none."""
    found: set[str] = set()
    waiting = _needs(packages[""])
    while waiting:
        if (one := waiting.pop()) not in found:
            found.add(one)
            waiting += _needs(packages[_place(one)])
    return sorted(found)


def _place(name: str) -> str:
    return f"node_modules/{name}"


def _needs(package: dict[str, Any]) -> list[str]:
    return sorted(package.get("dependencies", {}))


def _purl(name: str, package: dict[str, Any]) -> str:
    return f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"


def _component(name: str, package: dict[str, Any]) -> dict[str, Any]:
    digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
    archive = f"{name.rpartition('/')[2]}-{package['version']}.tgz"
    return {
        "type": "library",
        "bom-ref": _purl(name, package),
        "name": name,
        "version": package["version"],
        "licenses": [{"license": {"id": package["license"]}}],
        "purl": _purl(name, package),
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://registry.npmjs.org/{name}/-/{archive}",
                "hashes": [{"alg": "SHA-512", "content": digest}],
            }
        ],
    }


def described(text: str) -> str:
    """The README for a package index: its links and pictures lie in the repository."""
    text = re.sub(r"\]\((?!https?:|#)", f"]({HOME}", text)
    return re.sub(r'(src|srcset)="(?!https?:)', rf'\1="{FILES}', text)


if __name__ == "__main__":
    setup(
        cmdclass={"bdist_wheel": Wheel},
        long_description=described((ROOT / "README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
        packages=find_packages(ROOT, include=["tb_lossdiag", "tb_lossdiag.*"]),
    )
