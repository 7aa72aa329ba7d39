"""Recordings with a rhythm for a label."""

import numpy as np
import pytest
import torch

from ecgtune.beats import Preprocessing
from ecgtune.beats.jumps import FEATURES
from ecgtune.beats.rhythm import OF_USUAL
from ecgtune.training import weak
from ecgtune.training.fibrillating import Fibrillating
from ecgtune.training.sequences import IGNORED, NOT_ECTOPIC, NOT_S, Recording

HOW = Preprocessing()


def recording(n: int = 50, leads: int = 1, name: str = "A1") -> Fibrillating:
    """Beats of one lead or two that come when they like; the first five do not fibrillate."""
    draw = np.random.default_rng(n)
    time = (np.arange(HOW.width) - HOW.before) / 128
    windows = np.zeros((n, 2, HOW.width), dtype=np.float32)
    windows[:, :leads] = np.exp(-((time / 0.02) ** 2)) * draw.uniform(0.8, 1.2, (n, leads, 1))
    at = 64 + np.cumsum(draw.integers(60, 140, n))
    return Fibrillating(("cinc2017", name), name, at, windows, leads, np.arange(n) >= 5)


def test_beats_of_fibrillation_are_no_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "_COPIED", 0)
    (made,) = weak.weak_recordings([recording()], HOW, 40)
    assert made.name == "cinc2017/A1"
    assert made.beats.shape == (40, HOW.channels, HOW.width)
    assert made.rhythm.shape == (40, len(HOW.rhythm_features))
    assert (made.label[:5] == IGNORED).all()
    assert (made.label[5:] == NOT_S).all()
    # One lead is there; the other is as if it were lost.
    assert np.abs(made.beats[:, 0].numpy()).max() > 0.5
    assert (made.beats[:, 1] == 0).all()


def test_a_single_lead_may_stand_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "_COPIED", 1)
    one = recording()
    (made,) = weak.weak_recordings([one], HOW, 40)
    torch.testing.assert_close(made.beats[:, 1].abs(), made.beats[:, 0].abs(), rtol=0, atol=1e-5)
    assert made.beats[:, 3].abs().max() > 0.5
    # What was read stays as it was: the next fold reads it again.
    assert (one.windows[:, 1] == 0).all()


def test_no_beat_is_ectopic_and_the_rate_is_the_usual_one() -> None:
    how = Preprocessing(usual=1024)
    one = recording()
    (made,) = weak.calm_recordings([one], how, 40)
    assert (made.label == NOT_ECTOPIC).all()
    _, rhythm = how.inputs(one.windows, one.at)
    np.testing.assert_array_equal(made.rhythm, rhythm[:40])


def test_any_rate_may_be_the_usual_one_around_fibrillation() -> None:
    how = Preprocessing(usual=1024)
    drop, _, level = (how.rhythm_features.index(name) for name in FEATURES)
    made = weak.weak_recordings([recording(20 + i, name=f"A{i}") for i in range(9)], how, 20)
    levels = np.array([float(one.rhythm[:, level].median()) for one in made])
    assert np.ptp(levels) > 0.05
    for one in made:
        assert ((one.rhythm[:, drop] == 0) | (one.rhythm[:, drop] == -one.rhythm[:, level])).all()


def test_and_any_number_of_beats_tell_it() -> None:
    how = Preprocessing(usual=64, usual_known=True)
    column = how.rhythm_features.index(OF_USUAL)
    made = weak.weak_recordings([recording() for _ in range(8)], how, 40)
    known = torch.stack([one.rhythm[:, column] for one in made])
    assert (known == known[:, :1]).all()
    assert len(known[:, 0].unique()) == len(made)
    assert known.min() >= np.log(200 / 128) / 2


def test_recordings_are_joined_to_whole_sequences() -> None:
    def numbered(name: str, n: int) -> Recording:
        which = torch.full((n,), float(name))
        return Recording(name, which[:, None, None], which[:, None], which.long())

    many = [numbered("1", 5), numbered("2", 4), numbered("3", 20), numbered("4", 3)]
    first, second = weak.join_recordings(many, 8)
    assert first.name == "1"
    assert first.label.tolist() == [1] * 5 + [2] * 3
    assert second.label.tolist() == [3] * 8
    assert second.beats.shape == (8, 1, 1)
    assert second.rhythm.shape == (8, 1)
    assert weak.join_recordings(many[3:], 8) == []
