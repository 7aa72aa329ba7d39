"""Protocols of new patients inside DS1: no test scores DS2."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ecgtune.splits import protocols
from ecgtune.systems import beat_study
from ecgtune.systems.beat_protocols import thinned
from ecgtune.systems.beat_tables import Divided

TRAINED, TESTED = ("205", "208", "209", "223"), ("119", "203")
"""What stands in place of DS1 and DS2. In its first five minutes 119 has N and V."""

EVERY: Mapping[str, int] = {"N": 30, "S": 4, "V": 8, "F": 6, "Q": 16}
"""Of each class one beat in so many."""


def few(divided: Divided) -> Divided:
    """A thirtieth of the beats."""
    return thinned(EVERY, divided)


def inside_ds1(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the protocols train and test on records of DS1; return these."""
    monkeypatch.setattr(protocols, "DS1", TRAINED)
    monkeypatch.setattr(protocols, "DS2", TESTED)
    return [*TRAINED, *TESTED]


def cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut and divide the windows of a protocol once for all studies, none of which changes them."""
    real, cut = beat_study.divide, {}

    def divide(how: dict[str, Any], protocol: str, records: Sequence[str], seed: int) -> Divided:
        key = str(how), protocol, tuple(records), seed
        if key not in cut:
            cut[key] = real(how, protocol, records, seed)
        return cut[key]

    monkeypatch.setattr(beat_study, "divide", divide)
