"""Whether probabilities mean what they say: reliability, calibration error, temperature scaling."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.bootstrap import Interval, bootstrap

BINS = 15
"""Of a reliability curve, as Guo et al. 2017 use."""

TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is looked for; one at either end says that no temperature is best."""

_SMALLEST = 1e-30


@dataclass(frozen=True)
class Reliability:
    """A reliability curve, one entry a bin of predicted probability.

    Parameters
    ----------
    edges
        Edges of the bins, float64 [bins + 1].
    count
        Predictions in each bin, int64 [bins].
    confidence
        Mean predicted probability in each bin, float64 [bins]; NaN in an empty bin.
    frequency
        How often the prediction came true in each bin, float64 [bins]; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    frequency: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean distance of confidence and frequency, weighted by count.

        Guo et al. 2017, arXiv:1706.04599. NaN where there is no prediction.
        """
        filled = self.count > 0
        if not filled.any():
            return math.nan
        distance = np.abs(self.confidence[filled] - self.frequency[filled])
        return float(np.average(distance, weights=self.count[filled]))

    @property
    def largest_error(self) -> float:
        """Largest distance of confidence and frequency over the bins; NaN where there is no prediction."""
        distance = np.abs(self.confidence - self.frequency)
        filled = self.count > 0
        return float(distance[filled].max()) if filled.any() else math.nan


def reliability(
    probability: ArrayLike, true: ArrayLike, *, of_class: int | None = None, bins: int = BINS
) -> Reliability:
    """Compute the reliability curve of the predicted label, or of one class.

    Parameters
    ----------
    probability
        Class probabilities, [beats, classes].
    true
        Index of the true class, [beats].
    of_class
        None: the probability of the predicted (most probable) class against how often it is right. An index:
        the probability of that class against how often the beat has it.
    bins
        Bins of equal width over 0 to 1.

    Returns
    -------
    Reliability
        Curve, with the expected calibration error.

    Raises
    ------
    EvaluationError
        On shapes that do not fit, probabilities outside 0 to 1, or fewer than one bin.
    """
    p, truth = _checked(probability, true, of_class)
    edges, at, confidence, hit = _binned(p, truth, of_class, bins)
    count = np.bincount(at, minlength=bins).astype(np.int64)
    empty = np.full(bins, np.nan)
    return Reliability(
        edges,
        count,
        np.divide(np.bincount(at, confidence, bins), count, out=empty.copy(), where=count > 0),
        np.divide(np.bincount(at, hit, bins), count, out=empty.copy(), where=count > 0),
    )


def expected_error(
    probability: ArrayLike,
    true: ArrayLike,
    record: ArrayLike,
    *,
    of_class: int | None = None,
    bins: int = BINS,
    seed: int = 0,
) -> Interval:
    """Expected calibration error with a 95 % interval by resampling records.

    Parameters
    ----------
    probability, true, of_class, bins
        As in `reliability`.
    record
        Record of each beat, [beats].
    seed
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        As `reliability`, and without beats.
    """
    p, truth = _checked(probability, true, of_class)
    _, at, confidence, hit = _binned(p, truth, of_class, bins)
    sums = sums_by_record(record, at, bins, np.ones(len(at)), confidence, hit)
    return bootstrap(sums, _error_of_sums, seed=seed)


def negative_log_likelihood(probability: ArrayLike, true: ArrayLike, record: ArrayLike) -> Interval:
    """Mean of -ln of the probability of the true class, with a 95 % interval by resampling records.

    Parameters and errors as of `expected_error`. A probability of 0 counts as 1e-30.
    """
    p, truth = _checked(probability, true, None)
    own = np.maximum(p[np.arange(len(p)), truth], _SMALLEST)
    return _mean(-np.log(own), record)


def brier_score(probability: ArrayLike, true: ArrayLike, record: ArrayLike) -> Interval:
    """Mean over beats of the squared distance to the true class, summed over classes: 0 (best) to 2.

    Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2. Parameters and errors as of
    `expected_error`.
    """
    p, truth = _checked(probability, true, None)
    distance = ((p - np.eye(p.shape[1])[truth]) ** 2).sum(1)
    return _mean(distance, record)


