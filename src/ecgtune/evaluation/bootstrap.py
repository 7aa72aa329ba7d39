"""How far figures can be trusted: bootstrap over records, and comparison of two models over the same ones.

Beats of one record are alike, and a few records hold most of the rare beats; intervals that resample beats
are far too narrow. Here whole records (or patients) are drawn with replacement, and the metric is computed
from the summed confusion matrices of each draw. Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x;
Efron and Tibshirani 1993, An Introduction to the Bootstrap (percentile interval).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import EvaluationError

Metric = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From confusion matrices [..., classes, classes] to values [...] or [..., classes]."""

Matrices = Mapping[str, ArrayLike]
"""Confusion matrix [true, predicted] of each record (or patient), or other sums that a metric is made of."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure and its percentile interval.

    Parameters
    ----------
    value
        The figure over all records.
    low, high
        Ends of the interval; NaN where the figure is undefined in every draw.
    confidence
        Coverage aimed at, e.g. 0.95.
    n_records
        How many records were resampled.
    defined
        Share of the draws in which the figure is defined; below 1 where a draw can miss a class altogether.
    """

    value: float
    low: float
    high: float
    confidence: float
    n_records: int
    defined: float


@dataclass(frozen=True)
class Difference:
    """One model's figure minus another's, over the same records.

    Parameters
    ----------
    interval
        The difference and its interval.
    not_better
        Share of the draws in which the difference is 0 or less: a one-sided bootstrap p-value of "the first
        is not better".
    """

    interval: Interval
    not_better: float


