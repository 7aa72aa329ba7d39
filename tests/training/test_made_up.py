"""What is made up of training recordings: of which, and once."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.splits import make_split
from ecgtune.training import made_up
from ecgtune.training.config import DataOptions
from ecgtune.training.made_up import MadeUp, undivided
from ecgtune.training.tables import index_database

HOW = Preprocessing()
DATA = DataOptions(episodes=(("tachycardia", "slower"), ("ectopy",)), faults=("pop",))


def test_episodes_and_faults_of_a_recording_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str, float]] = []

    def maker(what, expected):
        def make(key, how, kinds, limit):
            assert (how, kinds) == (HOW, expected)
            made.append((what, key[1], limit))
            return [f"{what} of {key[1]} until {limit:g}"]

        return make

    monkeypatch.setattr(made_up, "episode_recordings", maker("episodes", DATA.episodes))
    monkeypatch.setattr(made_up, "faulty_recordings", maker("faults", DATA.faults))
    one, other = ("db", "1"), ("db", "2")
    every = MadeUp(HOW, DATA)
    assert every.episodes([one]) == ["episodes of 1 until inf"]
    assert every.episodes([other, one]) == ["episodes of 1 until inf", "episodes of 2 until inf"]
    assert every.faults([other, one]) == ["faults of 1 until inf", "faults of 2 until inf"]
    assert every.faults([one]) == ["faults of 1 until inf"]
    assert every.episodes([one], {one: 60.0}) == ["episodes of 1 until 60"]
    assert made == [
        ("episodes", "1", np.inf),
        ("episodes", "2", np.inf),
        ("faults", "1", np.inf),
        ("faults", "2", np.inf),
        ("episodes", "1", 60.0),
    ]


def test_they_do_not_depend_on_which_other_recordings_train(mitdb: Path) -> None:
    one, other = ("mitdb", "101"), ("mitdb", "119")
    both = MadeUp(HOW, DATA)
    for among, alone in (
        (both.episodes([other, one]), [MadeUp(HOW, DATA).episodes([key]) for key in (one, other)]),
        (both.faults([other, one]), [MadeUp(HOW, DATA).faults([key]) for key in (one, other)]),
    ):
        assert all(alone)
        for made, same in zip(among, [each for part in alone for each in part], strict=True):
            assert made.name == same.name
            np.testing.assert_array_equal(made.beats, same.beats)


def test_nothing_is_read_where_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = MadeUp(HOW, DataOptions())
    assert nothing.episodes([("nowhere", "1")]) == nothing.faults([("nowhere", "1")]) == []


def test_records_that_are_divided_between_sides_give_nothing(mitdb: Path) -> None:
    """Else beats that are to be tested would train, in what is made up or beside it."""
    index = index_database("mitdb")
    split = make_split(index, "beat-split", seed=0)
    assert undivided(split, split.train, {}) == []
    by_patient = make_split(index, "inter-patient", seed=0)
    assert undivided(by_patient, by_patient.train, {}) == list(by_patient.records("train"))
    both = np.concatenate([by_patient.train, by_patient.validate])
    assert len(undivided(by_patient, both, {})) == 21


def test_of_records_that_are_divided_in_time_the_first_part_gives(mitdb: Path) -> None:
    index = index_database("mitdb")
    split = make_split(index, "chronological", seed=0, window=(3.0, 3.0))
    assert undivided(split, split.train, split.signal_until) == list(split.records("train"))
    # 201 and 202 are one patient, whose first record is training's as a whole.
    assert undivided(split, split.train, split.validate_until) == [("mitdb", "201")]
