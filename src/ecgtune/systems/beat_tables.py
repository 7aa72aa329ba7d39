"""Tables of windows for the systems that label beats, and their division by the protocols."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, annotated_beats, concatenate
from ecgtune.beats.fixed import fixed_windows
from ecgtune.beats.kachuee import RATE, WIDTH, kachuee_beats, kachuee_units
from ecgtune.databases import CATALOGUE, DS1, DS2
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.model import preferred_leads
from ecgtune.record import Record
from ecgtune.signals.filters import bandpass
from ecgtune.signals.resample import to_native
from ecgtune.splits import Split, make_split
from ecgtune.training.tables import RecordKey, open_record, record_until, rows_of
from ecgtune.training.trials import WindowTable

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Until = Mapping[RecordKey, float]

PROTOCOLS = ("beat-split", "inter-patient", "patient-adapted")
"""Protocols that every system of beats runs under."""

MARGIN_S = 0.2
"""The way from an annotation to the fiducial (0.1 s) and the margin of the resampling."""


def beat_table(
    how: Mapping[str, Any],
    records: Sequence[str],
    *,
    until: Until | None = None,
    scale_until: Until | None = None,
) -> Beats:
    """Cut a window around each annotated beat of some records.

    Parameters
    ----------
    how
        Section ``windows`` of a system's TOML: ``database``, ``leads`` (how many), ``cut`` (``"fixed"`` or
        ``"kachuee"``); of fixed windows ``band_hz``, ``order``, ``seconds``, ``width``, ``scale_percent``.
    records
        Names of records.
    until
        Second after which nothing of a record is read, not even to filter it; all where not listed.
    scale_until
        Second up to which a recording's scale is read; all of it where not listed. Kachuee's beats are scaled
        in windows of ten seconds instead.

    Returns
    -------
    Beats
        ``windows`` float32 [n, leads, width].

    Raises
    ------
    DataError
        Where a record is not there.
    ModelError
        On an unknown way of cutting.
    """
    if how["cut"] not in _CUTS:
        raise ModelError(f"windows.cut is {how['cut']!r}; known: {', '.join(_CUTS)}")
    tables = []
    for name in records:
        key = (how["database"], name)
        record, annotations = open_record(key)
        record = record_until(record, (until or {}).get(key, math.inf))
        annotations = annotations.select(annotations.sample < record.n_samples)
        leads = preferred_leads(record, range(len(record.leads)), how["leads"])
        beats = annotated_beats(record, annotations, leads, Preprocessing(leads=len(leads)), database=key[0])
        at = to_native(beats.at, record.fs)
        seen = int(min((scale_until or {}).get(key, math.inf) * record.fs, record.n_samples))
        windows = [_CUTS[how["cut"]](record, lead, at, seen, how) for lead in leads]
        tables.append(replace(beats, windows=np.stack(windows, axis=1)))
    return concatenate(tables)


@dataclass(frozen=True)
class CutWindows:
    """Windows of one recording, and the way back to mV.

    Parameters
    ----------
    windows
        float32 [n, leads, width], in the networks' units.
    scale, offset
        ``scale * window + offset`` is in mV, float32 [n, leads].
    """

    windows: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    offset: Floats = field(repr=False)


def record_windows(how: Mapping[str, Any], record: Record, leads: Sequence[int], at: Ints) -> CutWindows:
    """Cut windows of any recording as those of a table are cut.

    Parameters
    ----------
    how
        See `beat_table`.
    record
        The recording; all of it is read, for its scale.
    leads
        Indices of as many leads as ``how`` asks for.
    at
        Fiducials, native samples, int64 [n].
    """
    cut, unit = _CUTS[how["cut"]], _UNITS[how["cut"]]
    windows = [cut(record, lead, at, record.n_samples, how) for lead in leads]
    units = [unit(record, lead, at, how) for lead in leads]
    scale, offset = (np.stack([each[i] for each in units], axis=1).astype(np.float32) for i in range(2))
    return CutWindows(np.stack(windows, axis=1), scale, offset)


def rate_of(how: Mapping[str, Any]) -> float:
    """Samples of a window per second."""
    return float(RATE) if how["cut"] == "kachuee" else how["width"] / how["seconds"]


def fiducial(how: Mapping[str, Any]) -> int:
    """Samples of a window before the fiducial: a window of Kachuee's begins with it."""
    return 0 if how["cut"] == "kachuee" else how["width"] // 2


