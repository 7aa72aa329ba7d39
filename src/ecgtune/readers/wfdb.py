"""WFDB records: header, signals on demand, annotations beside the header."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecgtune.errors import RecordError
from ecgtune.readers.annotations import AnnotationsBeside
from ecgtune.readers.leads import completed_units, ecg_signals, is_ecg, lead_names
from ecgtune.readers.wfdb_header import Header, read_header
from ecgtune.readers.wfdb_signals import open_signals
from ecgtune.record import FloatArray, Record, SignalSource


def read_wfdb(path: Path, units: str | None = None) -> Record:
    """Open a WFDB record.

    Parameters
    ----------
    path
        Its header, ``.hea``.
    units
        ``uV``, ``mV`` or ``V``, where the header tells no unit that is of use.

    Returns
    -------
    Record
        Named after the header file. Leads are the signals in uV, mV or V that are not named as something
        else (respiration, pressure, EEG, ...); the others are left out. Where the header gives leads several
        samples a frame, the rate is that of the lead that has most, and leads that have fewer are
        interpolated. The header is read at once and the sizes of the signal files are checked; signals and
        annotations are read when asked for.

    Raises
    ------
    RecordError
        Where the header is missing or malformed, a signal file is missing or shorter than the header says,
        a format is unknown, a gain is absurd, or there is no ECG lead or no sample.
    """
    header = _header(path, units)
    opened = _open_segments(header, units) if header.segments else _open_segment(header)
    stem = path.with_suffix("")
    fs = header.fs * opened.per_frame
    signal_files = {signal.file for signal in header.signals}
    return Record(
        name=stem.name,
        fs=fs,
        leads=opened.leads,
        n_samples=opened.n_frames * opened.per_frame,
        source=opened.source,
        patient=stem.name,
        start=header.start,
        annotations=AnnotationsBeside(stem, fs, signal_files, opened.per_frame),
        path=path,
        per_frame=opened.per_frame,
    )


def _header(path: Path, units: str | None) -> Header:
    """Read a header, with the unit given where it tells none that is of use."""
    header = read_header(path)
    signals = header.signals
    completed = completed_units(
        str(path), [signal.name for signal in signals], [signal.units for signal in signals], units
    )
    return replace(
        header,
        signals=tuple(replace(signal, units=unit) for signal, unit in zip(signals, completed, strict=True)),
    )


class _Opened(NamedTuple):
    """Signals of a record: source, names, length in frames, and samples that the source gives of each."""

    source: SignalSource
    leads: tuple[str, ...]
    n_frames: int
    per_frame: int


def _open_segment(header: Header) -> _Opened:
    names = [signal.name for signal in header.signals]
    chosen = ecg_signals(str(header.path), names, [signal.units for signal in header.signals])
    per_frame = _most_per_frame(header, chosen)
    source, n_frames = open_signals(header, chosen, per_frame)
    return _Opened(source, lead_names([names[i] for i in chosen]), n_frames, per_frame)


def _most_per_frame(header: Header, signals: Iterable[int]) -> int:
    return max(header.signals[i].samples_per_frame for i in signals)


@dataclass(frozen=True)
class _Segment:
    """A piece of a multi-segment record: where its leads go, and the samples at which it starts and ends."""

    source: SignalSource
    columns: list[int]
    start: int
    stop: int


@dataclass(frozen=True)
class SegmentsSource:
    """Signals of a multi-segment record; NaN in gaps and where a segment lacks a lead."""

    segments: list[_Segment]
    n_leads: int

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` in mV, float32 [samples, leads], NaN where missing."""
        out = np.full((self.n_leads, stop - start), np.nan, dtype=np.float32).T
        first = bisect_right(self.segments, start, key=lambda segment: segment.stop)
        for segment in self.segments[first:]:
            if segment.start >= stop:
                break
            low, high = max(start, segment.start), min(stop, segment.stop)
            piece = segment.source.read(low - segment.start, high - segment.start)
            out[low - start : high - start, segment.columns] = piece
        return out


def _open_segments(header: Header, units: str | None) -> _Opened:
    """Open a multi-segment record; a first segment of length 0 is the layout of a variable one."""
    members = [
        (None if name == "~" else _segment_header(header, name, units), length)
        for name, length in header.segments
    ]
    reference = next((member for member, _ in members if member is not None), None)
    if reference is None:
        raise RecordError(f"{header.path}: every segment is a gap; leave it out")
    names = [signal.name for signal in reference.signals]
    chosen = ecg_signals(str(header.path), names, [signal.units for signal in reference.signals])
    wanted = [names[i] for i in chosen]
    variable = members[0][1] == 0

    parts = []
    ends = accumulate(length for _, length in members)
    for (member, length), end in zip(members, ends, strict=True):
        if member is None or length == 0:
            continue
        picked = _matching(wanted, member) if variable else _same(chosen, member)
        if picked:
            parts.append((member, picked, end - length, end))
    n_frames = sum(length for _, length in members)
    if n_frames == 0:
        raise RecordError(f"{header.path}: the record holds no samples; leave it out")
    if header.n_frames not in (None, n_frames):
        raise RecordError(
            f"{header.path}: header says {header.n_frames} samples, its segments hold {n_frames}; "
            "correct the header"
        )
    per_frame = max([_most_per_frame(member, picked.values()) for member, picked, *_ in parts], default=1)
    pieces = [
        _Segment(
            _open_member(header, member, list(picked.values()), end - start, per_frame),
            list(picked),
            start * per_frame,
            end * per_frame,
        )
        for member, picked, start, end in parts
    ]
    return _Opened(SegmentsSource(pieces, len(chosen)), lead_names(wanted), n_frames, per_frame)


def _segment_header(header: Header, name: str, units: str | None) -> Header:
    member = _header(header.path.with_name(f"{name}.hea"), units)
    if member.segments:
        raise RecordError(f"{member.path}: a segment of {header.path.name} has segments; list them there")
    if not np.isclose(member.fs, header.fs):
        raise RecordError(
            f"{member.path}: {member.fs:g} Hz in a record of {header.fs:g} Hz; correct the wrong header"
        )
    return member


def _open_member(
    header: Header, member: Header, signals: list[int], length: int, per_frame: int
) -> SignalSource:
    source, there = open_signals(member, signals, per_frame)
    if there < length:
        raise RecordError(
            f"{header.path}: header says {length} samples for {member.path.name}, which holds {there}; "
            "correct the header or replace the segment"
        )
    return source


def _same(chosen: list[int], member: Header) -> dict[int, int]:
    """Signal of a segment for each lead of a record of fixed layout: those of the first segment."""
    if max(chosen) >= len(member.signals):
        raise RecordError(
            f"{member.path}: {len(member.signals)} signals, fewer than the first segment has; "
            "correct the header"
        )
    return dict(enumerate(chosen))


def _matching(wanted: list[str], member: Header) -> dict[int, int]:
    """Signal of a segment for each lead that it has, by name; repeated names keep their order."""
    free = {i: signal.name for i, signal in enumerate(member.signals) if is_ecg(signal.name, signal.units)}
    picked = {}
    for lead, name in enumerate(wanted):
        match = next((i for i, other in free.items() if other == name), None)
        if match is not None:
            picked[lead] = match
            del free[match]
    return picked
