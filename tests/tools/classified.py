"""Fails if setup.cfg has a classifier that the package index does not know: it would refuse the upload. Run by `tasks.py package`."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

from trove_classifiers import classifiers

config = configparser.ConfigParser()
config.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
listed = config["metadata"]["classifiers"].split("\n")
if unknown := [each for each in listed if each and each not in classifiers]:
    sys.exit(f"no classifiers: {unknown}")
