"""Who goes where: stratified shuffles of beats and choices of whole patients.

scikit-learn's splitters are not used, because the runtime does not import it, and because theirs depend on
the order of the rows. These draw in the order of (database, record, sample), so that a split depends on
the beats and the seed alone.
"""

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import SplitError
from ecgtune.splits.beat_index import BeatIndex, Rows

_CANDIDATES = 512


def canonical(beats: BeatIndex, rows: Rows) -> Rows:
    """Sort rows by database, record, sample, label: an order that does not depend on the table's."""
    order = np.lexsort((beats.label[rows], beats.sample[rows], beats.record[rows], beats.database[rows]))
    return rows[order]


def shuffled_strata(beats: BeatIndex, rows: Rows, seed: int, *, by_patient: bool = False) -> list[Rows]:
    """Rows of each class (of each patient, if asked), each shuffled.

    Parameters
    ----------
    beats, rows
        The index and the rows to divide.
    seed
        Draws the order.
    by_patient
        Make strata of each patient's classes instead of the classes of all.
    """
    rows = canonical(beats, rows)
    rows = rows[np.argsort(np.random.default_rng(seed).random(len(rows)), kind="stable")]
    keys = [beats.label[rows].astype(np.intp)]
    if by_patient:
        keys.append(np.unique(beats.patient[rows], return_inverse=True)[1])
    order = np.lexsort(keys)
    changes = np.any([np.diff(key[order]) != 0 for key in keys], axis=0) if len(rows) else []
    return [rows[part] for part in np.split(order, np.flatnonzero(changes) + 1)] if len(rows) else []


def divide(strata: list[Rows], fraction: float) -> tuple[Rows, Rows]:
    """Take a fraction, rounded, of each shuffled stratum: the rest and the part taken, ascending."""
    counts = [int(fraction * len(stratum) + 0.5) for stratum in strata]
    rest = [stratum[count:] for stratum, count in zip(strata, counts, strict=True)]
    taken = [stratum[:count] for stratum, count in zip(strata, counts, strict=True)]
    return joined(rest), joined(taken)


def joined(parts: list[Rows]) -> Rows:
    """Rows of several parts in ascending order."""
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.intp)


def beat_folds(strata: list[Rows], k: int) -> list[Rows]:
    """Deal each shuffled stratum out to `k` folds in turn; where one stops, the next goes on.

    Raises
    ------
    SplitError
        Where `k` is below 2, or there are fewer beats than folds.
    """
    _check_folds(k, sum(map(len, strata)), "beats")
    dealt: list[list[Rows]] = [[] for _ in range(k)]
    offset = 0
    for stratum in strata:
        for i in range(k):
            dealt[(i + offset) % k].append(stratum[i::k])
        offset += len(stratum)
    return [joined(parts) for parts in dealt]


def class_counts(beats: BeatIndex, rows: Rows) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Patients, sorted, and the number of beats of each class that each has, int64 [patients, classes]."""
    patients, who = np.unique(beats.patient[rows], return_inverse=True)
    labels = beats.label[rows].astype(np.intp)
    counts = np.zeros((len(patients), int(labels.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(counts, (who, labels), 1)
    return patients, counts


def choose_patients(beats: BeatIndex, rows: Rows, fraction: float, seed: int) -> NDArray[np.str_]:
    """Choose patients to hold about a fraction of each class.

    Of 512 random sets of ``fraction`` of the patients, the one whose shares of the classes lie nearest to
    that fraction (least squares), and which neither holds nor lacks all beats of a class that several
    patients have, where there is one. Classes are weighed alike, whatever their size.

    Raises
    ------
    SplitError
        Where there are fewer than two patients to choose from.
    """
    patients, counts = class_counts(beats, rows)
    if len(patients) < 2:
        raise SplitError(
            f"validation by patients needs two patients or more to train on; there is {len(patients)}: "
            "add records or give validation=0"
        )
    size = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    several = (counts > 0).sum(axis=0) > 1
    draws = np.random.default_rng(seed).random((_CANDIDATES, len(patients)))
    chosen = np.argsort(draws, axis=1, kind="stable")[:, :size]
    shares = counts[:, several][chosen].sum(axis=1) / counts[:, several].sum(axis=0)
    penalty = ((shares - size / len(patients)) ** 2).sum(axis=1)
    penalty += 100 * ((shares == 0) | (shares == 1)).sum(axis=1)
    best = np.sort(chosen[int(np.argmin(penalty))])
    return np.asarray(patients[best], dtype=np.str_)


def patient_folds(beats: BeatIndex, rows: Rows, k: int, seed: int) -> list[NDArray[np.str_]]:
    """Divide the patients into `k` folds of like size that hold the classes evenly.

    Of 512 random divisions, the one whose folds' shares of the classes lie nearest to ``1 / k`` (least
    squares) and which leaves the fewest folds without a class that `k` patients or more have.

    Raises
    ------
    SplitError
        Where `k` is below 2, or there are fewer patients than folds.
    """
    patients, counts = class_counts(beats, rows)
    _check_folds(k, len(patients), "patients")
    common = counts[:, (counts > 0).sum(axis=0) >= k]
    starts = np.arange(k) * len(patients) // k
    draw = np.random.default_rng(seed)
    best, least = np.arange(len(patients)), np.inf
    for _ in range(_CANDIDATES):
        order = np.argsort(draw.random(len(patients)), kind="stable")
        shares = np.add.reduceat(common[order], starts, axis=0) / common.sum(axis=0)
        penalty = float(((shares - 1 / k) ** 2).sum() + 100 * (shares == 0).sum())
        if penalty < least:
            best, least = order, penalty
    return [patients[np.sort(fold)] for fold in np.split(best, starts[1:])]


def _check_folds(k: int, available: int, what: str) -> None:
    if k < 2 or available < k:
        raise SplitError(f"{k} folds asked for of {available} {what}; give k from 2 to {available}")
