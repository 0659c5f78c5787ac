"""The clinic abroad: trainings as other people write them, through their frameworks, with faults they have reported.

recipes.py  the README's one line for each framework
corpora.py  a small language to learn, and its tokenizer
loops.py    plain loops, for what has no framework
first.py    what new programs came to when they were first measured
report.py   what came of it, and the figures for the README
cases/      the trainings, a module per library or field; each fault names the public report it was planted after

A fault is planted as it was reported, whether or not a rule can see it; what is right was written down before anything was
measured. No rule is tuned on the reporting half: those entered by `sealed`, which nobody has looked into. The first 203 cases were
halved by the hash of their names; when the sealed half of them had served (41 of 64 named, 1 of 41 healthy ones alarmed), it was
opened, its faults were mended, and new cases took its place, of which some were opened likewise once they had been measured.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Collection
from pathlib import Path

from clinic.abroad import cases
from clinic.case import Case, case

ABROAD: dict[str, Case] = {}
"""All cases abroad by name, in the order of their definition, once `load` has entered them."""

patient = functools.partial(case, into=ABROAD, sealed=False)
"""Enter a training in the clinic abroad whose diagnosis may be looked into."""

sealed = functools.partial(case, into=ABROAD, sealed=True)
"""Enter a training in the clinic abroad that is measured and not looked into: it says how well the rules do on what is new."""

_DEFINED = re.compile(r"^def (\w+)\(", re.MULTILINE)

NEEDS = {
    "adapters": "peft",
    "agents": "stable_baselines3",
    "frames_sound": "fastai",
    "graphs": "torch_geometric",
    "keras_on_torch": "keras",
    "preferences": "trl",
    "questions": "trl",
    "rewarded": "trl",
    "rewards_astray": "trl",
    "rewards_spent": "trl",
    "sealed_adapters": "peft",
    "sealed_agents": "stable_baselines3",
    "sealed_eighth_adapters": "peft",
    "sealed_eighth_baselines": "stable_baselines3",
    "sealed_eighth_graphs": "torch_geometric",
    "sealed_eighth_keras": "keras",
    "sealed_eighth_preferences": "trl",
    "sealed_fifth_keras": "keras",
    "sealed_graphs": "torch_geometric",
    "sealed_ninth_adapters": "peft",
    "sealed_ninth_baselines": "stable_baselines3",
    "sealed_ninth_preferences": "trl",
    "sealed_preferences": "trl",
    "sealed_second_models": "keras",
    "sealed_seventh_adapters": "peft",
    "sealed_seventh_baselines": "stable_baselines3",
    "sealed_seventh_graphs": "torch_geometric",
    "sealed_seventh_keras": "keras",
    "sealed_seventh_preferences": "trl",
    "sealed_sixth_adapters": "peft",
    "sealed_sixth_baselines": "stable_baselines3",
    "sealed_sixth_graphs": "torch_geometric",
    "sealed_sixth_keras": "keras",
    "sealed_tenth_keras": "keras",
    "sealed_tenth_sound": "stable_baselines3",
    "sealed_tenth_sound_makers": "torch_geometric",
    "sealed_tenth_words": "peft",
    "sealed_third_adapters": "peft",
    "sealed_third_graphs": "torch_geometric",
    "sealed_third_keras": "keras",
    "sealed_third_preferences": "trl",
}
"""Of modules that need more than the development requirements, what else they need (`pip install .[abroad]`)."""


def load(modules: Collection[str] = ()) -> list[str]:
    """Enter the cases of these modules, or of all.

    Returns:
        Modules that were left out, because what they need is not installed.
    """
    missing = []
    for module in sorted(modules or (found.name for found in pkgutil.iter_modules(cases.__path__))):
        if module in NEEDS and importlib.util.find_spec(NEEDS[module]) is None:
            missing.append(module)
        else:
            importlib.import_module(f"{cases.__name__}.{module}")
    return missing


def modules_with(patterns: Collection[str]) -> list[str]:
    """Names of the modules that may hold cases like these, by their text: libraries take seconds to import.

    Args:
        patterns: of names of cases or of modules, as in a shell.
    """
    found = []
    for place in sorted(Path(cases.__path__[0]).glob("*.py")):
        names = [
            name.strip("_").replace("_", "-") for name in _DEFINED.findall(place.read_text("utf-8"))
        ]
        if any(fnmatch.filter([place.stem, *names], pattern) for pattern in patterns):
            found.append(place.stem)
    return [name for name in found if name != "__init__"]
