"""Two runs, judged to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tb_lossdiag.checking.aside import stdout_aside
from tb_lossdiag.checking.places import Place, no_run
from tb_lossdiag.checking.wishes import Wishes
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.reader import Listing, Reader
from tb_lossdiag.reader.remote import here
from tb_lossdiag.report.comparison import Judged

_TWO, _THREE = 2, 3


def pair(places: Sequence[str], wishes: Wishes) -> tuple[Judged, Judged, str]:
    """Two runs of a folder, or the runs of two places; and the language of the texts.

    Raises:
        ValueError: a run does not exist or cannot be read, or there are not two of them.
        OSError: a folder cannot be read.
    """
    with stdout_aside():
        if len(places) == _THREE:
            folder, *names = here(places[0]), *places[1:]
            settings = wishes.settings(folder)
            a, b = (_named(folder, name, settings) for name in names)
        elif len(places) == _TWO:
            settings = wishes.settings(places[0])
            a, b = (_only(here(place), wishes.settings(here(place))) for place in places)
        else:
            raise ValueError("compare: give a folder and two of its runs, or two folders")
    return a, b, settings.language


def one(places: Sequence[str], wishes: Wishes) -> Judged:
    """The one run of a place, or a run of a folder by its name.

    Raises:
        ValueError: there is none of that name, or not one.
        OSError: the folder cannot be read.
    """
    folder, *names = places
    with stdout_aside():
        settings = wishes.settings(folder)
        if names:
            return _named(here(folder), names[0], settings)
        return _only(here(folder), settings)


def _named(folder: str, name: str, settings: Settings) -> Judged:
    found = _listed(Place(folder, wanted=frozenset({name})), settings)
    if len(found) != 1:
        raise ValueError(no_run(name, folder, (listing.run for _, listing in found)))
    return _judged(*found[0], settings)


def _only(place: str, settings: Settings) -> Judged:
    """The one run of a place, called by the place's name."""
    found = _listed(Place(place), settings)
    if len(found) != 1:
        names = ", ".join(listing.run for _, listing in found) or "none"
        raise ValueError(f"{place}: expected one run, there are: {names}")
    judged = _judged(*found[0], settings)
    return replace(judged, run=replace(judged.run, name=place))


def _listed(place: Place, settings: Settings) -> list[tuple[Reader, Listing]]:
    readers = [(part, part.reader(settings.mapped)) for part in place.parts()]
    return [(reader, one) for part, reader in readers for one in part.listings(reader)]


def _judged(reader: Reader, listing: Listing, settings: Settings) -> Judged:
    policy, run = Policy.of(settings), reader.read(listing)
    return Judged(run, policy.diagnose(run), policy.rules)
