import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    precision_recall_fscore_support,
)

from ecgtune.errors import EvaluationError
from ecgtune.evaluation import metrics
from ecgtune.evaluation.metrics import confusion_matrix, figures

EXAMPLE = np.array(
    [[90, 5, 3, 1, 1], [4, 10, 1, 0, 0], [2, 1, 20, 2, 0], [1, 0, 3, 4, 0], [0, 0, 0, 0, 2]], dtype=np.int64
)


def labels_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = np.nonzero(matrix)
    counts = matrix[true, predicted]
    return np.repeat(true, counts), np.repeat(predicted, counts)


def test_confusion_matrix_by_index_and_by_name() -> None:
    true, predicted = labels_of(EXAMPLE)
    assert (confusion_matrix(true, predicted) == EXAMPLE).all()
    names = np.array(list("NSVFQ"))
    assert (confusion_matrix(names[true], names[predicted]) == EXAMPLE).all()
    assert confusion_matrix([], []).sum() == 0
    assert confusion_matrix(["a"], ["b"], classes=("a", "b")).tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], "2 true labels for 1 predicted"),
        ([5], [0], "label 5 of beat 0"),
        ([0], [-1], "label -1 of beat 0"),
        (["X"], ["N"], "class 'X' is not among N, S, V, F, Q"),
    ],
)
def test_labels_that_make_no_sense(true: list, predicted: list, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        confusion_matrix(true, predicted)


@given(arrays(np.int64, (5, 5), elements=st.integers(0, 50)))
def test_figures_equal_scikit_learns(matrix: np.ndarray) -> None:
    matrix = matrix + np.eye(5, dtype=np.int64)
    true, predicted = labels_of(matrix)
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted, labels=range(5))
    found = figures(matrix)
    assert [c.predictivity for c in found.classes] == pytest.approx(precision.tolist())
    assert [c.sensitivity for c in found.classes] == pytest.approx(recall.tolist())
    assert [c.f1 for c in found.classes] == pytest.approx(f1.tolist())
    assert [c.beats for c in found.classes] == support.tolist()
    assert found.accuracy == pytest.approx(accuracy_score(true, predicted))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
    assert found.kappa == pytest.approx(cohen_kappa_score(true, predicted))
    assert found.macro_f1_all == pytest.approx(f1.mean())
    assert found.macro_f1 == pytest.approx(f1[:3].mean())


def test_specificity() -> None:
    found = metrics.specificity(EXAMPLE)
    assert found[0] == pytest.approx(1 - (4 + 2 + 1) / (15 + 25 + 8 + 2))
    assert found[4] == pytest.approx(1 - 1 / (100 + 15 + 25 + 8))


def test_j_and_jk() -> None:
    se, p = metrics.sensitivity(EXAMPLE), metrics.predictivity(EXAMPLE)
    j = se[1] + se[2] + p[1] + p[2]
    assert metrics.j_index(EXAMPLE) == pytest.approx(j)
    assert metrics.jk_index(EXAMPLE) == pytest.approx(metrics.cohen_kappa(EXAMPLE) / 2 + j / 8)
    assert metrics.jk_index(np.diag([9, 8, 7, 6, 5])) == pytest.approx(1.0)


def test_what_is_undefined_is_nan_and_not_zero() -> None:
    only_normal = np.zeros((5, 5), dtype=np.int64)
    only_normal[0, 0] = 10
    found = figures(only_normal)
    assert math.isnan(found.classes[2].sensitivity)
    assert math.isnan(found.classes[2].predictivity)
    assert math.isnan(found.classes[2].f1)
    assert math.isnan(found.classes[0].specificity)
    assert found.macro_f1 == found.balanced_accuracy == found.accuracy == 1.0
    assert math.isnan(found.kappa)
    assert math.isnan(found.j)
    nothing = figures(np.zeros((5, 5)))
    assert math.isnan(nothing.accuracy)
    assert math.isnan(nothing.macro_f1)


def test_a_class_never_predicted_has_f1_zero() -> None:
    matrix = EXAMPLE.copy()
    matrix[:, 1] = 0
    assert metrics.f1(matrix)[1] == 0.0
    assert math.isnan(metrics.predictivity(matrix)[1])


def test_leading_axes() -> None:
    stack = np.stack([EXAMPLE, 2 * EXAMPLE, np.zeros((5, 5), dtype=np.int64)])
    for metric in (metrics.accuracy, metrics.macro_f1, metrics.cohen_kappa, metrics.jk_index):
        values = metric(stack)
        assert values.shape == (3,)
        assert values[0] == pytest.approx(values[1]) == pytest.approx(float(metric(EXAMPLE)))
        assert math.isnan(values[2])
    assert metrics.f1(stack).shape == (3, 5)


def test_other_classes() -> None:
    matrix = EXAMPLE[:3, :3]
    assert figures(matrix, ("N", "S", "V")).macro_f1 == figures(matrix, ("N", "S", "V")).macro_f1_all
    with pytest.raises(EvaluationError, match="class 'V' is not among N, S"):
        metrics.macro_f1(EXAMPLE[:2, :2], classes=("N", "S"))


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((2, 3)), np.array([[1, -1], [0, 1]])])
def test_matrices_that_make_no_sense(bad: np.ndarray) -> None:
    with pytest.raises(EvaluationError, match="confusion matrix"):
        metrics.accuracy(bad)


def test_figures_as_a_dict() -> None:
    found = figures(EXAMPLE).to_dict()
    assert found["classes"][1]["name"] == "S"
    assert found["accuracy"] == pytest.approx(126 / 150)
