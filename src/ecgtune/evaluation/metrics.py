"""Figures of merit of beat labels, from a confusion matrix or from labels and probabilities.

A confusion matrix is [true, predicted] in the order of `ecgtune.labels.CLASSES` unless other classes are
named; leading axes are allowed everywhere, so that a thousand resampled matrices are one call. What is not
defined (the sensitivity to a class that no beat has) is NaN, never 0.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import EvaluationError
from ecgtune.labels import CLASSES

Floats = NDArray[np.float64]

HEADLINE_CLASSES: tuple[str, ...] = ("N", "S", "V")
"""Classes of the headline macro-F1: F and Q are too rare to weigh as much as these."""


def confusion_matrix(
    true: ArrayLike, predicted: ArrayLike, classes: Sequence[str] = CLASSES
) -> NDArray[np.int64]:
    """Count beats by true and predicted class.

    Parameters
    ----------
    true, predicted
        Classes of each beat, [n]: names, or indices into `classes`.
    classes
        Class names.

    Returns
    -------
    NDArray
        int64 [classes, classes], rows true, columns predicted.

    Raises
    ------
    EvaluationError
        Where the lengths differ or a class is unknown.
    """
    rows, columns = _indices(true, classes), _indices(predicted, classes)
    if len(rows) != len(columns):
        raise EvaluationError(f"{len(rows)} true labels for {len(columns)} predicted ones")
    k = len(classes)
    return np.bincount(rows * k + columns, minlength=k * k).reshape(k, k).astype(np.int64)


def known_confusion(label: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """Count those beats of `CLASSES` that have a label, an index of 0 or more: int64 [classes, classes]."""
    known = label >= 0
    return confusion_matrix(label[known], predicted[known])


def sensitivity(confusion: ArrayLike) -> Floats:
    """Se (recall) of each class: float [..., classes]."""
    matrix = _matrix(confusion)
    return _divide(_diagonal(matrix), matrix.sum(-1))


def predictivity(confusion: ArrayLike) -> Floats:
    """+P (precision) of each class: float [..., classes]."""
    matrix = _matrix(confusion)
    return _divide(_diagonal(matrix), matrix.sum(-2))


def specificity(confusion: ArrayLike) -> Floats:
    """Share of the beats of other classes that are not called this class: float [..., classes]."""
    matrix = _matrix(confusion)
    total = matrix.sum((-1, -2))[..., np.newaxis]
    negatives = total - matrix.sum(-1)
    false_positives = matrix.sum(-2) - _diagonal(matrix)
    return _divide(negatives - false_positives, negatives)


def f1(confusion: ArrayLike) -> Floats:
    """F1 of each class: float [..., classes]; NaN where no beat has the class, by truth or prediction."""
    matrix = _matrix(confusion)
    return _divide(2 * _diagonal(matrix), matrix.sum(-1) + matrix.sum(-2))


def accuracy(confusion: ArrayLike) -> Floats:
    """Share of right labels: float [...]."""
    matrix = _matrix(confusion)
    return _divide(_diagonal(matrix).sum(-1), matrix.sum((-1, -2)))


def balanced_accuracy(confusion: ArrayLike) -> Floats:
    """Mean sensitivity over the classes that occur: float [...]."""
    return _nanmean(sensitivity(confusion))


def macro_f1(
    confusion: ArrayLike,
    over: Sequence[str] | None = HEADLINE_CLASSES,
    classes: Sequence[str] = CLASSES,
) -> Floats:
    """Mean F1 over classes: float [...].

    Parameters
    ----------
    confusion
        [..., classes, classes].
    over
        Names of the classes to average over; None: all. A class without true and predicted beats is left out
        of the mean.
    classes
        Names of the matrix's classes.
    """
    values = f1(confusion)
    chosen = list(range(len(classes))) if over is None else [_position(name, classes) for name in over]
    return _nanmean(values[..., chosen])


def cohen_kappa(confusion: ArrayLike) -> Floats:
    """Cohen's kappa, agreement beyond chance: float [...]; NaN where all beats are of one class.

    Cohen 1960, doi:10.1177/001316446002000104.
    """
    matrix = _matrix(confusion)
    total = matrix.sum((-1, -2))
    observed = _divide(_diagonal(matrix).sum(-1), total)
    chance = _divide((matrix.sum(-1) * matrix.sum(-2)).sum(-1), total**2)
    # One class on both sides makes the chance exactly 1 and the agreement beyond it undefined.
    return _divide(observed - chance, 1.0 - chance)


def j_index(confusion: ArrayLike, classes: Sequence[str] = CLASSES) -> Floats:
    """Sum of Se and +P of S and V, 0 to 4: float [...].

    Mar et al. 2011, doi:10.1109/TBME.2011.2113395. NaN where one of the four is undefined.
    """
    positions = [_position("S", classes), _position("V", classes)]
    summed: Floats = (sensitivity(confusion) + predictivity(confusion))[..., positions].sum(-1)
    return summed


def jk_index(confusion: ArrayLike, classes: Sequence[str] = CLASSES) -> Floats:
    """Combine kappa and `j_index`: kappa / 2 + j / 8, at most 1: float [...].

    Mar et al. 2011, doi:10.1109/TBME.2011.2113395, with their weights 1/2 and 1/8, which give both terms the
    same largest value. Kappa is over the classes of the matrix.
    """
    combined: Floats = cohen_kappa(confusion) / 2 + j_index(confusion, classes) / 8
    return combined


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; NaN where undefined.

    Parameters
    ----------
    name
        The class.
    beats, predicted
        How many beats have it, by truth and by prediction.
    sensitivity, predictivity, specificity, f1
        0 to 1.
    """

    name: str
    beats: int
    predicted: int
    sensitivity: float
    predictivity: float
    specificity: float
    f1: float


