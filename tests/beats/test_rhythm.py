"""RR features: when a beat comes, compared with its neighbours and the minutes around it."""

import numpy as np
import pytest

from ecgtune.beats.rhythm import FEATURES, rr_features

RATE = 128
BEFORE_NEAR, AFTER_NEAR, BEFORE_FAR, AFTER_FAR, BEFORE_EARLIER, NEAR, IRREGULARITY = range(7)


def regular(n: int, rr: int = 100) -> np.ndarray:
    return np.arange(n) * rr


def test_a_regular_rhythm_differs_from_nothing() -> None:
    features = rr_features(regular(200), 8, 64)
    assert features.shape == (200, len(FEATURES))
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.delete(features, NEAR, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(features[:, NEAR], np.log(100 / RATE), atol=1e-6)


def test_a_premature_beat_comes_early_and_its_pause_is_long() -> None:
    at = regular(200)
    at[100] -= 40
    features = rr_features(at, 8, 64)
    assert features[100, BEFORE_NEAR] == pytest.approx(np.log(0.6), abs=1e-5)
    assert features[100, AFTER_NEAR] == pytest.approx(np.log(1.4), abs=1e-5)
    assert features[100, BEFORE_FAR] == pytest.approx(np.log(0.6), abs=1e-5)
    assert features[100, AFTER_FAR] == pytest.approx(np.log(1.4), abs=1e-5)
    assert features[100, BEFORE_EARLIER] == pytest.approx(np.log(0.6), abs=1e-5)
    assert features[101, BEFORE_NEAR] == pytest.approx(np.log(1.4), abs=1e-5)
    np.testing.assert_allclose(features[:100, BEFORE_NEAR], 0, atol=1e-6)


def test_near_follows_a_change_of_rate_and_far_does_not() -> None:
    at = np.concatenate([regular(300), 29900 + 50 * np.arange(1, 41), 31900 + 100 * np.arange(1, 300)])
    features = rr_features(at, 8, 64)
    assert features[320, BEFORE_NEAR] == pytest.approx(0, abs=1e-6)
    assert features[320, BEFORE_FAR] == pytest.approx(np.log(0.5), abs=1e-5)


def test_an_irregular_rhythm_is_irregular() -> None:
    rng = np.random.default_rng(0)
    at = np.cumsum(rng.integers(60, 140, 300))
    irregular = rr_features(at, 8, 64)[:, IRREGULARITY]
    assert np.median(irregular) > 0.5
    assert rr_features(regular(300), 8, 64)[:, IRREGULARITY].max() == 0


def test_a_gap_counts_as_three_seconds_at_most() -> None:
    at = regular(100)
    at[50:] += 100_000
    assert rr_features(at, 8, 64)[50, BEFORE_NEAR] == pytest.approx(np.log(3 / (100 / RATE)), abs=1e-5)


def test_intervals_beyond_the_ends_count_as_typical() -> None:
    features = rr_features(regular(50), 8, 64)
    assert features[0, BEFORE_NEAR] == 0
    assert features[-1, AFTER_NEAR] == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_beats_are_no_error(n: int) -> None:
    features = rr_features(regular(n), 8, 64)
    assert features.shape == (n, len(FEATURES))
    assert np.isfinite(features).all()


def test_features_depend_on_no_more_beats_than_the_reach_says() -> None:
    rng = np.random.default_rng(1)
    rr = rng.integers(60, 140, 600)
    other = rr.copy()
    other[:100] = rng.integers(60, 140, 100)
    other[500:] = rng.integers(60, 140, 100)
    near, far = 5, 30
    one, two = (rr_features(np.cumsum(row), near, far) for row in (rr, other))
    reach = near + far + 2
    np.testing.assert_array_equal(one[101 + reach : 500 - reach], two[101 + reach : 500 - reach])
