"""Which rows make each batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgtune.training.sampling import epoch_batches


def deal(labels, batch, weighted=False, seed=0):
    return epoch_batches(np.asarray(labels), batch, weighted=weighted, draw=np.random.default_rng(seed))


@given(n=st.integers(1, 80), batch=st.integers(1, 40), seed=st.integers(0, 9))
def test_unweighted_every_row_comes_once(n, batch, seed):
    batches = deal(np.zeros(n, dtype=np.int64), batch, seed=seed)
    assert sorted(batches[batches >= 0]) == list(range(n))


@given(n=st.integers(1, 80), batch=st.integers(1, 40), weighted=st.booleans())
def test_only_the_last_batch_is_filled_up(n, batch, weighted):
    batches = deal(np.arange(n) % 2, batch, weighted)
    assert batches.dtype == np.int64
    assert batches.shape == (-(-n // batch), batch)
    flat = batches.ravel()
    assert (flat[:n] >= 0).all()
    assert (flat[:n] < n).all()
    assert (flat[n:] == -1).all()


def test_order_differs_from_seed_to_seed_and_is_shuffled():
    labels = np.zeros(200, dtype=np.int64)
    one, other = deal(labels, 8, seed=0), deal(labels, 8, seed=1)
    assert not np.array_equal(one, other)
    # Not the order of the rows: a shuffled row lies a third of the table from its place on average.
    assert np.abs(one.ravel() - np.arange(200)).mean() > 40


@pytest.mark.parametrize("weighted", [True, False])
def test_the_same_seed_gives_the_same_batches(weighted):
    labels = np.arange(50) % 3
    assert np.array_equal(deal(labels, 7, weighted), deal(labels, 7, weighted))


def test_weighted_draws_take_the_classes_alike_and_with_replacement():
    labels = np.repeat([0, 1, 2], [9_000, 900, 100])
    batches = deal(labels, 16, weighted=True)
    drawn = batches[batches >= 0]
    assert len(drawn) == len(labels)
    # A share of a third of 10,000 has a standard deviation of 0.5 %.
    assert np.bincount(labels[drawn]) / len(drawn) == pytest.approx([1 / 3] * 3, abs=0.02)
    # Each of the 100 rare rows is due 33 times, with a deviation of 5.8.
    times = np.bincount(drawn[labels[drawn] == 2] - 9_900, minlength=100)
    assert times.min() > 10
    assert times.max() < 60


def test_weighted_draws_of_one_class_or_of_a_class_that_is_missing():
    for label in (0, 1):
        batches = deal(np.full(30, label), 4, weighted=True)
        assert len(set(batches[batches >= 0])) < 30
