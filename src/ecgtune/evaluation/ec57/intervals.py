"""Stretches of a recording that the comparison treats apart: flutter and shutdown."""

import numpy as np
from numpy.typing import NDArray

from ecgtune.labels import is_beat
from ecgtune.record import Annotations

Intervals = NDArray[np.int64]
"""First and last sample of each stretch, both inside it, int64 [k, 2], ascending and disjoint."""

_BOTH_SIGNALS_UNREADABLE = 0x30


def flutter(annotations: Annotations, end: int) -> Intervals:
    """Find the segments of ventricular flutter or fibrillation, from ``[`` to ``]``.

    Parameters
    ----------
    annotations
        Ascending.
    end
        Last sample of the recording; a segment that is never closed lasts until there.

    Returns
    -------
    Intervals
        int64 [k, 2].
    """
    found: list[tuple[int, int]] = []
    opened: int | None = None
    brackets = np.flatnonzero((annotations.symbol == "[") | (annotations.symbol == "]"))
    for index in brackets.tolist():
        sample = int(annotations.sample[index])
        if annotations.symbol[index] == "[":
            opened = sample if opened is None else opened
        elif opened is not None:
            found.append((opened, sample))
            opened = None
    if opened is not None:
        found.append((opened, max(end, opened)))
    return _intervals(found)


def shutdowns(annotations: Annotations, end: int, window: int) -> Intervals:
    """Find the stretches in which an annotator declares the signals unreadable.

    A ``~`` whose subtype has bits 4 and 5 set (48, or -1) begins a shutdown, a ``~`` of any other subtype
    ends it (MIT-BIH and European ST-T databases). A lone shutdown mark with a beat after it and no mark that
    ends it stands in the middle of the stretch (AHA database), which then lasts from one match window after
    the beat before to one match window before the beat after.

    Parameters
    ----------
    annotations
        Ascending.
    end
        Last sample of the recording; a shutdown that nothing ends lasts until there.
    window
        Match window in samples.

    Returns
    -------
    Intervals
        int64 [k, 2].
    """
    marks = np.flatnonzero(annotations.symbol == "~").tolist()
    begins = [
        (int(annotations.subtype[m]) & _BOTH_SIGNALS_UNREADABLE) == _BOTH_SIGNALS_UNREADABLE for m in marks
    ]
    if not any(begins):
        return _intervals([])
    beats = annotations.sample[is_beat(annotations.symbol)]
    found: list[tuple[int, int]] = []
    opened: int | None = None
    for position, mark in enumerate(marks):
        sample = int(annotations.sample[mark])
        if not begins[position]:
            if opened is not None:
                found.append((opened, sample))
                opened = None
            continue
        opened = sample if opened is None else opened
        last = position + 1 == len(marks)
        if not last and not begins[position + 1]:
            continue
        following = np.searchsorted(beats, sample, side="right")
        beat_after = int(beats[following]) if following < len(beats) else None
        if beat_after is not None and (last or beat_after < annotations.sample[marks[position + 1]]):
            beat_before = int(beats[following - 1]) + window if following else 0
            found.append((min(beat_before, opened), max(beat_after - window, sample)))
            opened = None
    if opened is not None:
        found.append((opened, max(end, opened)))
    return _intervals(found)


def inside(sample: NDArray[np.int64], intervals: Intervals) -> NDArray[np.bool_]:
    """Which samples lie in one of the intervals, ends included: bool [n]."""
    if not len(intervals):
        return np.zeros(len(sample), dtype=np.bool_)
    before = np.searchsorted(intervals[:, 0], sample, side="right") - 1
    hit: NDArray[np.bool_] = (before >= 0) & (sample <= intervals[before, 1])
    return hit


def _intervals(pairs: list[tuple[int, int]]) -> Intervals:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
