"""An optimizer that takes another's place, and begins with nothing, is counted."""

from __future__ import annotations

import torch
from torch import nn

from tb_lossdiag.collect.watch.replacements import Beginning, Replacements


def test_only_the_same_model_under_the_same_name_counts_on() -> None:
    replacements = Replacements()
    one, other = nn.Linear(1, 1), nn.Linear(1, 1)
    assert [replacements.another("", one) for _ in range(3)] == [0, 1, 2]
    assert replacements.another("critic", one) == 0
    assert replacements.another("", other) == 0
    assert replacements.another("", nn.DataParallel(other)) == 1  # the same one in a wrapper


def step(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    net(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def test_an_optimizer_without_the_state_of_those_before_it_is_said_after_its_first_step() -> None:
    net = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(net.parameters())
    beginning = Beginning("net", optimizer, before=2)
    beginning.step_begins(0)
    assert beginning.news() == []  # no state as yet
    step(net, optimizer)
    (record,) = beginning.news()
    assert (record.quantity.name, record.columns, float(record.values[0])) == (
        "replaced_optimizers",
        ("net",),
        2.0,
    )
    beginning.step_begins(1)
    assert beginning.news() == []


def test_the_first_one_and_one_with_state_lose_nothing() -> None:
    net = nn.Linear(1, 1)
    first = torch.optim.Adam(net.parameters())
    beginning = Beginning("", first, before=0)
    beginning.step_begins(0)
    step(net, first)
    assert beginning.news() == []
    loaded = Beginning("", first, before=1)  # its state is there, as after load_state_dict
    loaded.step_begins(0)
    step(net, first)
    assert loaded.news() == []


def test_an_optimizer_that_keeps_no_state_loses_none() -> None:
    net = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    beginning = Beginning("", optimizer, before=1)
    beginning.step_begins(0)
    step(net, optimizer)
    assert beginning.news() == []
