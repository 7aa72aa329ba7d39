import math

import numpy as np
import pytest

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.calibration import (
    brier_score,
    expected_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    sums_by_record,
    tempered,
)


def softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return exp / exp.sum(1, keepdims=True)


def drawn(logits: np.ndarray, seed: int = 1) -> np.ndarray:
    """A class for each row, drawn with the probabilities that the logits stand for."""
    cumulative = softmax(logits).cumsum(1)
    return (np.random.default_rng(seed).uniform(size=(len(logits), 1)) > cumulative).sum(1)


def test_curve_and_error_of_the_predicted_label() -> None:
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.35, 0.65]])
    curve = reliability(probability, [0, 1, 1, 1], bins=10)
    assert curve.count.tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 2, 0]
    assert curve.confidence[8] == pytest.approx(0.9)
    assert curve.frequency[8] == 0.5
    assert curve.frequency[6] == 1.0
    assert math.isnan(curve.confidence[0])
    assert curve.expected_error == pytest.approx((0.4 + 0.325) / 2)
    assert curve.largest_error == pytest.approx(0.4)


def test_curve_of_one_class() -> None:
    curve = reliability([[0.2, 0.8], [1.0, 0.0]], [1, 0], of_class=1, bins=2)
    assert curve.count.tolist() == [1, 1]
    assert curve.frequency.tolist() == [0.0, 1.0]
    assert curve.expected_error == pytest.approx(0.1)


def test_honest_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=50_000)
    true = (rng.uniform(size=len(p)) < p).astype(int)
    assert reliability(np.column_stack([1 - p, p]), true).expected_error < 0.01
    assert reliability(np.column_stack([1 - p, p]), 1 - true).expected_error > 0.3


def test_no_predictions() -> None:
    curve = reliability(np.zeros((0, 5)), [])
    assert math.isnan(curve.expected_error)
    assert math.isnan(curve.largest_error)


@pytest.mark.parametrize(
    ("probability", "true", "options", "message"),
    [
        ([0.5], [0], {}, r"shape \[1\]"),
        ([[0.5, 0.5]], [0, 1], {}, "give .beats, classes. and .beats."),
        ([[0.5, 0.5]], [0], {"bins": 0}, "0 bins"),
        ([[0.5, 0.5]], [0], {"of_class": 2}, "class 2; there are 2"),
        ([[1.5, -0.5]], [0], {}, "outside 0 to 1"),
        ([[np.nan, 0.5]], [0], {}, "outside 0 to 1"),
        ([[0.5, 0.5]], [2], {}, "label out of range; there are 2 classes"),
        ([[0.5, 0.5]], [-1], {}, "label out of range"),
    ],
)
def test_input_that_makes_no_sense(probability: list, true: list, options: dict, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        reliability(probability, true, **options)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_known_temperature_is_recovered(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(scale=2, size=(40_000, 5))
    true = drawn(logits)
    assert fit_temperature(temperature * logits, true) == pytest.approx(temperature, rel=0.02)


def test_temperature_is_where_the_likelihood_is_greatest() -> None:
    rng = np.random.default_rng(3)
    logits, true = rng.normal(size=(500, 3)), rng.integers(0, 3, 500)
    true[:300] = logits[:300].argmax(1)
    best = fit_temperature(logits, true)

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(logits / temperature)[np.arange(500), true]).mean())

    grid = np.geomspace(0.05, 20, 400)
    assert loss(best) <= min(map(loss, grid)) + 1e-9
    # Two classes with logits z and 0, right in a share q of the beats: z / T is the log odds of q.
    two = np.tile([1.5, 0.0], (1000, 1))
    assert fit_temperature(two, np.arange(1000) >= 800) == pytest.approx(1.5 / math.log(4), rel=1e-4)


def test_temperature_of_what_is_always_right_or_guessed_ends_at_its_limits() -> None:
    logits = np.tile([1.0, 0.0], (100, 1))
    assert fit_temperature(logits, np.zeros(100, int)) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(logits, np.arange(100) % 2) == pytest.approx(20, rel=1e-3)


