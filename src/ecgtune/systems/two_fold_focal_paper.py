"""What the tables of two-fold-focal's paper say, and our figures in their form."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.evaluation.metrics import accuracy, f1, macro_f1, predictivity, sensitivity
from ecgtune.labels import CLASSES

BY_CLASS = ("precision", "recall", "F1", "accuracy")
"""Columns of the paper's Table 1; its accuracy can only be that of one class against all others."""

ROUNDING = 0.005
"""Half of the last decimal that the paper gives."""


def class_balanced(matrix: ArrayLike) -> NDArray[np.float64]:
    """Confusion matrix of a test side on which each class that occurs counts the same: float [..., k, k]."""
    counts = np.asarray(matrix, dtype=np.float64)
    return np.asarray(counts / np.maximum(counts.sum(-1, keepdims=True), 1))


def by_class(matrix: ArrayLike) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and accuracy (one class against all others) of each class; NaN if undefined."""
    counts = np.asarray(matrix, dtype=np.float64)
    total, right = counts.sum(), np.diagonal(counts)
    against = (total - counts.sum(1) - counts.sum(0) + 2 * right) / total
    columns = (predictivity(counts), sensitivity(counts), f1(counts), against)
    return {
        name: dict(zip(BY_CLASS, (float(column[place]) for column in columns), strict=True))
        for place, name in enumerate(CLASSES)
    }


def overall(matrix: ArrayLike) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 as means over the classes that the test side has."""
    counts = np.asarray(matrix, dtype=np.float64)
    there = counts.sum(1) > 0
    return {
        "accuracy": float(accuracy(counts)),
        # A class that is never called has found nothing.
        "precision": float(np.nan_to_num(predictivity(counts))[there].mean()),
        "recall": float(sensitivity(counts)[there].mean()),
        "macro-F1": float(macro_f1(counts, None)),
    }


def implied(classes: Mapping[str, Sequence[float]], shares: Mapping[str, float]) -> dict[str, float]:
    """What a table of precision and recall by class says of the whole, rounding in its favour.

    Parameters
    ----------
    classes
        Precision, recall, ... of each class, as the paper's Table 1 has them.
    shares
        Share of each class among the beats.

    Returns
    -------
    dict
        ``accuracy, at most``: no test side of these shares can have more. ``called N, at least``: share of
        the beats that must be of other classes and called N, by N's precision and recall. ``missed, at
        most``: share of the beats that are of other classes and called anything else, by their recalls.
        Where the second exceeds the third, the table is not of a test side of these shares.
    """
    precision, recall = classes["N"][0] + ROUNDING, classes["N"][1] - ROUNDING
    others = [name for name in classes if name != "N"]
    return {
        "accuracy, at most": sum(shares[name] * min(row[1] + ROUNDING, 1) for name, row in classes.items()),
        "called N, at least": shares["N"] * recall * (1 / precision - 1),
        "missed, at most": sum(shares[name] * (1 - classes[name][1] + ROUNDING) for name in others),
    }
