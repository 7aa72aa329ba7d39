"""How well a score ranks those who have a condition above those who do not, with intervals over subjects."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.bootstrap import RESAMPLES, Interval

Floats = NDArray[np.float64]


def auroc(
    scores: ArrayLike,
    positive: ArrayLike,
    *,
    against: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Area under the receiver operating characteristic, with a percentile interval by resampling subjects.

    The area is the share of pairs of a positive and a negative subject in which the positive one has the
    higher score; ties count half (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747).

    Parameters
    ----------
    scores
        One for each subject, [subjects], or for each repetition and subject, [repetitions, subjects]: the
        mean area of the repetitions, in which a draw takes the same subjects.
    positive
        Who has the condition, bool [subjects].
    against
        Scores of another model for the same subjects: its area is subtracted, draw by draw.
    resamples, confidence, seed
        As in `ecgtune.evaluation.bootstrap.bootstrap`.

    Raises
    ------
    EvaluationError
        On scores that are no numbers or of another length, and where a class has nobody.
    """
    has = np.asarray(positive, dtype=np.bool_)
    wins = _wins(scores, has)
    if against is not None:
        wins = wins - _wins(against, has)
    n = len(has)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    with_it, without = drawn[:, has], drawn[:, ~has]
    pairs = with_it.sum(1) * without.sum(1)
    # A draw of one class alone has no area.
    defined = pairs > 0
    areas = ((with_it @ wins) * without).sum(1)[defined] / pairs[defined]
    tail = (1 - confidence) / 2
    low, high = np.quantile(areas, [tail, 1 - tail]).tolist() if len(areas) else (math.nan, math.nan)
    return Interval(float(wins.mean()), low, high, confidence, n, float(defined.mean()))


def _wins(scores: ArrayLike, positive: NDArray[np.bool_]) -> Floats:
    """Share of the repetitions in which each positive is above each negative, [positives, negatives]."""
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if table.shape[1:] != positive.shape or not np.isfinite(table).all():
        raise EvaluationError(
            f"scores of shape {list(np.shape(scores))} for {len(positive)} subjects; give a number for each"
        )
    if not positive.any() or positive.all():
        raise EvaluationError(f"{int(positive.sum())} of {len(positive)} are positive; both kinds are needed")
    above = table[:, positive, np.newaxis] - table[:, np.newaxis, ~positive]
    return np.asarray((0.5 * (1 + np.sign(above))).mean(0))
