"""Recordings of which it is known where every beat is ventricular."""

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training.sequences import IGNORED
from ecgtune.training.tachycardias import Tachycardia, tachycardia_recordings, taught_by

HOW = Preprocessing(alike=32, usual_beat=True)
N, V = CLASSES.index("N"), CLASSES.index("V")


def recording(at: np.ndarray, where: list[np.ndarray], wide: np.ndarray) -> Tachycardia:
    """Narrow beats, and wide ones, each of another width."""
    time = (np.arange(HOW.width) - HOW.before) / 128
    draw = np.random.default_rng(0)
    windows = np.where(wide, np.linspace(0.04, 0.12, len(at)), 0.02)
    windows = np.exp(-((time / windows[:, np.newaxis]) ** 2))
    windows = windows[:, np.newaxis] + 0.01 * draw.standard_normal((len(at), HOW.leads, HOW.width))
    return Tachycardia(("vfdb", "1"), "1", at, windows.astype(np.float32), 2, *where)


def test_beats_of_tachycardia_are_v_and_those_on_time_that_look_alike_n() -> None:
    n = np.arange(200)
    intervals = np.full(200, 100)
    intervals[50], intervals[51] = 60, 140
    wide = (n == 30) | (n >= 150)
    normal, paced, ventricular = n < 100, (n >= 100) & (n < 140), n >= 160
    where = [ventricular, normal, paced]
    (taught,) = taught_by([recording(np.cumsum(intervals), where, wide)], HOW)
    label = taught.label.numpy()
    assert (label[ventricular] == V).all()
    # One looks like no other, one comes early, the ones around it have a neighbour that does.
    assert (label[[30, 49, 50, 51]] == IGNORED).all()
    assert (label[paced] == CLASSES.index("Q")).all()
    others = normal & ~np.isin(n, [0, 30, 49, 50, 51, 52])
    assert (label[others] == N).all()
    assert (label[(n >= 140) & (n < 160)] == IGNORED).all()
    assert taught.rhythm.shape == (200, len(HOW.rhythm_features))


def test_without_look_alikes_nothing_tells_which_beats_are_normal() -> None:
    none = np.zeros(20, dtype=bool)
    one = recording(100 * np.arange(20), 3 * [none], none)
    with pytest.raises(ModelError, match="needs look-alikes"):
        taught_by([one], Preprocessing())
    assert taught_by([], Preprocessing()) == []


def test_a_database_without_such_labels_is_refused() -> None:
    with pytest.raises(ModelError, match="mitdb labels no rhythms of recordings; known: vfdb"):
        tachycardia_recordings(["mitdb"], HOW)


@pytest.mark.usefixtures("vfdb")
def test_rhythms_are_those_that_are_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgtune.databases.index.Database.records", lambda _: ("418", "426"))
    flutter, tachycardia = tachycardia_recordings(["vfdb"], HOW)
    assert flutter.key == ("vfdb", "418")
    assert not flutter.ventricular.any()
    assert 0.7 < flutter.normal.mean() < 1
    assert 100 < tachycardia.ventricular.sum() < 250
    inside = tachycardia.normal.astype(int) + tachycardia.ventricular + tachycardia.paced
    assert inside.max() == 1
    assert not tachycardia.paced.any()
