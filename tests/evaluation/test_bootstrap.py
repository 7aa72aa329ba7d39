import math

import numpy as np
import pytest

from ecgtune.errors import EvaluationError
from ecgtune.evaluation import metrics
from ecgtune.evaluation.bootstrap import (
    bootstrap,
    bootstrap_mean,
    by_patient,
    compare_models,
    mean_over,
    of_class,
    pooled,
)
from ecgtune.labels import CLASSES


def records(n: int, right: float, seed: int = 0, spread: float = 0.0) -> dict[str, np.ndarray]:
    """Records of 1000 beats, N and S, of which about a share `right` is labelled right."""
    rng = np.random.default_rng(seed)
    found = {}
    for i in range(n):
        share = np.clip(right + spread * rng.standard_normal(), 0, 1)
        matrix = np.zeros((5, 5), dtype=np.int64)
        for row, beats in ((0, 900), (1, 100)):
            matrix[row, row] = rng.binomial(beats, share)
            matrix[row, 1 - row] = beats - matrix[row, row]
        found[str(i)] = matrix
    return found


def test_interval_holds_the_value_and_narrows_with_records() -> None:
    few = bootstrap(records(10, 0.9, spread=0.05), metrics.accuracy)
    many = bootstrap(records(200, 0.9, spread=0.05), metrics.accuracy)
    for interval in (few, many):
        assert interval.low < interval.value < interval.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert (few.n_records, few.confidence, few.defined) == (10, 0.95, 1.0)


def test_coverage_is_about_what_it_says() -> None:
    held = 0
    for seed in range(200):
        interval = bootstrap(
            records(40, 0.8, seed=seed, spread=0.05), metrics.accuracy, resamples=300, seed=seed
        )
        held += interval.low <= 0.8 <= interval.high
    assert 0.88 <= held / 200 <= 0.99


def test_clusters_make_the_interval_wider_than_beats_would() -> None:
    interval = bootstrap(records(30, 0.8, spread=0.1), metrics.accuracy)
    as_if_beats = 2 * 1.96 * math.sqrt(0.8 * 0.2 / 30_000)
    assert interval.high - interval.low > 5 * as_if_beats


def test_the_seed_repeats_it() -> None:
    some = records(10, 0.9, spread=0.05)
    assert bootstrap(some, metrics.accuracy, seed=3) == bootstrap(some, metrics.accuracy, seed=3)
    assert bootstrap(some, metrics.accuracy, seed=3) != bootstrap(some, metrics.accuracy, seed=4)


def test_draws_without_the_class_are_left_out_and_counted() -> None:
    some = records(3, 0.9)
    for name in ("1", "2"):
        some[name][1] = 0
    interval = bootstrap(some, of_class(metrics.sensitivity, "S", CLASSES), resamples=5000)
    assert interval.defined == pytest.approx(1 - (2 / 3) ** 3, abs=0.03)
    never = bootstrap(some, of_class(metrics.sensitivity, "V", CLASSES))
    assert math.isnan(never.value)
    assert math.isnan(never.low)
    assert never.defined == 0.0


def test_one_record_has_no_width() -> None:
    interval = bootstrap(records(1, 0.9), metrics.accuracy)
    assert interval.low == interval.high == interval.value


def test_a_better_model_is_told_from_a_worse_one() -> None:
    better, worse = records(30, 0.95, seed=1, spread=0.02), records(30, 0.85, seed=2, spread=0.02)
    difference = compare_models(better, worse, metrics.accuracy)
    assert difference.interval.low > 0
    assert difference.not_better == 0.0
    assert compare_models(worse, better, metrics.accuracy).not_better == 1.0
    same = compare_models(better, better, metrics.accuracy)
    assert same.interval.value == same.interval.low == same.interval.high == 0.0
    assert same.not_better == 1.0
    assert math.isnan(compare_models(better, worse, of_class(metrics.f1, "V", CLASSES)).not_better)


def test_pairing_makes_the_difference_sharper_than_the_figures() -> None:
    """Records are hard for both models alike, so the difference varies less than either."""
    ours = records(30, 0.8, spread=0.15)
    theirs = {name: matrix.copy() for name, matrix in ours.items()}
    for matrix in theirs.values():
        matrix[0, 0] -= 5
        matrix[0, 1] += 5
    difference = compare_models(ours, theirs, metrics.accuracy).interval
    alone = bootstrap(ours, metrics.accuracy)
    assert difference.high - difference.low < 0.1 * (alone.high - alone.low)
    assert difference.low > 0


def test_models_are_compared_over_the_same_records() -> None:
    with pytest.raises(EvaluationError, match="only one of the two models has record 2;"):
        compare_models(records(3, 0.9), records(2, 0.9), metrics.accuracy)


def test_pooled_with_and_without_records() -> None:
    some = records(3, 0.9)
    assert (pooled(some) == some["0"] + some["1"] + some["2"]).all()
    assert (pooled(some, without=["1"]) == some["0"] + some["2"]).all()
    assert (pooled(some, only=["1"]) == some["1"]).all()
    with pytest.raises(EvaluationError, match="record 232 is not among"):
        pooled(some, without=["232"])
    with pytest.raises(EvaluationError, match="no records"):
        pooled(some, without=["0", "1", "2"])


def test_patients_and_means() -> None:
    some = records(3, 0.9)
    patients = by_patient(some, {"0": "p", "2": "p"})
    assert set(patients) == {"p", "1"}
    assert (patients["p"] == some["0"] + some["2"]).all()
    expected = np.mean([float(metrics.accuracy(matrix)) for matrix in some.values()])
    assert mean_over(some, metrics.accuracy) == pytest.approx(expected)
    assert math.isnan(mean_over(some, of_class(metrics.f1, "V", CLASSES)))


@pytest.mark.parametrize(
    ("matrices", "options", "message"),
    [
        ({}, {}, "no records"),
        ({"0": np.eye(5)}, {"resamples": 0}, "0 resamples"),
        ({"0": np.eye(5)}, {"confidence": 1.0}, "confidence 1.0"),
        ({"0": np.eye(5), "1": np.eye(3)}, {}, "different shapes"),
    ],
)
def test_input_that_makes_no_sense(matrices: dict, options: dict, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        bootstrap(matrices, metrics.accuracy, **options)


def test_the_metric_must_give_one_value_a_matrix() -> None:
    with pytest.raises(EvaluationError, match="one value a matrix"):
        bootstrap({"0": np.eye(5)}, metrics.f1)
    with pytest.raises(EvaluationError, match="class 'X'"):
        of_class(metrics.f1, "X", CLASSES)


def test_mean_over_records_has_an_interval() -> None:
    some = records(30, 0.9, spread=0.05)
    interval = bootstrap_mean(some, metrics.accuracy)
    assert interval.value == pytest.approx(mean_over(some, metrics.accuracy))
    assert interval.low < interval.value < interval.high
    assert interval.n_records == 30
    # A record without S is no draw of the mean of S.
    without = {**some, "none": np.diag([10, 0, 0, 0, 0])}
    assert bootstrap_mean(without, of_class(metrics.f1, "S", CLASSES)).n_records == 30
    nowhere = bootstrap_mean(some, of_class(metrics.f1, "V", CLASSES))
    assert (nowhere.n_records, math.isnan(nowhere.value), math.isnan(nowhere.low)) == (0, True, True)