def test_logarithms_of_probabilities_do_for_logits() -> None:
    rng = np.random.default_rng(5)
    logits, true = 3 * rng.normal(size=(2000, 4)), rng.integers(0, 4, 2000)
    assert fit_temperature(np.log(softmax(logits)), true) == pytest.approx(
        fit_temperature(logits, true), 1e-6
    )


def test_tempered_probabilities_are_those_of_divided_logits() -> None:
    logits = np.random.default_rng(0).normal(scale=4, size=(50, 5))
    np.testing.assert_allclose(tempered(softmax(logits), 1.7), softmax(logits / 1.7), rtol=1e-9)
    np.testing.assert_allclose(tempered(tempered(softmax(logits), 0.6), 1 / 0.6), softmax(logits), rtol=1e-9)
    certain = tempered(np.array([[1.0, 0.0]]), 2.0)
    assert certain[0, 0] == pytest.approx(1)
    assert certain[0, 1] > 0
    with pytest.raises(EvaluationError, match="temperature 0; give one above 0"):
        tempered([[1.0]], 0)


@pytest.mark.parametrize(
    ("logits", "true", "message"),
    [
        (np.zeros((0, 3)), [], "no beats to fit"),
        ([[0.0, np.inf]], [0], "not finite"),
        ([[0.0, 1.0]], [2], "out of range"),
        ([0.0, 1.0], [0, 1], r"logits of shape \[2\]"),
    ],
)
def test_no_temperature_without_sense(logits: object, true: list, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        fit_temperature(logits, true)  # type: ignore[arg-type]


def test_expected_error_of_perfect_calibration_is_next_to_nothing() -> None:
    logits = np.random.default_rng(0).normal(scale=2, size=(60_000, 5))
    true, record = drawn(logits), np.arange(60_000) // 3000
    honest = expected_error(softmax(logits), true, record)
    assert honest.value < 0.01
    assert honest.high < 0.015
    assert honest.n_records == 20
    boastful = expected_error(softmax(2.5 * logits), true, record)
    assert boastful.value > 0.1
    assert boastful.low > honest.high
    assert expected_error(tempered(softmax(2.5 * logits), 2.5), true, record).value < 0.01


@pytest.mark.parametrize("of_class", [None, 0, 2])
def test_expected_error_is_that_of_the_curve(of_class: int | None) -> None:
    rng = np.random.default_rng(2)
    p, true = softmax(rng.normal(size=(900, 3))), rng.integers(0, 3, 900)
    interval = expected_error(p, true, np.repeat(["a", "b", "c"], 300), of_class=of_class)
    assert interval.value == pytest.approx(reliability(p, true, of_class=of_class).expected_error)
    assert interval.low <= interval.value <= interval.high + 0.05


def test_likelihood_and_brier_score_of_known_probabilities() -> None:
    p, true, record = [[0.5, 0.5], [0.25, 0.75]], [0, 1], ["a", "b"]
    found = negative_log_likelihood(p, true, record)
    assert found.value == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    # One of two records drawn twice is the least and the most that can come.
    assert (found.low, found.high) == pytest.approx((-math.log(0.75), math.log(2)))
    assert brier_score(p, true, record).value == pytest.approx((0.5 + 0.125) / 2)
    assert brier_score([[1.0, 0.0]], [1], ["a"]).value == 2
    assert math.isfinite(negative_log_likelihood([[1.0, 0.0]], [1], ["a"]).value)


def test_sums_by_record() -> None:
    sums = sums_by_record(["b", "a", "b"], np.array([0, 1, 1]), 2, [1, 1, 1], [0.5, 2, 3])
    np.testing.assert_array_equal(sums["a"], [[0, 0], [1, 2]])
    np.testing.assert_array_equal(sums["b"], [[1, 0.5], [1, 3]])
    with pytest.raises(EvaluationError, match="2 records for 1 beats"):
        sums_by_record(["a", "b"], np.array([0]), 1, [1])
    with pytest.raises(EvaluationError, match="no records"):
        expected_error(np.zeros((0, 2)), [], [])
