"""Beat-by-beat comparison of two annotators, as ANSI/AAMI EC57 defines it and ``bxb`` counts it.

Sources: ANSI/AAMI EC57 (testing and reporting performance results of cardiac rhythm algorithms), and the
descriptions of ``bxb`` in the WFDB Applications Guide. Where these are silent (what happens at the ends of
the test period, which RR intervals are compared), the rule is the one that reproduces the programs' printed
results; `tests/standards` compares all of them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.ec57.intervals import Intervals, flutter, inside, shutdowns
from ecgtune.evaluation.ec57.period import FAR, START_S, WINDOW_S, Period, last_sample
from ecgtune.evaluation.ec57.rates import BeatRates, Counts, O, X, beat_rates
from ecgtune.labels import Convention, class_indices
from ecgtune.record import Annotations


@dataclass(frozen=True)
class BeatPairs:
    """Every event of a comparison in time order: matched, missed and extra beats.

    Parameters
    ----------
    reference, test
        Index into the reference and the test annotations, int64 [n]; -1 where the beat has no counterpart.
    row, column
        Index into `ecgtune.evaluation.ec57.EVENTS` of what the reference and the test say, int8 [n].
    """

    reference: NDArray[np.int64]
    test: NDArray[np.int64]
    row: NDArray[np.int8]
    column: NDArray[np.int8]

    def __len__(self) -> int:
        """Count the events."""
        return len(self.reference)

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Which events are a beat in both: bool [n]."""
        both: NDArray[np.bool_] = (self.reference >= 0) & (self.test >= 0)
        return both


@dataclass(frozen=True)
class BeatComparison:
    """One record's beat-by-beat comparison.

    Parameters
    ----------
    record
        The record's name.
    counts
        Events by reference (row) and test (column), int64 [7, 7], in the order N S V F Q O X.
    pairs
        The events themselves.
    rr_square_error
        Sum of the squared differences between RR intervals in s².
    rr_intervals
        How many RR intervals were compared.
    shutdown
        Total shutdown of the test annotator in seconds, over the whole recording.
    classes
        The class convention, ``"aami"`` or ``"bxb"``.
    """

    record: str
    counts: Counts
    pairs: BeatPairs
    rr_square_error: float
    rr_intervals: int
    shutdown: float
    classes: Convention

    @cached_property
    def rates(self) -> BeatRates:
        """Sensitivities, predictivities and false positive rates."""
        return beat_rates(self.counts)

    @property
    def confusion(self) -> Counts:
        """Matched beats alone, int64 [5, 5]: reference class by test class, in the order N S V F Q."""
        return self.counts[:O, :O]

    @property
    def rms_rr_error(self) -> float:
        """Root mean square difference between RR intervals in ms; NaN where none was compared."""
        if not self.rr_intervals:
            return math.nan
        return 1000.0 * math.sqrt(self.rr_square_error / self.rr_intervals)


