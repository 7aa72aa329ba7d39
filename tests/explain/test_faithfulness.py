"""Deletion, insertion and infidelity of networks whose answers can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_beats_explained import Weighing, examples_of, random_reading, small_network, subject_around
from scipy.special import expit

from ecgtune.explain.agreement import order_of
from ecgtune.explain.attribution import explain
from ecgtune.explain.faithfulness import (
    infidelity,
    predictor,
    random_orders,
    replace_in_order,
    reversed_curves,
)

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = np.array([[4.0, 1.0, 3.0, 2.0]])


@pytest.fixture
def weighing():
    """A network that weighs four samples, a beat of ones, and the exact contributions."""
    subject = subject_around(Weighing(WEIGHTS), width=4, classes=("N", "V"))
    examples = examples_of(subject, np.ones((1, 1, 4)))
    return predictor(subject, examples), examples.signal, WEIGHTS[np.newaxis].astype(np.float32)


def deleted(predict, signal, values, steps=4, **options):
    target = np.ones(len(signal), dtype=np.int64)
    return replace_in_order(
        predict, signal, np.zeros_like(signal), order_of(values), target, steps, **options
    )


def test_deletion_area_of_a_linear_network(weighing):
    curves = deleted(*weighing)
    # The largest contribution goes first: 10, less 4, less 3, less 2, less 1.
    np.testing.assert_allclose(curves.logit, [[10, 6, 3, 1, 0]])
    assert curves.logit_area[0] == pytest.approx((10 / 2 + 6 + 3 + 1 + 0 / 2) / 4)
    probability = expit([10.0, 6, 3, 1, 0])
    assert curves.area[0] == pytest.approx(np.trapezoid(probability, dx=0.25))


def test_the_worst_order_deletes_last_what_counts(weighing):
    predict, signal, values = weighing
    assert deleted(predict, signal, -values).logit.tolist() == [[10, 9, 7, 4, 0]]


def test_probabilities_are_those_of_a_temperature(weighing):
    curves = deleted(*weighing, temperature=2.0)
    np.testing.assert_allclose(curves.probability[0], expit(np.array([10, 6, 3, 1, 0]) / 2))
    np.testing.assert_allclose(curves.logit, [[10, 6, 3, 1, 0]])


def test_insertion_puts_back_what_deletion_takes(weighing):
    predict, signal, values = weighing
    target = np.ones(1, dtype=np.int64)
    inserted = replace_in_order(predict, np.zeros_like(signal), signal, order_of(values), target, 4)
    np.testing.assert_allclose(inserted.logit, [[0, 4, 7, 9, 10]])


def test_insertion_is_deletion_in_reverse_undone():
    network = small_network()
    subject = subject_around(network)
    examples = subject.examples(random_reading())
    predict, n = predictor(subject, examples), len(examples)
    order, target = random_orders(n, 32, seed=0), np.arange(n) % 3
    empty = np.zeros_like(examples.signal)
    undone = reversed_curves(replace_in_order(predict, examples.signal, empty, order, target, 8))
    inserted = replace_in_order(predict, empty, examples.signal, order[:, ::-1].copy(), target, 8)
    np.testing.assert_allclose(undone.shares, inserted.shares)
    np.testing.assert_allclose(undone.logit, inserted.logit, atol=1e-5)


def test_exact_contributions_beat_random_orders_and_wrong_ones_lose():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(1, 32))
    subject = subject_around(Weighing(weights), classes=("N", "V"))
    examples = subject.examples(random_reading(n=100))
    predict, target = predictor(subject, examples), np.ones(100, dtype=np.int64)
    empty = np.zeros_like(examples.signal)

    def area(order):
        return replace_in_order(predict, examples.signal, empty, order, target, 16).area

    exact = (weights * examples.signal).astype(np.float32)
    chance = area(random_orders(100, 32, seed=1))
    assert (area(order_of(exact)) <= chance + 1e-9).all()
    assert (area(order_of(-exact)) >= chance - 1e-9).all()
    assert (chance - area(order_of(exact))).mean() > 0.05


def test_what_is_held_fixed_goes_with_its_own_beat():
    class Reader(torch.nn.Module):
        def forward(self, signal, own):
            return torch.stack([signal.sum(dim=(1, 2)), own], dim=1)

    class Around:
        module = Reader()

    examples = examples_of(subject_around(Weighing(WEIGHTS), width=4), np.zeros((3, 1, 4)))
    examples = replace(examples, context=(np.array([1.0, 2.0, 3.0], dtype=np.float32),))
    found = predictor(Around(), examples)(torch.zeros(4, 1, 4), torch.tensor([2, 0, 2, 1]))
    assert found[:, 1].tolist() == [3, 1, 3, 2]


@pytest.fixture
def linear():
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(2, 32))
    subject = subject_around(Weighing(weights), leads=2, classes=("N", "V"))
    examples = subject.examples(random_reading(n=12, leads=2))
    return subject, examples, weights


def test_exact_contributions_foretell_everything(linear):
    subject, examples, weights = linear
    filling = np.random.default_rng(3).normal(size=examples.signal.shape).astype(np.float32)
    exact = (weights * (examples.signal - filling)).astype(np.float32)
    values = {
        "exact": exact,
        "scaled": 7 * exact,
        "random": np.random.default_rng(4).normal(size=exact.shape),
    }
    target = np.ones(12, dtype=np.int64)
    found = infidelity(predictor(subject, examples), examples.signal, filling, values, target, draws=16)
    assert (found["exact"] < 1e-4).all()
    # Grad-CAM has no unit, so the scale says nothing.
    assert (found["scaled"] < 1e-4).all()
    assert found["random"].mean() > 0.5
    assert (found["random"] <= 1 + 1e-6).all()


def test_contributions_of_nothing_are_worth_nothing(linear):
    subject, examples, _ = linear
    none = {"none": np.zeros_like(examples.signal)}
    target = np.ones(12, dtype=np.int64)
    found = infidelity(
        predictor(subject, examples), examples.signal, np.zeros_like(examples.signal), none, target, draws=5
    )
    np.testing.assert_allclose(found["none"], 1.0, rtol=1e-5)


def test_a_label_that_nothing_changes_has_no_infidelity(linear):
    subject, examples, _ = linear
    # The first logit is always 0.
    found = infidelity(
        predictor(subject, examples),
        examples.signal,
        np.zeros_like(examples.signal),
        {"any": np.ones_like(examples.signal)},
        np.zeros(12, dtype=np.int64),
        draws=3,
    )
    assert np.isnan(found["any"]).all()


def test_pieces_come_from_the_seed(linear):
    subject, examples, _ = linear
    found = [
        infidelity(
            predictor(subject, examples),
            examples.signal,
            np.zeros_like(examples.signal),
            {"any": np.abs(examples.signal)},
            np.ones(12, dtype=np.int64),
            draws=4,
            seed=seed,
        )["any"]
        for seed in (5, 5, 6)
    ]
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


def test_integrated_gradients_of_a_linear_network_are_its_contributions(linear):
    subject, examples, weights = linear
    found = explain(subject, examples, target=1, steps=4)
    np.testing.assert_allclose(found.values, weights * examples.signal, rtol=1e-3, atol=1e-5)
