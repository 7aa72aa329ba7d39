"""How alike two attributions are."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from ecgtune.explain.agreement import order_of, rank_correlation, top_overlap


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(5, 2, 40)).astype(np.float32)


def test_identical_attributions_correlate_fully(values):
    np.testing.assert_allclose(rank_correlation(values, values), 1.0)
    np.testing.assert_allclose(top_overlap(values, values), 1.0)


def test_what_is_turned_over_correlates_negatively(values):
    np.testing.assert_allclose(rank_correlation(values, -values), -1.0)
    np.testing.assert_allclose(top_overlap(values, -values), 0.0)


def test_only_the_order_counts(values):
    np.testing.assert_allclose(rank_correlation(values, np.exp(3 * values) - 7), 1.0)


def test_unrelated_attributions_hardly_correlate():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 200, 2, 128)).astype(np.float32)
    # Of 256 cells, the standard deviation is 1/16; of the mean of 200 beats, 0.004.
    assert abs(rank_correlation(one, other).mean()) < 0.02
    assert top_overlap(one, other).mean() == pytest.approx(0.1, abs=0.02)


def test_ties_share_their_rank_as_in_scipy():
    one = np.array([[[0, 0, 1, 2, 2, 5.0]]], dtype=np.float32)
    other = np.array([[[3, 1, 1, 1, 4, 4.0]]], dtype=np.float32)
    expected = spearmanr(one.ravel(), other.ravel()).statistic
    assert rank_correlation(one, other)[0] == pytest.approx(expected)


def test_no_order_no_correlation(values):
    flat = np.zeros_like(values)
    assert np.isnan(rank_correlation(values, flat)).all()
    assert np.isnan(top_overlap(values, flat)).all()


def test_the_order_is_from_the_largest_down():
    values = np.array([[[1.0, 4.0], [3.0, 2.0]]], dtype=np.float32)
    assert order_of(values).tolist() == [[1, 2, 3, 0]]


def test_equal_values_are_ordered_by_a_draw():
    values = np.zeros((50, 2, 8), dtype=np.float32)
    orders = order_of(values, seed=3)
    assert (np.sort(orders, axis=1) == np.arange(16)).all()
    # Without a draw the first lead would always come first.
    assert 0.35 < (orders[:, :8] < 8).mean() < 0.65
    assert (orders == order_of(values, seed=3)).all()
    assert (orders != order_of(values, seed=4)).any()
