"""Recordings with a rhythm for a label."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.errors import DataError, ModelError
from ecgtune.training import weak
from ecgtune.training.sequences import NOT_S

HOW = Preprocessing()


@pytest.fixture
def few(data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """cinc2017 as if it had two recordings of each label."""
    labels = recording_labels(find_database("cinc2017"))
    there = set(find_database("cinc2017").records())
    kept = [
        name
        for label in "NAO~"
        for name in [n for n, own in labels.items() if own == label and n in there][:2]
    ]
    monkeypatch.setattr(weak, "recording_labels", lambda _: {name: labels[name] for name in kept})
    return {name: labels[name] for name in kept}


def test_sinus_rhythm_and_fibrillation_teach_what_is_no_s(few: dict[str, str]) -> None:
    made = weak.weak_recordings(["cinc2017"], HOW)
    assert {one.name.split("/")[1] for one in made} == {n for n, label in few.items() if label in "NA"}
    for one in made:
        assert one.beats.shape[1:] == (HOW.channels, HOW.width)
        assert len(one.beats) == len(one.rhythm) == len(one.label) >= 8
        assert (one.label == NOT_S).all()
        # One lead is there; the other is as if it were lost.
        assert np.abs(one.beats[:, 0].numpy()).max() > 0.5
        assert (one.beats[:, 1] == 0).all()


def test_a_database_without_such_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="mitdb labels no rhythms of whole recordings"):
        weak.weak_recordings(["mitdb"], HOW)


def test_labels_that_are_not_there_are_an_error(tmp_path: Path, data: Path) -> None:
    database = find_database("cinc2017")
    with pytest.raises(DataError, match="no REFERENCE-v3"):
        recording_labels(type(database)(database.entry, tmp_path))
