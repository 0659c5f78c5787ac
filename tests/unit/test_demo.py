"""What the demo says of itself, without training anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tb_lossdiag.demo import SCENARIOS, Scenario
from tb_lossdiag.rules import RULES

DEMO = Path(__file__).parents[2] / "tb_lossdiag" / "demo"
HELPERS = {"__init__", "digits"}

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


def test_every_training_is_a_scenario_once() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert sorted(names) == sorted({path.stem for path in DEMO.glob("*.py")} - HELPERS)
    assert len({scenario.title for scenario in SCENARIOS}) == len(SCENARIOS)


@each_scenario
def test_a_training_can_be_read_at_a_glance(scenario: Scenario) -> None:
    source = (DEMO / f"{scenario.name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert "torch.manual_seed(" in source
    assert "\ndef train(log_dir: str) -> None:\n" in source
    assert source.endswith('if __name__ == "__main__":\n    train(sys.argv[1])\n')


@each_scenario
def test_expected_codes_are_rules(scenario: Scenario) -> None:
    assert set(scenario.expected) <= {rule.code for rule in RULES}


def test_listing_the_scenarios_needs_no_torch() -> None:
    code = """
import sys
sys.modules["torch"] = None  # importing it now raises
from tb_lossdiag.demo import SCENARIOS
print(len(SCENARIOS))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) == len(SCENARIOS)