def fit_temperature(logits: ArrayLike, true: ArrayLike) -> float:
    """Find the one number that logits are to be divided by so that their softmax is most likely.

    Guo et al. 2017, arXiv:1706.04599. The negative log-likelihood has one minimum, as it is convex in the
    temperature's inverse. Above 1 the network was too sure of itself, below 1 not sure enough; the most
    probable class never changes.

    Parameters
    ----------
    logits
        [beats, classes]; logarithms of probabilities will do as well.
    true
        Index of the true class, [beats].

    Returns
    -------
    float
        Within `TEMPERATURES`.

    Raises
    ------
    EvaluationError
        On shapes that do not fit, logits that are not finite, a class out of range, or no beat.
    """
    z, truth = _shaped(logits, true, "logits")
    if not len(z):
        raise EvaluationError("no beats to fit a temperature to; give those of a validation side")
    if not np.isfinite(z).all():
        raise EvaluationError("logits that are not finite; a temperature cannot be fitted to them")
    rows = np.arange(len(z))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(z / math.exp(log_temperature), axis=1)[rows, truth].mean())

    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(math.exp(found.x))


def tempered(probability: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Probabilities as they were if the logits behind them were divided by a temperature (once more).

    Parameters
    ----------
    probability
        [..., classes].
    temperature
        Above 0. The inverse of a model's own temperature gives what it says without one.

    Returns
    -------
    ndarray
        float64, same shape. A probability of 0 counts as 1e-30.

    Raises
    ------
    EvaluationError
        Where the temperature is not above 0.
    """
    if not temperature > 0:
        raise EvaluationError(f"temperature {temperature:g}; give one above 0")
    logits = np.log(np.maximum(np.asarray(probability, dtype=np.float64), _SMALLEST))
    return np.asarray(np.exp(log_softmax(logits / temperature, axis=-1)), dtype=np.float64)


def sums_by_record(
    record: ArrayLike, at: NDArray[np.integer], bins: int, *values: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Sum values of beats into bins, for each record: what `bootstrap` resamples.

    Parameters
    ----------
    record
        Record of each beat, [beats].
    at
        Bin of each beat, [beats].
    bins
        How many.
    *values
        Each [beats].

    Returns
    -------
    dict
        By record: float64 [bins, values].

    Raises
    ------
    EvaluationError
        Where there are not as many records as beats.
    """
    names, own = np.unique(np.asarray(record, dtype=np.str_), return_inverse=True)
    if own.shape != at.shape:
        raise EvaluationError(f"{own.size} records for {len(at)} beats; give the record of each beat")
    cells, n = own * bins + at, len(names) * bins
    sums = np.stack([np.bincount(cells, np.asarray(each, dtype=np.float64), n) for each in values], axis=1)
    return dict(zip(names.tolist(), sums.reshape(len(names), bins, len(values)), strict=True))


def _mean(values: NDArray[np.float64], record: ArrayLike) -> Interval:
    sums = sums_by_record(record, np.zeros(len(values), dtype=np.int64), 1, np.ones(len(values)), values)
    return bootstrap(sums, lambda each: each[..., 0, 1] / each[..., 0, 0])


def _error_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected calibration error of sums [..., bins, (count, confidence, hits)]."""
    error: NDArray[np.float64] = np.abs(sums[..., 1] - sums[..., 2]).sum(-1) / sums[..., 0].sum(-1)
    return error


def _shaped(values: ArrayLike, true: ArrayLike, what: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    table = np.asarray(values, dtype=np.float64)
    truth = np.asarray(true, dtype=np.int64)
    if table.ndim != 2 or truth.shape != table.shape[:1]:
        raise EvaluationError(
            f"{what} of shape {list(table.shape)} for labels of shape {list(truth.shape)};"
            " give [beats, classes] and [beats]"
        )
    if ((truth < 0) | (truth >= table.shape[1])).any():
        raise EvaluationError(f"a label out of range; there are {table.shape[1]} classes, counted from 0")
    return table, truth


def _checked(
    probability: ArrayLike, true: ArrayLike, of_class: int | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    p, truth = _shaped(probability, true, "probabilities")
    if of_class is not None and not 0 <= of_class < p.shape[1]:
        raise EvaluationError(f"class {of_class}; there are {p.shape[1]} classes")
    if not ((p >= 0) & (p <= 1 + 1e-6)).all():
        raise EvaluationError("probabilities outside 0 to 1")
    return p, truth


def _binned(
    p: NDArray[np.float64], truth: NDArray[np.int64], of_class: int | None, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Edges of the bins; of each beat its bin, its confidence, and whether the prediction came true."""
    if bins < 1:
        raise EvaluationError(f"{bins} bins; give 1 or more")
    if of_class is None:
        predicted = p.argmax(1) if p.shape[1] else np.zeros(len(p), dtype=np.intp)
        confidence = np.take_along_axis(p, predicted[:, np.newaxis], 1)[:, 0] if len(p) else np.zeros(0)
        hit = predicted == truth
    else:
        confidence, hit = p[:, of_class], truth == of_class
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Bins are open below and closed above, as in the paper; the first holds 0 as well.
    at = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1).astype(np.int64)
    return edges, at, confidence, hit
