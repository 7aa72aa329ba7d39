import math

import numpy as np
import pytest

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.calibration import reliability


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
    ],
)
def test_input_that_makes_no_sense(probability: list, true: list, options: dict, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        reliability(probability, true, **options)
