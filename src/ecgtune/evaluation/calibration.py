"""Whether probabilities mean what they say: reliability curve and expected calibration error."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import EvaluationError


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
    probability: ArrayLike, true: ArrayLike, *, of_class: int | None = None, bins: int = 15
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
    p = np.asarray(probability, dtype=np.float64)
    truth = np.asarray(true, dtype=np.int64)
    if p.ndim != 2 or truth.shape != p.shape[:1]:
        raise EvaluationError(
            f"probabilities of shape {list(p.shape)} for labels of shape {list(truth.shape)};"
            " give [beats, classes] and [beats]"
        )
    if bins < 1:
        raise EvaluationError(f"{bins} bins; give 1 or more")
    if of_class is not None and not 0 <= of_class < p.shape[1]:
        raise EvaluationError(f"class {of_class}; there are {p.shape[1]} classes")
    if not ((p >= 0) & (p <= 1 + 1e-6)).all():
        raise EvaluationError("probabilities outside 0 to 1")
    if of_class is None:
        predicted = p.argmax(1) if p.shape[1] else np.zeros(len(p), dtype=np.intp)
        confidence = np.take_along_axis(p, predicted[:, np.newaxis], 1)[:, 0] if len(p) else np.zeros(0)
        hit = predicted == truth
    else:
        confidence, hit = p[:, of_class], truth == of_class
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Bins are open below and closed above, as in the paper; the first holds 0 as well.
    at = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(at, minlength=bins).astype(np.int64)
    empty = np.full(bins, np.nan)
    return Reliability(
        edges,
        count,
        np.divide(np.bincount(at, confidence, bins), count, out=empty.copy(), where=count > 0),
        np.divide(np.bincount(at, hit, bins), count, out=empty.copy(), where=count > 0),
    )
