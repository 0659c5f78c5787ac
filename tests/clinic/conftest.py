"""Only the tests are collected: a module of cases that were imported under a second name would enter its cases twice."""

from __future__ import annotations

collect_ignore_glob = ["cases/*", "abroad/*", "[!t]*.py"]
