"""Jumps of the rate: what is abrupt and lasts, and how far the rate lies below the usual one."""

import numpy as np
import pytest

from ecgtune.beats.jumps import BLOCK, FEATURES, find_jumps, jump_features, usual_interval
from ecgtune.beats.rhythm import FEATURES as TIMING
from ecgtune.beats.rhythm import rr_features

SINCE, UNTIL, LEVEL = range(3)


def features(seconds: np.ndarray, within: int = 1024) -> np.ndarray:
    at = np.round(128 * np.cumsum([1.0, *seconds])).astype(int)
    return rr_features(at, 8, 64, within)[:, len(TIMING) :]


def noisy(seconds: float, n: int, share: float = 0.02, seed: int = 0) -> np.ndarray:
    return seconds * (1 + share * np.random.default_rng(seed).standard_normal(n))


def test_a_regular_rhythm_has_no_jumps() -> None:
    found = features(noisy(0.8, 500))
    assert found.shape == (501, len(FEATURES))
    assert found.dtype == np.float32
    assert not found[:, [SINCE, UNTIL]].any()
    assert np.abs(found[:, LEVEL]).max() < 0.1


def test_a_run_lies_between_two_jumps() -> None:
    found = features(np.concatenate([noisy(0.8, 300), noisy(0.4, 100, seed=1), noisy(0.8, 300, seed=2)]))
    inside, outside = np.arange(312, 390), np.r_[0:290, 412:700]
    for column in (SINCE, UNTIL):
        assert found[inside, column] == pytest.approx(np.log(2), abs=0.1)
        assert not found[outside, column].any()
    assert found[inside, LEVEL] == pytest.approx(-np.log(2), abs=0.1)


def test_a_rate_that_grows_little_by_little_has_no_jump() -> None:
    ramp = np.geomspace(0.8, 0.4, 120)
    found = features(np.concatenate([noisy(0.8, 300), ramp, noisy(0.4, 60), ramp[::-1], noisy(0.8, 300)]))
    assert not found[:, [SINCE, UNTIL]].any()
    assert found[450, LEVEL] == pytest.approx(-np.log(2), abs=0.1)


def test_what_follows_a_slow_stretch_is_no_run() -> None:
    seconds = np.concatenate([noisy(0.8, 300), noisy(1.3, 60, seed=1), noisy(0.8, 300, seed=2)])
    assert len(find_jumps(np.log(seconds)).at) == 2
    assert features(seconds)[:, [SINCE, UNTIL]].max() < 0.05


def test_a_single_early_beat_is_no_jump() -> None:
    seconds = noisy(0.8, 300)
    seconds[[100, 200]], seconds[[101, 201]] = 0.45, 1.15
    assert len(find_jumps(np.log(seconds)).at) == 0


def test_an_irregular_rhythm_seldom_jumps() -> None:
    rng = np.random.default_rng(3)
    assert len(find_jumps(np.log(rng.uniform(0.4, 1.0, 2000))).at) < 20


def test_a_run_that_goes_on_for_most_beats_but_less_time_is_not_the_usual_rate() -> None:
    found = features(np.concatenate([noisy(0.9, 400), noisy(0.4, 600, seed=1)]))
    assert found[500:990, SINCE] == pytest.approx(np.log(0.9 / 0.4), abs=0.12)
    assert not found[500:, UNTIL].any()


def bigeminy(n: int, seed: int = 0) -> np.ndarray:
    """Every other beat early, the next one late: of each two intervals the mean is 0.8 s."""
    seconds = noisy(0.8, n, seed=seed)
    seconds[::2] -= 0.3
    seconds[1::2] += 0.3
    return seconds


def test_early_beats_before_and_after_a_run_do_not_hide_its_jumps() -> None:
    found = features(np.concatenate([bigeminy(200), noisy(0.4, 100, seed=1), bigeminy(200, seed=2)]))
    inside, outside = np.arange(212, 290), np.r_[0:190, 312:500]
    for column in (SINCE, UNTIL):
        assert found[inside, column] == pytest.approx(np.log(2), abs=0.15)
        assert not found[outside, column].any()


def test_jumps_inside_a_run_are_balanced() -> None:
    run = np.concatenate([noisy(0.4, 60, seed=1), noisy(0.5, 30, seed=2), noisy(0.4, 60, seed=3)])
    found = features(np.concatenate([noisy(0.8, 300), run, noisy(0.8, 300, seed=4)]))
    for column in (SINCE, UNTIL):
        assert found[np.r_[312:355, 395:440], column] == pytest.approx(np.log(2), abs=0.15)
        assert found[368:382, column] == pytest.approx(np.log(0.8 / 0.5), abs=0.15)


def test_a_jump_counts_until_the_rate_is_the_usual_one_again() -> None:
    ramp = np.geomspace(0.4, 0.8, 120)
    found = features(np.concatenate([noisy(0.8, 400), noisy(0.4, 60), ramp, noisy(0.8, 200), ramp[::-1]]))
    assert found[412:450, SINCE] == pytest.approx(np.log(2), abs=0.1)
    assert found[500, SINCE] > 0.3
    assert not found[600:, SINCE].any()
    assert not found[:, UNTIL].any()


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_the_usual_interval_is_the_median_over_time(n: int) -> None:
    seconds = np.random.default_rng(n).uniform(0.4, 1.2, n)
    order = np.argsort(seconds)
    time = np.cumsum(seconds[order])
    median = seconds[order][np.searchsorted(time, time[-1] / 2)]
    found = np.exp(usual_interval(np.log(seconds), 10 * BLOCK))
    assert found == pytest.approx(np.full(n, median), rel=0.021)


def test_the_usual_interval_is_that_of_the_beats_around() -> None:
    rr = np.log(np.concatenate([np.full(1000, 0.5), np.full(1000, 1.0)]))
    found = np.exp(usual_interval(rr, 128))
    assert found[:800] == pytest.approx(np.full(800, 0.5), rel=0.02)
    assert found[1200:] == pytest.approx(np.full(800, 1.0), rel=0.02)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 20])
def test_few_beats_are_no_error(n: int) -> None:
    found = rr_features(np.arange(n) * 100, 8, 64, 1024)
    assert found.shape == (n, len(TIMING) + len(FEATURES))
    assert np.isfinite(found).all()


def test_without_intervals_on_either_side_there_are_none() -> None:
    assert rr_features(np.arange(30) * 100, 8, 64, 0).shape == (30, len(TIMING))


def test_features_are_limited() -> None:
    rr = np.log(np.concatenate([np.full(300, 2.5), np.full(100, 0.25), np.full(300, 2.5)]))
    found = jump_features(rr, np.concatenate([rr, rr[-1:]]), 8, 1024)
    assert found.max() == pytest.approx(0.8)
    assert found.min() == pytest.approx(-0.8)


def test_how_well_the_usual_interval_is_known_grows_with_the_beats_that_tell_it() -> None:
    def known(n: int, within: int = 4096) -> np.ndarray:
        found = rr_features(np.arange(n) * 100, 8, 64, within, known=True)
        assert found.shape == (n, len(TIMING) + len(FEATURES) + 1)
        return found[:, -1]

    assert known(129)[[0, 64, 128]] == pytest.approx(0)
    assert known(33) == pytest.approx(-np.log(4) / 2)
    assert known(1025) == pytest.approx(np.log(8) / 2)
    # More is no better, and beats that are farther away tell nothing.
    assert known(5000) == pytest.approx(np.log(8) / 2)
    assert known(500, within=128)[[0, 250]] == pytest.approx([0, np.log(2) / 2])
    assert known(1).shape == (1,)
