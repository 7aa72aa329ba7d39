"""Recordings with a rhythm for a label."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecgtune.beats import Preprocessing
from ecgtune.beats.jumps import FEATURES
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.errors import DataError, ModelError
from ecgtune.training import weak
from ecgtune.training.sequences import IGNORED, NOT_S, Recording

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


def test_beats_of_fibrillation_are_no_s(few: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "_COPIED", 0)
    (made,) = weak.weak_recordings(["cinc2017"], HOW, 40)
    assert few[made.name.split("/")[1]] == "A"
    assert made.beats.shape == (40, HOW.channels, HOW.width)
    assert made.rhythm.shape == (40, len(HOW.rhythm_features))
    assert (made.label == NOT_S).all()
    # One lead is there; the other is as if it were lost.
    assert np.abs(made.beats[:, 0].numpy()).max() > 0.5
    assert (made.beats[:, 1] == 0).all()


def test_a_single_lead_may_stand_for_two(few: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "_COPIED", 1)
    (made,) = weak.weak_recordings(["cinc2017"], HOW, 40)
    torch.testing.assert_close(made.beats[:, 1].abs(), made.beats[:, 0].abs(), rtol=0, atol=1e-5)
    assert made.beats[:, 3].abs().max() > 0.5


def test_any_rate_may_be_the_usual_one_around_fibrillation(few: dict[str, str]) -> None:
    how = Preprocessing(usual=1024)
    drop, _, level = (how.rhythm_features.index(name) for name in FEATURES)
    made = weak.weak_recordings(["cinc2017"], how, 20)
    levels = np.array([float(one.rhythm[:, level].median()) for one in made])
    assert np.ptp(levels) > 0.05
    for one in made:
        assert ((one.rhythm[:, drop] == 0) | (one.rhythm[:, drop] == -one.rhythm[:, level])).all()


def test_only_what_is_annotated_as_fibrillation_is_used(data: Path) -> None:
    """CPSC 2021's 101_9 fibrillates for a sixth of its time."""
    database = find_database("cpsc2021")
    (name,) = [each for each in database.records() if each.endswith("101_9")]
    draw = np.random.default_rng(0)
    made = weak._prepared(database, name, HOW, weak._by_annotations, draw)
    assert made is not None
    inside = made.label == NOT_S
    assert (made.label[~inside] == IGNORED).all()
    assert 20 < int(inside.sum()) < len(inside) / 2
    sinus = [each for each in database.records() if each.endswith("21_7")]
    assert weak._prepared(database, sinus[0], HOW, weak._by_annotations, draw) is None


def test_recordings_are_joined_to_whole_sequences() -> None:
    def recording(name: str, n: int) -> Recording:
        which = torch.full((n,), float(name))
        return Recording(name, which[:, None, None], which[:, None], which.long())

    many = [recording("1", 5), recording("2", 4), recording("3", 20), recording("4", 3)]
    first, second = weak.join_recordings(many, 8)
    assert first.name == "1"
    assert first.label.tolist() == [1] * 5 + [2] * 3
    assert second.label.tolist() == [3] * 8
    assert second.beats.shape == (8, 1, 1)
    assert second.rhythm.shape == (8, 1)
    assert weak.join_recordings(many[3:], 8) == []


def test_a_database_without_such_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="mitdb labels no rhythms of recordings; known: cinc2017, cpsc2021"):
        weak.weak_recordings(["mitdb"], HOW, 40)


def test_labels_that_are_not_there_are_an_error(tmp_path: Path, data: Path) -> None:
    database = find_database("cinc2017")
    with pytest.raises(DataError, match="no REFERENCE-v3"):
        recording_labels(type(database)(database.entry, tmp_path))
