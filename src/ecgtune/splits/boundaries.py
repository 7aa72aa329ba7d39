"""Protocols that divide records in time: windows, instants, and what lies on which side of them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases.index import natural_key
from ecgtune.errors import SplitError
from ecgtune.splits.beat_index import BeatIndex, RecordKey, Rows, record_codes

Window = tuple[float, float]
"""Seconds before and after a beat that its input covers."""

Limits = Mapping[RecordKey, tuple[float, float]]
"""For each record two instants in seconds: training ends at the first, validation at the second."""


def window_samples(
    beats: BeatIndex, rows: Rows, window: Window
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last sample of the windows around some beats, int64 [rows] each, both inclusive.

    Parameters
    ----------
    beats, rows
        The index and the rows in it.
    window
        Seconds before and after the beat; rounded up to whole samples, so that no way of cutting a window
        reads more.
    """
    fs, sample = beats.fs[rows], beats.sample[rows]
    before, after = (np.ceil(seconds * fs - 1e-9).astype(np.int64) for seconds in window)
    return sample - before, sample + after


def limit_samples(
    beats: BeatIndex, rows: Rows, limits: Limits
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples that the two instants of each beat's record fall on, float64 [rows] each; infinity stays.

    Such a sample is the first of the later side.

    Raises
    ------
    SplitError
        Where a record has no limits.
    """
    keys, codes = record_codes(beats, rows)
    if missing := ["/".join(key) for key in keys if key not in limits]:
        raise SplitError(f"no boundary in time for {', '.join(missing)}")
    seconds = np.array([limits[key] for key in keys], dtype=np.float64).reshape(-1, 2)
    early, late = (np.floor(instant[codes] * beats.fs[rows] + 1e-9) for instant in seconds.T)
    return early, late


def divide_time(beats: BeatIndex, rows: Rows, limits: Limits, window: Window) -> tuple[Rows, Rows, Rows]:
    """Rows whose windows lie wholly before, between and after their record's two instants."""
    first, last = window_samples(beats, rows, window)
    early, late = limit_samples(beats, rows, limits)
    return rows[last < early], rows[(first >= early) & (last < late)], rows[first >= late]


def timeline(
    durations: dict[RecordKey, float], fractions: tuple[float, float, float]
) -> dict[RecordKey, tuple[float, float]]:
    """The two instants of each of a patient's records, one record following the other.

    0 stands for a record that lies wholly after the instant, infinity for one wholly before it.
    """
    total = sum(durations.values())
    instants = fractions[0] * total, (fractions[0] + fractions[1]) * total
    limits, passed = {}, 0.0
    for key, duration in durations.items():
        here = [instant - passed for instant in instants]
        early, late = (0.0 if t <= 0 else np.inf if t >= duration else t for t in here)
        limits[key] = (early, late)
        passed += duration
    return limits


def durations_by_patient(beats: BeatIndex, rows: Rows) -> dict[str, dict[RecordKey, float]]:
    """Seconds until the last beat of each record, by patient; records in natural order."""
    keys, codes = record_codes(beats, rows)
    end = np.zeros(len(keys))
    np.maximum.at(end, codes, (beats.sample[rows] + 1) / beats.fs[rows])
    patient = beats.patient[rows][np.unique(codes, return_index=True)[1]]
    found: dict[str, dict[RecordKey, float]] = {}
    for i in sorted(range(len(keys)), key=lambda i: (keys[i][0], natural_key(keys[i][1]))):
        found.setdefault(str(patient[i]), {})[keys[i]] = float(end[i])
    return found