@dataclass(frozen=True)
class Figures:
    """All figures of one confusion matrix; NaN where undefined.

    Parameters
    ----------
    classes
        Figures of each class.
    accuracy, balanced_accuracy
        0 to 1.
    macro_f1
        Mean F1 over N, S and V.
    macro_f1_all
        Mean F1 over all classes that occur.
    kappa
        Cohen's kappa.
    j, jk
        Indices of Mar et al. 2011.
    """

    classes: tuple[ClassFigures, ...]
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    macro_f1_all: float
    kappa: float
    j: float
    jk: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings, lists and dicts."""
        return asdict(self)


def figures(confusion: ArrayLike, classes: Sequence[str] = CLASSES) -> Figures:
    """Compute every figure of one confusion matrix [classes, classes]; `classes` must hold N, S and V."""
    matrix = _matrix(confusion)
    table = zip(
        classes,
        matrix.sum(1).astype(int).tolist(),
        matrix.sum(0).astype(int).tolist(),
        sensitivity(matrix).tolist(),
        predictivity(matrix).tolist(),
        specificity(matrix).tolist(),
        f1(matrix).tolist(),
        strict=True,
    )
    return Figures(
        tuple(ClassFigures(*row) for row in table),
        float(accuracy(matrix)),
        float(balanced_accuracy(matrix)),
        float(macro_f1(matrix, classes=classes)),
        float(macro_f1(matrix, None, classes)),
        float(cohen_kappa(matrix)),
        float(j_index(matrix, classes)),
        float(jk_index(matrix, classes)),
    )


def _matrix(confusion: ArrayLike) -> Floats:
    matrix = np.asarray(confusion, dtype=np.float64)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise EvaluationError(f"confusion matrix of shape {list(matrix.shape)}; give [true, predicted]")
    if (matrix < 0).any():
        raise EvaluationError("confusion matrix with negative counts")
    return matrix


def _diagonal(matrix: Floats) -> Floats:
    diagonal: Floats = np.diagonal(matrix, axis1=-2, axis2=-1)
    return diagonal


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    over, under = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    quotient: Floats = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return quotient


def _nanmean(values: Floats) -> Floats:
    """Mean over the last axis of what is defined, without numpy's warning where nothing is."""
    defined = ~np.isnan(values)
    return _divide(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def _position(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise EvaluationError(f"class {name!r} is not among {', '.join(classes)}")
    return list(classes).index(name)


def _indices(labels: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.dtype.kind in "UO" and array.size:
        return np.array([_position(str(label), classes) for label in array], dtype=np.int64)
    indices = array.astype(np.int64)
    unknown = (indices < 0) | (indices >= len(classes))
    if unknown.any():
        first = int(np.argmax(unknown))
        raise EvaluationError(f"label {indices[first]} of beat {first}; there are {len(classes)} classes")
    return indices