def bootstrap(
    matrices: Matrices,
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of a figure by resampling records.

    Parameters
    ----------
    matrices
        Confusion matrix of each record, or of each patient where a patient has several.
    metric
        E.g. `ecgtune.evaluation.metrics.macro_f1`; must take leading axes and give one value a matrix.
    resamples
        Draws.
    confidence
        Coverage, 0 to 1.
    seed
        Of the draws; the same seed draws the same records, whatever the metric.

    Returns
    -------
    Interval
        Percentile interval.

    Raises
    ------
    EvaluationError
        Without records, or on a confidence or a number of draws that makes no sense.
    """
    stack = _stack(matrices)
    draws = _evaluate(metric, _resampled(stack, _weights(len(stack), resamples, seed)))
    value = float(_evaluate(metric, stack.sum(0, keepdims=True))[0])
    return _interval(value, draws, confidence, len(stack))


def bootstrap_mean(
    matrices: Matrices,
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of a figure over the records (or patients) that have it, with an interval by resampling them.

    Parameters, errors and interval as in `bootstrap`; `Interval.n_records` counts those that have the figure.
    """
    values = _evaluate(metric, _stack(matrices))
    return bootstrap_values(values, resamples=resamples, confidence=confidence, seed=seed)


def bootstrap_values(
    values: ArrayLike, *, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Mean of one value a record (a figure, a paired difference), with an interval by resampling the records.

    Parameters
    ----------
    values
        [records]; NaN where a record does not have the figure.
    resamples, confidence, seed
        As in `bootstrap`.

    Raises
    ------
    EvaluationError
        As `bootstrap`.
    """
    defined = np.asarray(values, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    if not len(defined):
        return Interval(math.nan, math.nan, math.nan, confidence, 0, 0.0)
    draws = _weights(len(defined), resamples, seed) @ defined / len(defined)
    return _interval(float(defined.mean()), draws, confidence, len(defined))


def compare_models(
    first: Matrices,
    second: Matrices,
    metric: Metric,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Compare two models by resampling the records that both have labelled.

    Parameters
    ----------
    first, second
        Confusion matrix of each record; the same records in both.
    metric, resamples, confidence, seed
        As in `bootstrap`.

    Returns
    -------
    Difference
        First minus second.

    Raises
    ------
    EvaluationError
        Where one model has records that the other has not, or as in `bootstrap`.
    """
    if set(first) != set(second):
        alone = sorted(set(first) ^ set(second))
        raise EvaluationError(
            f"only one of the two models has record {', '.join(alone[:5])}{' ...' if len(alone) > 5 else ''};"
            " compare over the same records"
        )
    ours = _stack(first)
    theirs = _stack({record: second[record] for record in first})
    weights = _weights(len(ours), resamples, seed)
    draws = _evaluate(metric, _resampled(ours, weights)) - _evaluate(metric, _resampled(theirs, weights))
    totals = [_evaluate(metric, stack.sum(0, keepdims=True))[0] for stack in (ours, theirs)]
    defined = draws[~np.isnan(draws)]
    return Difference(
        _interval(float(totals[0] - totals[1]), draws, confidence, len(ours)),
        float((defined <= 0).mean()) if len(defined) else math.nan,
    )


def pooled(
    matrices: Matrices, *, without: Iterable[str] = (), only: Iterable[str] | None = None
) -> NDArray[np.int64]:
    """Sum the matrices of records, leaving out some or keeping only some.

    Raises
    ------
    EvaluationError
        Where a record that is named is not there, or none is left.
    """
    without = list(without)
    chosen = list(matrices) if only is None else list(only)
    unknown = [record for record in (*without, *chosen) if record not in matrices]
    if unknown:
        raise EvaluationError(f"record {unknown[0]} is not among those evaluated")
    total = _stack({name: matrices[name] for name in chosen if name not in without}).sum(0)
    return np.asarray(total, dtype=np.int64)


def by_patient(matrices: Matrices, patient_of: Mapping[str, str]) -> dict[str, NDArray[np.int64]]:
    """Sum the matrices of each patient's records.

    Parameters
    ----------
    matrices
        Confusion matrix of each record.
    patient_of
        Patient of each record; a record that is not listed is a patient of its own.
    """
    summed: dict[str, NDArray[np.int64]] = {}
    for record, matrix in matrices.items():
        patient = patient_of.get(record, record)
        counts = np.asarray(matrix, dtype=np.int64)
        summed[patient] = summed[patient] + counts if patient in summed else counts
    return summed


def mean_over(matrices: Matrices, metric: Metric) -> float:
    """Mean of a figure over the records (or patients) that have it; NaN where none has."""
    values = _evaluate(metric, _stack(matrices))
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _stack(matrices: Matrices) -> NDArray[np.float64]:
    if not matrices:
        raise EvaluationError("no records to evaluate")
    arrays = [np.asarray(matrix, dtype=np.float64) for matrix in matrices.values()]
    if len({array.shape for array in arrays}) > 1:
        raise EvaluationError("confusion matrices of different shapes")
    return np.stack(arrays)


def _weights(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each record is drawn: float [resamples, n]."""
    if resamples < 1:
        raise EvaluationError(f"{resamples} resamples; give 1 or more")
    drawn = np.random.default_rng(seed).integers(0, n, size=(resamples, n))
    cells = (drawn + n * np.arange(resamples)[:, np.newaxis]).ravel()
    return np.bincount(cells, minlength=n * resamples).reshape(resamples, n).astype(np.float64)


def _resampled(stack: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Summed matrices of each draw: float [resamples, classes, classes], or tables of another shape."""
    return (weights @ stack.reshape(len(stack), -1)).reshape(-1, *stack.shape[1:])


def _evaluate(metric: Metric, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(metric(matrices), dtype=np.float64)
    if values.shape != matrices.shape[:1]:
        raise EvaluationError(
            f"the metric gives values of shape {list(values.shape)} for {len(matrices)} matrices;"
            " it must give one value a matrix"
        )
    return values


def _interval(value: float, draws: NDArray[np.float64], confidence: float, n_records: int) -> Interval:
    if not 0 < confidence < 1:
        raise EvaluationError(f"confidence {confidence}; give a number between 0 and 1")
    defined = draws[~np.isnan(draws)]
    low = high = math.nan
    if len(defined):
        tail = (1 - confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
    return Interval(value, low, high, confidence, n_records, len(defined) / len(draws))


def of_class(metric: Metric, name: str, classes: Sequence[str]) -> Metric:
    """Pick one class of a metric that gives a value a class, e.g. ``of_class(f1, "S", CLASSES)``."""
    if name not in classes:
        raise EvaluationError(f"class {name!r} is not among {', '.join(classes)}")
    position = list(classes).index(name)
    return lambda matrices: metric(matrices)[..., position]
