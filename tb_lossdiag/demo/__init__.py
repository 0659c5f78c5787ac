"""Small real trainings, sick and healthy, on scikit-learn's handwritten digits. Importing this package imports no torch.

Each is a script that reads as one, and run as one: `python -m tb_lossdiag.demo.healthy FOLDER`. In reading order:

- `digits`: the data
- `healthy`: a healthy classifier
- `clip_after_step`: gradients clipped after the step
- `sigmoid_before_bce`: probabilities fed to BCEWithLogitsLoss
- `deep_sigmoid`: a deep sigmoid net
- `learning_rate_too_high`: a learning rate too high
- `kl_collapse`: a VAE whose KL term collapses
- `dominating_term`: one loss term drowns the other
- `overfitting`: a large net on few samples
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A training of this package.

    Attributes:
        name: module and run name.
        title: what it shows, in a few words.
        expected: codes that the diagnosis must name as causes; warnings and errors beyond them are false alarms.
    """

    name: str
    title: str
    expected: tuple[str, ...]


SCENARIOS = (
    Scenario("healthy", "a healthy classifier", ()),
    Scenario("clip_after_step", "gradients clipped after the step", ("LD302",)),
    Scenario("sigmoid_before_bce", "probabilities fed to BCEWithLogitsLoss", ("LD502",)),
    Scenario("deep_sigmoid", "a deep sigmoid net", ("LD201",)),
    Scenario("learning_rate_too_high", "a learning rate too high", ("LD601",)),
    Scenario("kl_collapse", "a VAE whose KL term collapses", ("LD402",)),
    Scenario("dominating_term", "one loss term drowns the other", ("LD401", "LD510")),
    Scenario("overfitting", "a large net on few samples", ("LD107",)),
)
