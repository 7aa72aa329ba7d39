"""Beats that look alike."""

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.beats.look_alikes import FEATURES, LookAlikes, look_alikes

BEFORE, WIDTH, GROUP = 40, 100, 16


def shape(spread: float, height: float = 1.0) -> np.ndarray:
    time = np.arange(WIDTH) - BEFORE
    return (height * np.exp(-0.5 * (time / spread) ** 2) * np.sin(time / 3 + 1)).astype(np.float32)


def recording(kinds: list[int], noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Windows [n, 2, WIDTH] of narrow (0) and wide (1) beats, and RR features: wide ones come early."""
    rng = np.random.default_rng(seed)
    both = np.stack([shape(3), shape(9, 1.5)])
    windows = np.repeat(both[kinds][:, np.newaxis], 2, axis=1)
    windows = windows + rng.normal(0, noise, windows.shape)
    rhythm = np.zeros((len(kinds), 7))
    rhythm[:, 0] = np.where(np.array(kinds) == 1, -0.4, 0.0)
    return windows.astype(np.float32), rhythm.astype(np.float32)


def found(kinds: list[int], within: int = 50, noise: float = 0.0) -> tuple[np.ndarray, LookAlikes]:
    windows, rhythm = recording(kinds, noise)
    return windows, look_alikes(windows, rhythm, BEFORE, within, group=GROUP)


KINDS = [0, 0, 1, 0] * 10


def test_the_mean_is_over_beats_of_the_same_shape() -> None:
    windows, alike = found(KINDS)
    np.testing.assert_allclose(alike.mean, windows, atol=0.02)
    assert alike.mean.shape == windows.shape
    assert alike.features.shape == (40, len(FEATURES))
    assert alike.mean.dtype == alike.own.dtype == alike.features.dtype == np.float32


def test_it_is_less_noisy_than_the_beat() -> None:
    windows, alike = found(KINDS, noise=0.05)
    clean, _ = recording(KINDS)
    assert np.abs(alike.mean - clean).mean() < 0.5 * np.abs(windows - clean).mean()


def test_share_and_timing_are_those_of_the_shape() -> None:
    _, alike = found(KINDS)
    wide = np.array(KINDS) == 1
    assert np.exp(alike.features[wide, 0]) == pytest.approx(9 / 40, abs=0.06)
    assert np.exp(alike.features[~wide, 0]) == pytest.approx(29 / 40, abs=0.06)
    assert alike.features[wide, 1] == pytest.approx(-0.4, abs=0.01)
    assert alike.features[~wide, 1] == pytest.approx(0, abs=0.01)


def test_a_beat_like_no_other_is_its_own_mean() -> None:
    windows, alike = found([0] * 9 + [1] + [0] * 10)
    np.testing.assert_allclose(alike.mean[9], windows[9], atol=0.1)
    assert alike.own[9] > 0.9
    assert np.exp(alike.features[9, 0]) < 0.01
    # Of the others like it 0, 2, 5, 7, 10, 12, 15, 16 and 18 are looked at.
    assert alike.own[0] == pytest.approx(0.5 / (0.5 + 8), abs=0.01)


def test_the_beat_itself_has_the_share_that_is_told() -> None:
    windows, rhythm = recording(KINDS, noise=0.05)
    _, alike = found(KINDS, noise=0.05)
    changed = windows.copy()
    # Outside the QRS nothing is compared: the mean moves by the beat's own share.
    changed[6, :, -10:] += 1
    moved = look_alikes(changed, rhythm, BEFORE, 50, group=GROUP).mean - alike.mean
    np.testing.assert_allclose(moved[6, :, -10:], alike.own[6], rtol=1e-3)
    np.testing.assert_allclose(moved[:, :, :-10], 0, atol=1e-6)


def test_beats_farther_away_take_no_part() -> None:
    _, near = found([1] * 4 + [0] * 30 + [1] * 4, within=8)
    # Of beats 0 to 31, two groups, half are looked at: of the wide ones itself and another.
    assert np.exp(near.features[0, 0]) == pytest.approx(1 / 16, abs=0.01)


def test_a_small_group_looks_at_all_beats() -> None:
    windows, rhythm = recording([0] * 9 + [1] + [0] * 10)
    assert look_alikes(windows, rhythm, BEFORE, 50, group=4).own[0] == pytest.approx(0.5 / 18.5, abs=0.01)


@pytest.mark.parametrize("begin", [16, 32])
def test_beats_beyond_reach_change_nothing(begin: int) -> None:
    windows, rhythm = recording([0, 1, 0, 0, 1] * 30, noise=0.05)
    whole = look_alikes(windows, rhythm, BEFORE, 20, GROUP)
    part = look_alikes(windows[begin:], rhythm[begin:], BEFORE, 20, GROUP)
    for all_of_it, own in zip(whole, part, strict=True):
        # Two groups on, beats see all that they would see.
        np.testing.assert_allclose(own[32:], all_of_it[begin + 32 :], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("period", [2, 3, 4])
def test_beats_that_come_every_so_often_are_found(period: int) -> None:
    kinds = [int(i % period == 0) for i in range(120)]
    _, alike = found(kinds)
    wide = np.array(kinds) == 1
    assert np.exp(alike.features[wide, 0]) == pytest.approx(1 / period, abs=0.07)


def test_lost_leads_and_flat_lines_give_finite_numbers() -> None:
    windows, rhythm = recording(KINDS)
    windows[:, 1] = 0
    windows[20:] = 0
    alike = look_alikes(windows, rhythm, BEFORE, 50, group=GROUP)
    assert np.isfinite(alike.features).all()
    assert (alike.mean[:, 1] == 0).all()
    np.testing.assert_allclose(alike.mean[20:], 0, atol=0.05)


def test_preprocessing_puts_them_behind_the_typical_beats() -> None:
    how = Preprocessing(before=BEFORE, after=WIDTH - BEFORE, neighbours=8, alike=30)
    windows, _ = recording(KINDS, noise=0.05)
    at = np.cumsum(np.where(np.array(KINDS) == 1, 60, 100))
    parts = how.parts(windows, at)
    beats, rhythm = how.inputs(windows, at)
    assert parts.alike is not None
    np.testing.assert_array_equal(beats[:, 4:], parts.alike.mean)
    np.testing.assert_array_equal(rhythm[:, 7:], parts.alike.features)
    assert how.rhythm_features[7:] == FEATURES
    plain, timing = Preprocessing(before=BEFORE, after=WIDTH - BEFORE, neighbours=8).inputs(windows, at)
    np.testing.assert_array_equal(plain, beats[:, :4])
    np.testing.assert_array_equal(timing, rhythm[:, :7])
