"""Segments of rhythm: stretches of a few seconds that lie inside one annotated rhythm.

A rhythm lasts from its mark to the next one, or to the record's end. Segments lie one after the other from
its beginning and never overlap, so no sample is in two of them; what a rhythm leaves at its end is not used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.record import Annotations, Record
from ecgtune.signals.filters import bandpass
from ecgtune.signals.resample import WORKING_RATE, resample_piece, to_working

Rows = NDArray[np.intp]

PATTERNS: dict[str, tuple[str, ...]] = {
    "N": ("N",),
    "AF": ("AFIB",),
    "VT": ("VT",),
    "VF": ("VF", "VFIB", "VFL"),
}
"""Four patterns, and the WFDB rhythm labels that each has: sinus rhythm, atrial fibrillation, ventricular
tachycardia, ventricular fibrillation or flutter. Every other rhythm, noise and asystole is none of them."""

_FLATTEST = 0.01
"""Standard deviation in mV below which a lead shows nothing."""

_MARGIN_S = 3.0
"""Signal on either side of a segment that its filter settles in."""


class Run(NamedTuple):
    """A rhythm and its samples at the record's rate, from the first up to the one behind the last."""

    rhythm: str
    start: int
    stop: int


@dataclass(frozen=True)
class Segments:
    """Segments of many records: an index that can be split, without signal.

    Parameters
    ----------
    database, record, patient
        Where a segment comes from, str [n].
    sample
        Its first sample at the record's rate, int64 [n].
    fs
        The record's rate in Hz, float64 [n].
    label
        Index of its class, int8 [n].
    leads
        How many leads the record has, int64 [n].
    """

    database: NDArray[np.str_]
    record: NDArray[np.str_]
    patient: NDArray[np.str_]
    sample: NDArray[np.int64]
    fs: NDArray[np.float64]
    label: NDArray[np.int8]
    leads: NDArray[np.int64]

    def __len__(self) -> int:
        """Count the segments."""
        return len(self.sample)

    def select(self, which: NDArray[np.bool_] | Rows) -> "Segments":
        """Return the segments that a mask or an index array picks."""
        return Segments(*(getattr(self, field.name)[which] for field in fields(self)))


def rhythm_runs(annotations: Annotations, n_samples: int) -> list[Run]:
    """List the rhythms of a record that its annotations mark.

    Parameters
    ----------
    annotations
        A rhythm begins where the text of an annotation begins with ``(``.
    n_samples
        Length of the record.

    Returns
    -------
    list
        In order of time, named without the ``(``. What lies before the first mark has no rhythm.
    """
    texts = [str(text).strip("\0 ") for text in annotations.aux]
    marks = [i for i, text in enumerate(texts) if text.startswith("(")]
    at = [*np.clip(annotations.sample[marks], 0, n_samples).tolist(), n_samples]
    runs = (Run(texts[i][1:], start, stop) for i, start, stop in zip(marks, at, at[1:], strict=False))
    return [run for run in runs if run.stop > run.start]


def within(runs: Iterable[Run], sample: NDArray[np.number]) -> NDArray[np.bool_]:
    """Tell which samples of a record, [n], lie within any of some rhythms, bool [n]."""
    inside = np.zeros(len(sample), dtype=bool)
    for run in runs:
        inside |= (sample >= run.start) & (sample < run.stop)
    return inside


def segments_of(
    record: Record,
    runs: Iterable[Run],
    seconds: float,
    *,
    database: str = "",
    patterns: Mapping[str, Sequence[str]] = PATTERNS,
) -> Segments:
    """Index the segments of a record; reads no signal.

    Parameters
    ----------
    record
        Its name, patient, rate and leads are taken.
    runs
        See `rhythm_runs`.
    seconds
        Length of a segment.
    database
        Name of its database.
    patterns
        Rhythms of each class; runs of another rhythm have no segments.

    Raises
    ------
    ValueError
        On a length that is not positive.
    """
    if not seconds > 0:
        raise ValueError(f"segments of {seconds:g} s asked for; give more than 0")
    classes = {rhythm: place for place, names in enumerate(patterns.values()) for rhythm in names}
    length = seconds * record.fs
    found = [
        (run.start + round(i * length), classes[run.rhythm])
        for run in runs
        if run.rhythm in classes
        # Half a sample that rounding takes is no reason to lose a segment.
        for i in range(int((run.stop - run.start + 0.5) / length))
    ]
    n = len(found)
    return Segments(
        np.full(n, database),
        np.full(n, record.name),
        np.full(n, record.patient),
        np.array([sample for sample, _ in found], dtype=np.int64),
        np.full(n, record.fs),
        np.array([label for _, label in found], dtype=np.int8),
        np.full(n, len(record.leads), dtype=np.int64),
    )


