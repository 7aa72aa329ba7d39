"""Recordings without labels of beats: which are at hand, who is left out, what is read."""

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.databases import find_database
from ecgtune.errors import DataError
from ecgtune.training import unlabelled
from ecgtune.training.unlabelled import Unlabelled, at_hand, left_out, read_unlabelled


def someone(name: str, patient: str) -> Unlabelled:
    return Unlabelled(("cpsc2021", name), patient, np.zeros(0, np.int64), np.zeros((0, 2, 9), np.float32), 2)


def test_recordings_of_a_patient_are_left_out_together() -> None:
    many = [someone(f"{patient}_{i}", patient) for patient in "abcdefg" for i in range(3)]
    folds = left_out(many, 4, seed=0)
    assert sorted(len(fold) for fold in folds) == [3, 6, 6, 6]
    assert set.union(*folds) == {one.key for one in many}
    for patient in "abcdefg":
        assert sum(any(name.startswith(patient) for _, name in fold) for fold in folds) == 1
    assert left_out(many, 4, seed=0) == folds
    assert left_out(many, 4, seed=1) != folds


@pytest.mark.usefixtures("data")
def test_those_at_hand_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["cinc2017", "cpsc2021"]
    assert at_hand(both) == both

    def absent(name: str) -> None:
        if name == "cpsc2021":
            raise DataError("cpsc2021: no records")

    monkeypatch.setattr(unlabelled, "find_database", absent)
    assert at_hand(both) == ["cinc2017"]


@pytest.mark.usefixtures("vfdb")
def test_beats_are_those_that_the_detector_finds() -> None:
    how = Preprocessing()
    found = read_unlabelled(find_database("vfdb"), "418", how)
    assert found is not None
    record, one = found
    assert (record.name, one.key, one.patient, one.leads) == ("418", ("vfdb", "418"), "vfdb/418", 2)
    assert one.windows.shape == (len(one.at), 2, how.width)
    assert 3000 < len(one.at) < 6000
    assert (np.diff(one.at) > 0).all()


@pytest.mark.usefixtures("vfdb")
def test_a_recording_that_shows_nothing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled, "probe", lambda *_: ())
    assert read_unlabelled(find_database("vfdb"), "418", Preprocessing()) is None
