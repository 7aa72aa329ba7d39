"""The figures that sum up an evaluation's labels, each with its interval over records."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from ecgtune.evaluation.bootstrap import Interval, Metric, bootstrap, bootstrap_mean, of_class
from ecgtune.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    cohen_kappa,
    f1,
    jk_index,
    macro_f1,
    predictivity,
    sensitivity,
)
from ecgtune.labels import CLASSES

OVERALL: dict[str, Metric] = {
    "accuracy": accuracy,
    "balanced accuracy": balanced_accuracy,
    "macro-F1 (N, S, V)": macro_f1,
    "kappa": cohen_kappa,
    "jk": jk_index,
}
"""Figures of a whole confusion matrix, by the name that tables give them."""

BY_CLASS: dict[str, Metric] = {"Se": sensitivity, "+P": predictivity, "F1": f1}
"""Figures of each class."""


def headline(confusions: Mapping[str, ArrayLike], seed: int = 0) -> dict[str, Interval]:
    """Compute the overall figures and those of each class with 95 % intervals over records.

    Parameters
    ----------
    confusions
        Matched beats of each record (or patient), [5, 5].
    seed
        Of the bootstrap.

    Returns
    -------
    dict
        By name: those of `OVERALL`, then ``"S Se"``, ``"S +P"`` and so on.

    Raises
    ------
    EvaluationError
        Without records.
    """
    return {name: bootstrap(confusions, metric, seed=seed) for name, metric in named_metrics().items()}


def headline_mean(confusions: Mapping[str, ArrayLike], seed: int = 0) -> dict[str, Interval]:
    """The same figures as means over the records (or patients) that have them; as `headline` else."""
    return {name: bootstrap_mean(confusions, metric, seed=seed) for name, metric in named_metrics().items()}


def named_metrics() -> dict[str, Metric]:
    """Every figure of the headline: those of `OVERALL`, then those of each class."""
    metrics = dict(OVERALL)
    for class_ in CLASSES:
        for name, metric in BY_CLASS.items():
            metrics[f"{class_} {name}"] = of_class(metric, class_, CLASSES)
    return metrics
