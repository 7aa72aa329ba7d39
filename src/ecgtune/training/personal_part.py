"""The labelled part of a recording: which beats teach, which check, which come after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, beat_index, detected_beats
from ecgtune.errors import RecordError
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, FloatArray, Record, SignalSource
from ecgtune.signals.resample import check_rate
from ecgtune.signals.stream import choose_leads, probe
from ecgtune.splits.boundaries import divide_time
from ecgtune.training.sequences import Recording, prepare
from ecgtune.training.tables import beat_reads, record_until, rows_of

FEWEST = 30
"""Fewer labelled beats are no patient."""

CHECKED = 0.2
"""Share of the labelled beats in the tail that is held out first."""

NEAR = 0.7
"""At least this share of the labels must lie at a beat; of another recording's, some 40 % do by chance."""

DATABASE = "personal"
"""Stands for a database in tables of beats of a recording that belongs to none."""

_AFTER_LAST_S = 60.0
"""Without an end of the labelled part, so much is read after the last label."""


@dataclass(frozen=True)
class LabelledPart:
    """The labelled part of a recording, and what is around it.

    Parameters
    ----------
    record
        The recording with the leads that beats are found in.
    leads
        Of those, the ones that the model reads.
    labels
        All labelled beats, ascending.
    index
        The same as a table of beats without windows.
    end
        Second after which tuning reads nothing.
    check_from
        Second from which the part is held out first.
    early, tail, whole, rest
        Rows of the index: before `check_from`, from there to the end, both together, and after the end. What
        a beat's input reads lies on the same side; the few beats where it does not are in none.
    """

    record: Record
    leads: tuple[int, ...]
    labels: Annotations
    index: Beats
    end: float
    check_from: float
    early: NDArray[np.intp]
    tail: NDArray[np.intp]
    whole: NDArray[np.intp]
    rest: NDArray[np.intp]

    def table(self, until: float, how: Preprocessing) -> Beats:
        """Detected beats of the recording, cut at a second."""
        cut = record_until(self.record, until)
        labels = self.labels.select(self.labels.sample < cut.n_samples)
        return detected_beats(cut, labels, self.leads, how, database=DATABASE)

    def prepared(self, table: Beats, rows: NDArray[np.intp], how: Preprocessing) -> Recording | None:
        """Inputs of a table's beats, with the labels of some rows of the index; None where none is there."""
        found = prepare(table, rows_of(table, self.index, rows), how)
        return found[0] if found else None


def labelled_part(
    record: Record,
    annotations: Annotations,
    how: Preprocessing,
    until: float | None,
    check_from: float | None,
    leads: Sequence[str | int] | None,
) -> LabelledPart:
    """Check labels and times, choose leads as `classify` does, and divide the beats in time.

    Parameters and errors as in `ecgtune.training.personalize.personalize`.
    """
    check_rate(record)
    if until is not None and not 0 < until <= record.duration:
        raise RecordError(
            f"{record.name}: labels until {until:g} s asked for; it is {record.duration:.1f} s long: "
            "leave --until out to use all labels"
        )
    labels = annotations.beats()
    labels = labels.select(np.argsort(labels.sample, kind="stable"))
    outside = (labels.sample < 0) | (labels.sample > record.n_samples)
    if outside.any():
        raise RecordError(
            f"{record.name}: {outside.sum()} of {len(labels)} labels lie outside its {record.n_samples} "
            f"samples (the first at {labels.sample[outside][0]}): of another recording or at another rate?"
        )
    index = beat_index(record, labels, database=DATABASE)
    rows, key = np.arange(len(index)), (DATABASE, record.name)
    reads = beat_reads(how)
    end = np.inf if until is None else until
    before, _, rest = divide_time(index, rows, {key: (end, end)}, reads)
    if not len(before):
        raise RecordError(
            f"{record.name}: no labelled beat before {end:g} s, the first is at "
            f"{index.sample[0] / record.fs:.1f} s; give a later --until"
        )
    if check_from is None:
        position = min(int((1 - CHECKED) * len(before)), len(before) - 1)
        check_from = float(index.sample[before[position]] / record.fs)
    early, tail, _ = divide_time(index, rows, {key: (check_from, end)}, reads)
    if until is None:
        end = min(float(index.sample[-1] / record.fs) + _AFTER_LAST_S, record.duration)
    usable = probe(record_until(record, end), choose_leads(record, leads))
    if not usable:
        raise RecordError(f"{record.name}: no signal before {end:g} s (flat or missing); choose another lead")
    read = preferred_leads(record, usable, how.leads)
    return LabelledPart(
        _with_leads(record, usable),
        tuple(usable.index(lead) for lead in read),
        labels,
        index,
        end,
        check_from,
        early,
        tail,
        np.concatenate([early, tail]),
        rest,
    )


@dataclass(frozen=True)
class _SomeLeads:
    """Some leads of a recording."""

    source: SignalSource
    columns: tuple[int, ...]

    def read(self, start: int, stop: int) -> FloatArray:
        chosen: FloatArray = self.source.read(start, stop)[:, list(self.columns)]
        return chosen


def _with_leads(record: Record, columns: tuple[int, ...]) -> Record:
    if columns == tuple(range(len(record.leads))):
        return record
    names = tuple(record.leads[i] for i in columns)
    return replace(record, leads=names, source=_SomeLeads(record.source, columns))


def check_match(part: LabelledPart, matched: int, how: Preprocessing) -> None:
    """Refuse labels that do not belong to the recording's beats, and too few of them.

    Parameters
    ----------
    part
        The labels.
    matched
        How many labels of the whole part a detected beat takes.
    how
        Tells what a beat's input reads.

    Raises
    ------
    RecordError
        Where fewer than `NEAR` of them match, or fewer than `FEWEST`; the text says which are of no use.
    """
    name, labels = part.record.name, len(part.whole)
    if matched < NEAR * labels:
        raise RecordError(
            f"{name}: {labels - matched} of {labels} labels lie nowhere near a beat of this recording "
            "(150 ms): labels of another recording, at another rate or shifted in time?"
        )
    if matched < FEWEST:
        given, unused = _unused(part, matched, how)
        later = " or give a later --until" if len(part.rest) else ""
        raise RecordError(
            f"{name}: {matched} usable labels of {given} are too few to learn a patient from{unused}; "
            f"{FEWEST} usable ones are needed: label more beats{later} (five minutes are a good measure)"
        )


def _unused(part: LabelledPart, matched: int, how: Preprocessing) -> tuple[int, str]:
    """How many labels there are before the end, and which of them are of no use and why."""
    before, after = beat_reads(how)
    seconds = part.index.sample / part.record.fs
    given = np.flatnonzero(seconds < part.end)
    crossing = seconds[np.setdiff1d(given, part.whole)]
    over_tail = (crossing - before < part.check_from) & (crossing + after >= part.check_from)
    at_tail = int(np.count_nonzero(over_tail))
    reads = f"(a beat's input reads {before:.1f} s on either side and must not cross it)"
    counts = (
        (
            at_tail,
            f"too near {part.check_from:.1f} s, where the labels that are held out first begin {reads}",
        ),
        (len(crossing) - at_tail, f"as near the end at {part.end:g} s"),
        (len(part.whole) - matched, "nowhere near a beat (150 ms)"),
    )
    return len(given), "".join(f"; {n} {'is' if n == 1 else 'are'} {why}" for n, why in counts if n)
