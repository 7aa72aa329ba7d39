"""Run-by-run comparison of two annotators, as ANSI/AAMI EC57 defines it and ``rxr`` counts it.

Sources as in `ecgtune.evaluation.ec57.beats`. Runs are compared by the beats of the other annotator inside
the run's own span, not by the pairs of the beat-by-beat comparison. Where the descriptions are silent (fusion
beats, flutter, atrial fibrillation), the rule is the one that reproduces the programs' printed results.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.ec57.intervals import shutdowns
from ecgtune.evaluation.ec57.period import START_S, WINDOW_S, Period, last_sample
from ecgtune.evaluation.ec57.rates import Rate
from ecgtune.labels import CLASSES, Convention, class_indices
from ecgtune.record import Annotations

Ectopic = Literal["V", "S"]

LONG = 6
"""Runs of this many beats or more are one category; also what flutter or fibrillation counts as."""

ATRIAL_RHYTHMS = ("(AFIB", "(AFL")
"""Rhythms whose normal beats are supraventricular runs."""

_BEAT, _ECTOPIC, _OPEN, _CLOSE, _BREAK = range(5)


@dataclass(frozen=True)
class RunCounts:
    """Runs of one category: couplets, short runs or long runs.

    Parameters
    ----------
    found, missed
        Runs of the reference that the test has, or has not (CTs, CFN and so on).
    true, false
        Runs of the test that the reference has, or has not (CTp, CFP and so on).
    """

    found: int
    missed: int
    true: int
    false: int

    @property
    def sensitivity(self) -> Rate:
        """Share of the reference's runs that were found."""
        return Rate(self.found, self.found + self.missed)

    @property
    def predictivity(self) -> Rate:
        """Share of the test's runs that are true."""
        return Rate(self.true, self.true + self.false)


@dataclass(frozen=True)
class RunComparison:
    """One record's run-by-run comparison.

    Parameters
    ----------
    record
        The record's name.
    ectopic
        ``"V"`` (ventricular) or ``"S"`` (supraventricular) runs.
    by_reference
        The reference's runs by their length (row) and the longest run of the test inside their span (column),
        int64 [7, 7]; index 6 stands for six and more.
    by_test
        The test's runs by their length (row) and the longest run of the reference (column), int64 [7, 7].
    """

    record: str
    ectopic: Ectopic
    by_reference: NDArray[np.int64]
    by_test: NDArray[np.int64]

    @property
    def couplets(self) -> RunCounts:
        """Runs of two beats; found where the other annotator has two or more in a row."""
        return self._counts(2, 3, 2)

    @property
    def short_runs(self) -> RunCounts:
        """Runs of three to five beats; found where the other has three or more in a row."""
        return self._counts(3, LONG, 3)

    @property
    def long_runs(self) -> RunCounts:
        """Runs of six and more beats; found where the other has six or more in a row."""
        return self._counts(LONG, LONG + 1, LONG)

    def _counts(self, first: int, stop: int, enough: int) -> RunCounts:
        ours, theirs = self.by_reference[first:stop], self.by_test[first:stop]
        return RunCounts(
            int(ours[:, enough:].sum()),
            int(ours[:, :enough].sum()),
            int(theirs[:, enough:].sum()),
            int(theirs[:, :enough].sum()),
        )


def compare_runs(
    reference: Annotations,
    test: Annotations,
    fs: float,
    *,
    ectopic: Ectopic = "V",
    start: float = START_S,
    stop: float | None = None,
    window: float = WINDOW_S,
    classes: Convention = "aami",
    record: str = "",
    n_samples: int | None = None,
) -> RunComparison:
    """Compare the couplets and runs of ectopic beats of two annotators.

    Each run of one annotator has a span: from one match window before its first beat to one after its last.
    Its counterpart is the longest run of the other annotator inside that span. The reference's runs give the
    sensitivity, the test's the positive predictivity.

    A ventricular run is made of V and F beats. Flutter (``[``) that does not interrupt a run begins one that
    counts as long. A supraventricular run is made of S beats, and of N beats where the rhythm is atrial
    fibrillation or flutter (``(AFIB``, ``(AFL``), whose beginning likewise counts as a long run. Any other
    beat and a shutdown end a run. Flutter or fibrillation that lasts already when the period or a span begins
    begins there.

    Parameters
    ----------
    reference, test
        Ascending, at the same rate.
    fs
        Sampling rate in Hz.
    ectopic
        ``"V"`` for ventricular, ``"S"`` for supraventricular runs.
    start, stop
        The test period in seconds, `start` included, `stop` not; runs are cut there.
    window
        Match window in s; the standard's is 0.15.
    classes
        ``"aami"`` or ``"bxb"``.
    record
        The record's name, for tables and messages.
    n_samples
        Length of the recording in samples; where not given, it ends with the last annotation.

    Returns
    -------
    RunComparison
        Two tables of counts.

    Raises
    ------
    EvaluationError
        On a period, window or rate that makes no sense.
    """
    if ectopic not in ("V", "S"):
        raise EvaluationError(f"unknown kind of run {ectopic!r}; known: V, S")
    period = Period.of(fs, start, stop, window, last_sample(reference, test, n_samples), record)
    ours = _Stream.of(reference, ectopic, classes, period)
    theirs = _Stream.of(test, ectopic, classes, period)
    return RunComparison(record, ectopic, _tally(ours, theirs, period), _tally(theirs, ours, period))


