import math

import numpy as np
import pytest

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.metrics import accuracy, macro_f1
from ecgtune.evaluation.risk_coverage import (
    area_interval,
    kept_share,
    matrices_above,
    matrices_rejected,
    oracle_area,
    risk_coverage,
)
from ecgtune.labels import CLASSES


def test_curve_by_hand() -> None:
    curve = risk_coverage([0.9, 0.5, 0.7, 0.7], [False, True, True, False])
    np.testing.assert_allclose(curve.limit, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx(0.25 * 0 + 0.5 / 3 + 0.25 / 2)


def test_an_oracle_is_least_sure_of_its_errors() -> None:
    n, errors = 20_000, 3000
    wrong = np.arange(n) >= n - errors
    oracle = risk_coverage(np.linspace(1, 0, n), wrong)
    assert (oracle.risk[oracle.coverage <= 1 - errors / n] == 0).all()
    assert oracle.risk[-1] == errors / n
    assert oracle.area == pytest.approx(oracle_area(errors / n), rel=1e-3)
    assert oracle.area == pytest.approx(0.15 + 0.85 * math.log(0.85), rel=1e-3)
    assert abs(oracle.excess_area) < 1e-5


def test_confidence_that_says_nothing_has_the_risk_everywhere() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.uniform(size=50_000) < 0.2
    assert risk_coverage(rng.uniform(size=50_000), wrong).area == pytest.approx(0.2, abs=0.01)
    alike = risk_coverage(np.full(1000, 0.8), wrong[:1000])
    assert (len(alike.risk), alike.area) == (1, pytest.approx(wrong[:1000].mean()))
    worst = risk_coverage(wrong.astype(float), wrong)
    assert worst.area > 0.3


def test_limits_of_the_oracle() -> None:
    assert (oracle_area(0.0), oracle_area(1.0)) == (0.0, 1.0)
    assert risk_coverage([0.3, 0.2], [True, True]).excess_area == 0
    empty = risk_coverage([], [])
    assert math.isnan(empty.area)
    assert math.isnan(empty.excess_area)


def test_area_with_an_interval_over_records() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.2, 1, 6000)
    wrong = rng.uniform(size=6000) > confidence
    record = np.repeat(np.arange(12).astype(str), 500)
    found = area_interval(confidence, wrong, record)
    assert found.value == pytest.approx(risk_coverage(confidence, wrong).area, abs=3e-4)
    # Most beats nearly certain: steps of equally many beats are as fine there as elsewhere.
    certain = 1 - 1e-6 * (1 - confidence)
    assert area_interval(certain, wrong, record).value == pytest.approx(found.value, abs=3e-4)
    few = np.round(confidence, 1)
    assert area_interval(few, wrong, record).value == pytest.approx(risk_coverage(few, wrong).area, abs=1e-12)
    assert found.low < found.value < found.high
    assert found.n_records == 12
    # One record with all the errors makes the interval wide: with it or without it.
    uneven = area_interval(confidence, record == "3", record)
    assert uneven.low == 0
    assert uneven.high > 2 * uneven.value


P = np.array(
    [
        [0.9, 0.0, 0.1, 0.0, 0.0],
        [0.4, 0.0, 0.6, 0.0, 0.0],
        [0.2, 0.3, 0.25, 0.0, 0.25],
        [0.1, 0.0, 0.8, 0.1, 0.0],
    ]
)
TRUE = np.array([0, 0, 1, 2])
RECORD = np.array(["a", "a", "b", "b"])


def test_figures_of_what_is_kept() -> None:
    every = matrices_above(P, TRUE, RECORD, 0.0, CLASSES)
    assert sum(m.sum() for m in every.values()) == 4
    assert accuracy(every["a"] + every["b"]) == 0.75
    sure = matrices_above(P, TRUE, RECORD, 0.7, CLASSES)
    assert [int(m.sum()) for m in sure.values()] == [1, 1]
    assert macro_f1(sure["a"] + sure["b"]) == 1
    # Exactly at the limit is enough.
    assert matrices_above(P, TRUE, RECORD, 0.6, CLASSES)["a"].sum() == 2
    assert matrices_above(P, TRUE, RECORD, 0.95, CLASSES)["b"].sum() == 0


def test_beats_below_the_limit_are_called_q() -> None:
    matrix = matrices_rejected(P, TRUE, RECORD, 0.7, CLASSES)
    assert matrix["a"].tolist() == [[1, 0, 0, 0, 1], *[[0] * 5] * 4]
    assert matrix["b"][1, 4] == matrix["b"][2, 2] == 1
    with pytest.raises(EvaluationError, match="no class Q among N, V"):
        matrices_rejected(P, TRUE, RECORD, 0.7, ("N", "V"))


def test_coverage_of_all_and_of_one_class() -> None:
    assert kept_share(P, RECORD, 0.7).value == 0.5
    assert kept_share(P, RECORD, 0.7, TRUE == 0).value == 0.5
    only_in_b = kept_share(P, RECORD, 0.7, TRUE == 2)
    assert only_in_b.value == 1
    assert only_in_b.defined < 1


def test_input_that_makes_no_sense() -> None:
    with pytest.raises(EvaluationError, match=r"shape \[2\], errors of shape \[1\]"):
        risk_coverage([0.1, 0.2], [True])
    with pytest.raises(EvaluationError, match="no number"):
        risk_coverage([np.nan], [True])
    with pytest.raises(EvaluationError, match="no records"):
        area_interval([], [], [])