def _fixed(record: Record, lead: int, at: Ints, seen: int, how: Mapping[str, Any]) -> Floats:
    filtered, span = _filtered(record, lead, seen, how)
    cut = fixed_windows(filtered, record.fs, at, seconds=how["seconds"], width=how["width"])
    return np.asarray(np.clip(2 * cut / span, -3, 3), dtype=np.float32)


def _fixed_units(record: Record, lead: int, at: Ints, how: Mapping[str, Any]) -> tuple[Floats, Floats]:
    _, span = _filtered(record, lead, record.n_samples, how)
    return np.full(len(at), span / 2, dtype=np.float32), np.zeros(len(at), dtype=np.float32)


def _filtered(record: Record, lead: int, seen: int, how: Mapping[str, Any]) -> tuple[Floats, float]:
    """A lead in its band, and the recording's own range, so that a beat keeps its size beside others."""
    signal = record.read(0, record.n_samples)[:, lead]
    filtered = bandpass(signal, record.fs, *how["band_hz"], order=how["order"])
    extreme = how["scale_percent"]
    low, high = np.percentile(filtered[:seen], [extreme, 100 - extreme])
    return filtered, max(high - low, 1e-6)


def _kachuee(record: Record, lead: int, at: Ints, seen: int, how: Mapping[str, Any]) -> Floats:
    signal = record.read(0, record.n_samples)[:, lead]
    windows, _ = kachuee_beats(signal, record.fs, at)
    return windows


def _kachuee_units(record: Record, lead: int, at: Ints, how: Mapping[str, Any]) -> tuple[Floats, Floats]:
    return kachuee_units(record.read(0, record.n_samples)[:, lead], record.fs, at)


_CUTS = {"fixed": _fixed, "kachuee": _kachuee}
_UNITS = {"fixed": _fixed_units, "kachuee": _kachuee_units}


def reads(how: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds before and after an annotation that its window is read from.

    Kachuee's scale and period are those of ten whole seconds; the protocols' instants lie between such.
    """
    if how["cut"] == "kachuee":
        return MARGIN_S, WIDTH / RATE + MARGIN_S
    return how["seconds"] / 2 + MARGIN_S, how["seconds"] / 2 + MARGIN_S


@dataclass(frozen=True)
class Divided:
    """A table and who is where in it.

    Parameters
    ----------
    beats
        The table; in protocols that divide time a side is cut from recordings that end where it may read.
    split
        The split, of the index of whole recordings.
    rows
        Rows of ``beats`` on each side of the split, by its name.
    """

    beats: Beats = field(repr=False)
    split: Split
    rows: dict[str, Ints] = field(repr=False)

    @property
    def table(self) -> WindowTable:
        """Windows and labels."""
        return WindowTable(self.beats.windows, self.beats.label.astype(np.int64), CLASSES)

    def by_record(self, side: str) -> dict[str, Ints]:
        """Rows of each record on a side, in order."""
        rows = self.rows[side]
        names = self.beats.record[rows]
        return {str(name): rows[names == name] for name in dict.fromkeys(names.tolist())}


def records_of(protocol: str, database: str = "mitdb") -> tuple[str, ...]:
    """Records that a protocol reads: all under ``beat-split``, with the paced ones; else DS1 and DS2."""
    return CATALOGUE[database].records if protocol == "beat-split" else (*DS1, *DS2)


def divide(how: Mapping[str, Any], protocol: str, records: Sequence[str], seed: int) -> Divided:
    """Cut the windows that a protocol asks for, and divide them.

    Parameters
    ----------
    how
        See `beat_table`.
    protocol
        Of `PROTOCOLS`.
    records
        Names of records.
    seed
        Of the split.

    Raises
    ------
    SplitError
        Where the records cannot be divided so.
    """
    whole = beat_table(how, records)
    index = whole.without_windows()
    if protocol != "patient-adapted":
        split = make_split(index, protocol, seed=seed)
        return Divided(whole, split, {name: rows.astype(np.int64) for name, rows in split.sides()})
    split = make_split(index, protocol, seed=seed, window=reads(how))
    # Nothing of a later side is read for an earlier one, not even for a filter or for the scale.
    cut = {"tune": split.signal_until, "tune_validate": split.validate_until, "test": {}}
    tables, rows, count = [], {}, 0
    for side, wanted in split.sides():
        table = whole
        if side in cut:
            names = [record for _, record in split.records(side)]
            table = beat_table(how, names, until=cut[side], scale_until=split.signal_until)
        picked = rows_of(table, whole, wanted)
        tables.append(table.select(picked))
        rows[side] = np.arange(count, count + len(picked))
        count += len(picked)
    return Divided(concatenate(tables), split, rows)