@dataclass(frozen=True)
class _Stream:
    """What matters for runs, as plain lists: samples and kinds of the events, and where states change."""

    sample: list[int]
    kind: list[int]
    change: list[int]
    active: list[bool]

    @classmethod
    def of(cls, annotations: Annotations, ectopic: Ectopic, classes: Convention, period: Period) -> "_Stream":
        """Pick the events of one annotator; ``active`` says whether flutter (V) or fibrillation (S) lasts."""
        symbol = annotations.symbol
        class_ = class_indices(symbol, classes)
        kind = np.where(class_ >= 0, _BEAT, -1)
        kind[class_ == CLASSES.index(ectopic)] = _ECTOPIC
        if ectopic == "V":
            kind[class_ == CLASSES.index("F")] = _ECTOPIC
            kind[symbol == "["] = _OPEN
            kind[symbol == "]"] = _CLOSE
            change = np.flatnonzero(kind >= _OPEN)
            active = kind[change] == _OPEN
        else:
            change = np.flatnonzero(symbol == "+")
            active = np.isin(np.char.rstrip(annotations.aux[change], "\0 "), ATRIAL_RHYTHMS)
            kind[change[active]] = _OPEN
            lasting = np.append(active, False)[np.searchsorted(change, np.arange(len(symbol))) - 1]
            kind[lasting & (class_ == CLASSES.index("N"))] = _ECTOPIC
        sample = annotations.sample
        breaks = shutdowns(annotations, period.end, period.window)[:, 0]
        if len(breaks):
            sample = np.concatenate([sample, breaks])
            kind = np.concatenate([kind, np.full(len(breaks), _BREAK)])
            order = np.argsort(sample, kind="stable")
            sample, kind = sample[order], kind[order]
        used = kind >= 0
        return cls(
            sample[used].tolist(),
            kind[used].tolist(),
            annotations.sample[change].tolist(),
            active.tolist(),
        )

    def runs(self, first: int, stop: int) -> list[tuple[int, int, int]]:
        """First sample, last sample and length of each run between two samples, `stop` excluded."""
        found: list[tuple[int, int, int]] = []
        begun = last = 0
        length = 0
        if self._lasts(first):
            begun = last = first
            length = LONG
        for index in range(bisect_left(self.sample, first), bisect_left(self.sample, stop)):
            sample, kind = self.sample[index], self.kind[index]
            if kind == _ECTOPIC:
                if not length:
                    begun = sample
                length += 1
                last = sample
            elif kind == _OPEN:
                if not length:
                    begun = last = sample
                    length = LONG
            elif kind == _CLOSE:
                if length:
                    last = sample
            else:
                if length:
                    found.append((begun, last, length))
                length = 0
        if length:
            found.append((begun, last, length))
        return found

    def longest(self, first: int, stop: int) -> int:
        """Length of the longest run between two samples, LONG for longer ones."""
        return min(max((length for _, _, length in self.runs(first, stop)), default=0), LONG)

    def _lasts(self, sample: int) -> bool:
        """Whether flutter or fibrillation has begun before a sample and lasts."""
        before = bisect_left(self.change, sample)
        return before > 0 and self.active[before - 1]


def _tally(ours: _Stream, theirs: _Stream, period: Period) -> NDArray[np.int64]:
    """Count our runs in the period by their length and by the longest of theirs inside the span."""
    table = np.zeros((LONG + 1, LONG + 1), dtype=np.int64)
    for first, last, length in ours.runs(period.start, period.stop):
        if length > 1:
            longest = theirs.longest(first - period.window, last + period.window + 1)
            table[min(length, LONG), longest] += 1
    return table


def sum_tables(tables: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Sum tables of counts: int64 [7, 7]; zeros where there is none."""
    total = np.zeros((LONG + 1, LONG + 1), dtype=np.int64)
    for table in tables:
        total += table
    return total