def match_beats(
    reference: NDArray[np.int64], test: NDArray[np.int64], window: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match two ascending rows of beats, each beat with one of the other row at most.

    Walks along both rows together. Of the two beats at hand the earlier one takes the later one as its match
    if that lies within the window, unless its own successor is at least as close to the later one. Even then
    the two match where that successor is closer still to the later one's successor. Otherwise the earlier
    beat stays alone.

    Parameters
    ----------
    reference, test
        Samples of the beats, int64 [n] and [m], ascending.
    window
        Largest distance of a match in samples.

    Returns
    -------
    reference, test
        Indices into the rows, int64 [events] in time order; -1 in one of them where a beat stays alone.
    """
    first = [*reference.tolist(), FAR, FAR]
    second = [*test.tolist(), FAR, FAR]
    n, m = len(first) - 2, len(second) - 2
    i = j = 0
    left: list[int] = []
    right: list[int] = []
    while i < n and j < m:
        distance = first[i] - second[j]
        if distance > 0:
            ahead = abs(first[i] - second[j + 1])
        else:
            distance = -distance
            ahead = abs(second[j] - first[i + 1])
        if distance <= window and (distance < ahead or abs(first[i + 1] - second[j + 1]) < ahead):
            left.append(i)
            right.append(j)
            i += 1
            j += 1
        elif first[i] > second[j]:
            left.append(-1)
            right.append(j)
            j += 1
        else:
            left.append(i)
            right.append(-1)
            i += 1
    left += [*range(i, n), *([-1] * (m - j))]
    right += [*([-1] * (n - i)), *range(j, m)]
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)


def compare_beats(
    reference: Annotations,
    test: Annotations,
    fs: float,
    *,
    start: float = START_S,
    stop: float | None = None,
    window: float = WINDOW_S,
    classes: Convention = "aami",
    record: str = "",
    n_samples: int | None = None,
) -> BeatComparison:
    """Compare a test annotator with the reference, beat by beat.

    Beats are matched over the whole recording; an event belongs to the test period by the time of its
    reference beat, an extra beat by its own. Beats in the reference's flutter segments (``[`` to ``]``) are
    left out on both sides; test beats in the test's own are ignored, so that the reference beats there are
    missed. A beat missed during a shutdown of the test annotator goes to column X, an extra beat during one
    of the reference to row X.

    The RR error compares, at every event, the RR interval that ends at the current beat of the reference
    with the one that ends at the current beat of the test; the beat next to come is the current one of a side
    that has no beat in the event. A missed or an extra beat therefore counts twice, as in ``bxb``. Intervals
    across flutter or shutdown are left out.

    Parameters
    ----------
    reference, test
        Ascending, at the same rate. Symbols that mark no beat are ignored but for ``[``, ``]`` and ``~``.
    fs
        Sampling rate in Hz.
    start, stop
        The test period in seconds, `start` included, `stop` not; the standard's is 300 s to the end.
    window
        Match window in s; the standard's is 0.15.
    classes
        ``"aami"`` (de Chazal's classes) or ``"bxb"`` (``e``, ``j``, ``n`` are S).
    record
        The record's name, for tables and messages.
    n_samples
        Length of the recording in samples; where not given, it ends with the last annotation.

    Returns
    -------
    BeatComparison
        Counts, pairs, RR error and shutdown.

    Raises
    ------
    EvaluationError
        On a period, window or rate that makes no sense.
    """
    end = last_sample(reference, test, n_samples)
    period = Period.of(fs, start, stop, window, end, record)
    flutter_reference, flutter_test = flutter(reference, end), flutter(test, end)
    off_reference = shutdowns(reference, end, period.window)
    off_test = shutdowns(test, end, period.window)
    class_reference = class_indices(reference.symbol, classes)
    class_test = class_indices(test.symbol, classes)
    used_reference = np.flatnonzero((class_reference >= 0) & ~inside(reference.sample, flutter_reference))
    used_test = np.flatnonzero(
        (class_test >= 0) & ~inside(test.sample, flutter_reference) & ~inside(test.sample, flutter_test)
    )
    sample_reference, sample_test = reference.sample[used_reference], test.sample[used_test]

    left, right = match_beats(sample_reference, sample_test, period.window)
    # Index -1 stands for no beat and picks the last entry: harmless, it is never looked at.
    has_left, has_right = left >= 0, right >= 0
    at_left = np.append(sample_reference, 0)[left]
    at_right = np.append(sample_test, 0)[right]
    kept = period.holds(np.where(has_left, at_left, at_right))

    row = np.where(
        has_left,
        np.append(class_reference[used_reference], 0)[left],
        np.where(inside(at_right, off_reference), X, O),
    ).astype(np.int8)
    column = np.where(
        has_right,
        np.append(class_test[used_test], 0)[right],
        np.where(inside(at_left, off_test), X, O),
    ).astype(np.int8)
    cells = row[kept].astype(np.intp) * 7 + column[kept]

    square_error, intervals = _rr_error(
        _Row(sample_reference, has_left, np.vstack([flutter_reference, off_reference])),
        _Row(sample_test, has_right, np.vstack([flutter_test, off_test])),
        kept,
    )
    return BeatComparison(
        record,
        np.bincount(cells, minlength=49).reshape(7, 7).astype(np.int64),
        BeatPairs(
            np.where(has_left, np.append(used_reference, -1)[left], -1)[kept],
            np.where(has_right, np.append(used_test, -1)[right], -1)[kept],
            row[kept],
            column[kept],
        ),
        square_error / fs**2,
        intervals,
        float((off_test[:, 1] - off_test[:, 0]).sum() / fs),
        classes,
    )


@dataclass(frozen=True)
class _Row:
    """One side of a matching: beats, in which events it has one, and what interrupts its RR intervals."""

    sample: NDArray[np.int64]
    present: NDArray[np.bool_]
    interruptions: Intervals

    def intervals(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """RR interval in samples that ends at each event's current beat, and whether there is one."""
        if len(self.sample) < 2:
            nothing = np.zeros(len(self.present), dtype=np.int64)
            return nothing, nothing.astype(np.bool_)
        marks = np.sort(self.interruptions.ravel())
        unbroken = np.searchsorted(marks, self.sample[:-1]) == np.searchsorted(
            marks, self.sample[1:], side="right"
        )
        # The first beat ends no interval, and past the last beat there is none to come.
        length = np.concatenate([[0], np.diff(self.sample), [0]])
        valid = np.concatenate([[False], unbroken, [False]])
        current: NDArray[np.int64] = np.cumsum(self.present) - self.present
        return length[current], valid[current]


def _rr_error(reference: _Row, test: _Row, kept: NDArray[np.bool_]) -> tuple[float, int]:
    """Sum of the squared RR differences in samples², and how many there are."""
    length_reference, valid_reference = reference.intervals()
    length_test, valid_test = test.intervals()
    compared = kept & valid_reference & valid_test
    difference = (length_reference - length_test)[compared].astype(np.float64)
    return float(difference @ difference), int(compared.sum())