def concatenate(tables: Sequence[Segments]) -> Segments:
    """Put tables below each other.

    Raises
    ------
    ValueError
        Where there is none.
    """
    if not tables:
        raise ValueError("no tables of segments")
    return Segments(*(np.concatenate([getattr(t, field.name) for t in tables]) for field in fields(Segments)))


def choose_segments(segments: Segments, per_class: int, per_patient: int, seed: int) -> Rows:
    """Choose segments of each class so that neither a database nor a patient has more than it must.

    A lead of a segment counts as one. The limit of a class is dealt evenly to the databases that hold it, and
    each one's part evenly to its patients; what one cannot fill goes to the others. Which of a patient's
    segments are taken is drawn.

    Parameters
    ----------
    segments
        All that there are.
    per_class
        At most so many leads of segments of a class.
    per_patient
        At most so many of a patient in a class.
    seed
        Of the draws, which do not depend on the order of the rows.

    Returns
    -------
    ndarray
        Rows, ascending.
    """
    draw = np.random.default_rng(seed)
    order = np.lexsort((segments.sample, segments.record, segments.patient, segments.database))
    order = order[np.argsort(draw.random(len(order)), kind="stable")]
    chosen: list[Rows] = []
    for label in np.unique(segments.label):
        own = order[segments.label[order] == label]
        databases = np.unique(segments.database[own]).tolist()
        dealt = [_in_turn(segments, own[segments.database[own] == name], per_patient) for name in databases]
        limit = _even_limit([int(segments.leads[rows].sum()) for rows in dealt], per_class)
        chosen += [rows[np.cumsum(segments.leads[rows]) <= limit] for rows in dealt]
    return np.sort(np.concatenate([np.empty(0, dtype=np.intp), *chosen]))


def cut_segments(
    record: Record,
    lead: int,
    starts: NDArray[np.int64],
    seconds: float,
    band_hz: tuple[float, float],
    order: int,
) -> NDArray[np.float32]:
    """Cut segments of a lead, in one band and at one rate whatever the recording's.

    Parameters
    ----------
    record
        The recording; read piece by piece.
    lead
        Index of the lead.
    starts
        First samples at the record's rate.
    seconds
        Length of a segment.
    band_hz, order
        Of the filter that passes over a segment and three seconds on either side, see `bandpass`; nothing
        of the rest of the recording is looked at.

    Returns
    -------
    ndarray
        mV at `WORKING_RATE`, float32 [n, samples]. A segment with missing samples, or whose lead is flat, is
        NaN throughout.
    """
    length = round(seconds * WORKING_RATE)
    cut = np.full((len(starts), length), np.nan, dtype=np.float32)
    margin = round(_MARGIN_S * record.fs)
    width = round(seconds * record.fs)
    for row, start in zip(cut, np.asarray(starts).tolist(), strict=True):
        begin, end = max(0, start - margin), min(record.n_samples, start + width + margin)
        piece = record.read(begin, end)[:, lead]
        own = piece[start - begin : start - begin + width]
        if not np.isfinite(own).all() or own.std() < _FLATTEST:
            continue
        filtered = bandpass(piece, record.fs, *band_hz, order=order)
        resampled = resample_piece(filtered[:, np.newaxis], record.fs)[0]
        first = round(float(to_working(np.array([start - begin]), record.fs)[0]))
        first = min(first, len(resampled) - length)
        if first >= 0:
            row[:] = resampled[first : first + length]
    return cut


def _in_turn(segments: Segments, rows: Rows, per_patient: int) -> Rows:
    """Order rows so that patients take turns, each with no more leads than allowed."""
    turns = np.empty(len(rows), dtype=np.int64)
    kept = np.empty(len(rows), dtype=np.bool_)
    for patient in np.unique(segments.patient[rows]):
        own = np.flatnonzero(segments.patient[rows] == patient)
        turns[own] = np.arange(len(own))
        kept[own] = np.cumsum(segments.leads[rows[own]]) <= per_patient
    order = np.argsort(turns, kind="stable")
    return rows[order][kept[order]]


def _even_limit(counts: Sequence[int], total: int) -> int:
    """Greatest limit of each part at which all parts together hold no more than a total."""
    left, parts = total, len(counts)
    for count in sorted(counts):
        if count * parts > left:
            return left // parts
        left, parts = left - count, parts - 1
    return max(counts, default=0)
