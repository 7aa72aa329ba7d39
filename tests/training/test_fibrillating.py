"""Recordings of which it is known where the atria fibrillate."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.errors import DataError, ModelError
from ecgtune.labels import CLASSES
from ecgtune.training import fibrillating
from ecgtune.training.fibrillating import Fibrillating, false_s, fibrillating_recordings

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
    monkeypatch.setattr(fibrillating, "recording_labels", lambda _: {name: labels[name] for name in kept})
    return {name: labels[name] for name in kept}


def recording(name: str, patient: str, database: str = "cpsc2021") -> Fibrillating:
    """Ten beats a second apart, all but the first two in fibrillation."""
    at = 64 + 128 * np.arange(10)
    windows = np.zeros((10, 2, HOW.width), dtype=np.float32)
    return Fibrillating((database, name), patient, at, windows, 2, np.arange(10) >= 2)


def test_recordings_labelled_as_fibrillation_are_read(few: dict[str, str]) -> None:
    found = fibrillating_recordings(["cinc2017"], HOW)
    assert [few[one.key[1]] for one in found] == ["A", "A"]
    for one in found:
        assert one.inside.all()
        assert one.leads == 1
        assert one.windows.shape == (len(one.at), HOW.leads, HOW.width)
        assert (one.windows[:, 1] == 0).all()
        assert np.ptp(one.windows[:, 0]) > 0.1


def test_only_what_is_annotated_as_fibrillation_is_used(data: Path) -> None:
    """CPSC 2021's 101_9 fibrillates for a sixth of its time."""
    found = {one.key[1].rsplit("data_")[-1]: one for one in fibrillating_recordings(["cpsc2021"], HOW)}
    one = found["101_9"]
    assert 20 < one.inside.sum() < len(one.inside) / 2
    assert "21_7" not in found


def test_beats_of_fibrillation_that_are_called_s_are_counted() -> None:
    said = np.full(10, CLASSES.index("N"))
    said[[0, 4, 5]] = CLASSES.index("S")
    said[6] = CLASSES.index("V")
    model = SimpleNamespace(predict=lambda windows, at: np.eye(len(CLASSES))[said])
    one = recording("1", "a")
    late = np.where(np.arange(10) == 9, one.at + 128 * 60, one.at)
    counted = false_s(model, [one, replace(one, key=("cpsc2021", "2"), at=late)])
    # Eight beats, the last of which nothing follows; a gap counts for no more than three seconds.
    np.testing.assert_allclose(counted["cpsc2021", "1"], [2, 7 / 3600])
    np.testing.assert_allclose(counted["cpsc2021", "2"], [2, 9 / 3600])


def test_a_database_without_such_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="mitdb labels no rhythms of recordings; known: cinc2017, cpsc2021"):
        fibrillating_recordings(["mitdb"], HOW)


def test_labels_that_are_not_there_are_an_error(tmp_path: Path, data: Path) -> None:
    database = find_database("cinc2017")
    with pytest.raises(DataError, match="no REFERENCE-v3"):
        recording_labels(type(database)(database.entry, tmp_path))
