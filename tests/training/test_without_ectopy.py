"""Recordings of which it is known that no beat is ectopic."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training import without_ectopy
from ecgtune.training.without_ectopy import WithoutEctopy, false_ectopy, recordings_without_ectopy

HOW = Preprocessing()


def test_recordings_of_normal_rhythm_and_of_noise_are_read(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = find_database("cinc2017")
    labels, there = recording_labels(database), set(database.records())
    few = {
        name: label
        for label in "NAO~"
        for name in [name for name, own in labels.items() if own == label and name in there][:2]
    }
    monkeypatch.setattr(without_ectopy, "recording_labels", lambda _: few)
    found = recordings_without_ectopy(["cinc2017"], HOW)
    what = {one.key[1]: one.what for one in found}
    meaning = {"N": "normal rhythm", "~": "noise"}
    assert what == {name: meaning[label] for name, label in few.items() if label in meaning}
    for one in found:
        assert one.windows.shape == (len(one.at), HOW.leads, HOW.width)
        assert one.leads == 1


def test_beats_that_are_called_s_or_v_are_counted_apart() -> None:
    said = np.array([0, 1, 2, 2, 3, 4, 0, 0, 0, 0])
    model = SimpleNamespace(predict=lambda windows, at: np.eye(len(CLASSES))[said])
    at = 64 + 128 * np.arange(10)
    windows = np.zeros((10, 2, HOW.width), dtype=np.float32)
    recordings = [
        WithoutEctopy(("cinc2017", name), name, at, windows, 1, what)
        for name, what in (("1", "noise"), ("2", "normal rhythm"), ("3", "noise"))
    ]
    counted = false_ectopy(model, recordings)
    assert {what: [key[1] for key in records] for what, records in counted.items()} == {
        "S in noise of cinc2017": ["1", "3"],
        "V in noise of cinc2017": ["1", "3"],
        "S in normal rhythm of cinc2017": ["2"],
        "V in normal rhythm of cinc2017": ["2"],
    }
    np.testing.assert_allclose(counted["V in noise of cinc2017"]["cinc2017", "1"], [2, 9 / 3600])
    np.testing.assert_allclose(counted["S in normal rhythm of cinc2017"]["cinc2017", "2"], [1, 9 / 3600])


def test_a_database_without_such_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="without_ectopy: svdb labels no rhythms of recordings; known"):
        recordings_without_ectopy(["svdb"], HOW)
