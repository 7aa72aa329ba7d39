"""What is gained by leaving out the beats that a model is least sure of: risk, coverage, selective figures.

A beat whose largest class probability is below a limit is left to a person. Coverage is the share of beats
that keep their label, risk the share of wrong labels among these. El-Yaniv and Wiener 2010, JMLR 11:1605;
area under the curve: Geifman et al. 2019, arXiv:1805.08206.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.bootstrap import Interval, bootstrap
from ecgtune.evaluation.calibration import sums_by_record
from ecgtune.evaluation.metrics import confusion_matrix

LIMITS: tuple[float, ...] = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Smallest probabilities that tables of selective figures show; 0 keeps every beat."""

_STEPS = 2000
"""Steps of coverage in which records are resampled; fewer distinct confidences are taken as they are."""

Matrices = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class RiskCoverage:
    """A risk-coverage curve, from the surest beats to all of them.

    Parameters
    ----------
    limit
        Each confidence that occurs, descending, float64 [points]; beats of at least this keep their label.
    coverage
        Share of beats that do, float64 [points]; ends with 1.
    risk
        Share of wrong labels among them, float64 [points].
    """

    limit: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve (AURC): the mean risk over all coverages; NaN without beats."""
        if not len(self.coverage):
            return math.nan
        return float(np.diff(self.coverage, prepend=0.0) @ self.risk)

    @property
    def excess_area(self) -> float:
        """Area above that of an oracle with as many errors, which is least sure of just these (E-AURC)."""
        if not len(self.coverage):
            return math.nan
        return self.area - oracle_area(float(self.risk[-1]))


def oracle_area(risk: float) -> float:
    """Smallest area with a share of wrong labels, of infinitely many beats: r + (1 - r) ln(1 - r)."""
    return risk + (1 - risk) * math.log1p(-risk) if risk < 1 else 1.0


def risk_coverage(confidence: ArrayLike, wrong: ArrayLike) -> RiskCoverage:
    """Compute the curve.

    Parameters
    ----------
    confidence
        Of each label, [beats]: the larger, the surer.
    wrong
        Whether the label is wrong, bool [beats].

    Returns
    -------
    RiskCoverage
        Beats of one confidence are one point: no limit can part them.

    Raises
    ------
    EvaluationError
        On shapes that do not fit, or a confidence that is no number.
    """
    sure, error = _pair(confidence, wrong)
    limit, at = np.unique(-sure, return_inverse=True)
    kept = np.cumsum(np.bincount(at, minlength=len(limit)))
    errors = np.cumsum(np.bincount(at, error, minlength=len(limit)))
    return RiskCoverage(-limit, kept / max(len(sure), 1), errors / np.maximum(kept, 1))


def area_interval(confidence: ArrayLike, wrong: ArrayLike, record: ArrayLike, *, seed: int = 0) -> Interval:
    """Area under the curve with a 95 % interval by resampling records.

    Parameters
    ----------
    confidence
        As in `risk_coverage`; taken in 2,000 steps of equally many beats, so that the value may differ from
        `RiskCoverage.area` in the fourth decimal.
    wrong
        As in `risk_coverage`.
    record
        Record of each beat, [beats].
    seed
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        As `risk_coverage`, and without beats.
    """
    sure, error = _pair(confidence, wrong)
    limit, of = np.unique(-sure, return_inverse=True)
    # From sure to unsure; beats of one confidence stay together.
    place = np.cumsum(np.bincount(of, minlength=len(limit))) - 1
    step = place * _STEPS // max(len(sure), 1) if len(limit) > _STEPS else np.arange(len(limit))
    at = step[of].astype(np.int64)
    return bootstrap(sums_by_record(record, at, _STEPS, np.ones(len(at)), error), _area_of_sums, seed=seed)


def matrices_above(
    probability: ArrayLike, true: ArrayLike, record: ArrayLike, limit: float, classes: Sequence[str]
) -> Matrices:
    """Confusion matrix of each record over the beats whose largest probability is at least a limit.

    Parameters
    ----------
    probability
        [beats, classes].
    true
        Index of the true class, [beats].
    record
        Record of each beat, [beats].
    limit
        0 keeps every beat.
    classes
        Names of the classes.

    Returns
    -------
    dict
        By record, every record in it: int64 [classes, classes].
    """
    p = np.asarray(probability, dtype=np.float64)
    return _by_record(p.argmax(1), true, record, p.max(1) >= limit, classes)


def matrices_rejected(
    probability: ArrayLike, true: ArrayLike, record: ArrayLike, limit: float, classes: Sequence[str]
) -> Matrices:
    """Confusion matrix of each record over all beats, those below the limit being called Q.

    This is what ``ecgtune classify --min-confidence`` writes. Parameters as of `matrices_above`; ``classes``
    must hold Q.
    """
    if "Q" not in classes:
        raise EvaluationError(f"no class Q among {', '.join(classes)}; beats left out are called so")
    p = np.asarray(probability, dtype=np.float64)
    called = np.where(p.max(1) >= limit, p.argmax(1), list(classes).index("Q"))
    return _by_record(called, true, record, np.ones(len(p), dtype=np.bool_), classes)


def kept_share(
    probability: ArrayLike, record: ArrayLike, limit: float, which: ArrayLike | None = None, *, seed: int = 0
) -> Interval:
    """Coverage at a limit, of all beats or of some, with a 95 % interval by resampling records.

    Parameters
    ----------
    probability, record, limit
        As in `matrices_above`.
    which
        The beats that count, bool [beats]; all where None.
    seed
        Of the bootstrap.
    """
    p = np.asarray(probability, dtype=np.float64)
    counted = np.ones(len(p)) if which is None else np.asarray(which, dtype=np.float64)
    kept = (p.max(1) >= limit) * counted
    sums = sums_by_record(record, np.zeros(len(p), dtype=np.int64), 1, counted, kept)
    return bootstrap(sums, _share, seed=seed)


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    counted, kept = sums[..., 0, 0], sums[..., 0, 1]
    share: NDArray[np.float64] = np.divide(kept, counted, out=np.full_like(kept, np.nan), where=counted > 0)
    return share


def _area_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the curve of sums [..., steps, (beats, errors)] from sure to unsure."""
    kept, errors = np.cumsum(sums[..., 0], axis=-1), np.cumsum(sums[..., 1], axis=-1)
    risk = np.divide(errors, kept, out=np.zeros_like(errors), where=kept > 0)
    area: NDArray[np.float64] = (sums[..., 0] * risk).sum(-1) / kept[..., -1]
    return area


def _by_record(
    called: NDArray[np.integer],
    true: ArrayLike,
    record: ArrayLike,
    kept: NDArray[np.bool_],
    classes: Sequence[str],
) -> Matrices:
    truth, names = np.asarray(true, dtype=np.int64), np.asarray(record, dtype=np.str_)
    chosen = {name: kept & (names == name) for name in np.unique(names).tolist()}
    return {name: confusion_matrix(truth[own], called[own], classes) for name, own in chosen.items()}


def _pair(confidence: ArrayLike, wrong: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sure, error = np.asarray(confidence, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    if sure.ndim != 1 or error.shape != sure.shape:
        raise EvaluationError(
            f"confidence of shape {list(sure.shape)}, errors of shape {list(error.shape)}; give [beats] twice"
        )
    if np.isnan(sure).any():
        raise EvaluationError("a confidence that is no number")
    return sure, error
