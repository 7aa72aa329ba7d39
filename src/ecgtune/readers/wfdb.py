"""WFDB records: header, signals on demand, annotations beside the header."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from ecgtune.errors import RecordError
from ecgtune.readers.annotations import AnnotationsBeside
from ecgtune.readers.leads import ecg_signals, lead_names
from ecgtune.readers.wfdb_header import Header, read_header
from ecgtune.readers.wfdb_signals import open_signals
from ecgtune.record import FloatArray, Record, SignalSource


def read_wfdb(path: Path) -> Record:
    """Open a WFDB record.

    Parameters
    ----------
    path
        Its header, ``.hea``.

    Returns
    -------
    Record
        Named after the header file. Leads are the signals in uV, mV or V that are not named as something
        else (respiration, pressure, EEG, ...); the others are left out. Where the header gives signals
        several samples a frame, they are averaged to one. The header is read at once and the sizes of the
        signal files are checked; signals and annotations are read when asked for.

    Raises
    ------
    RecordError
        Where the header is missing or malformed, a signal file is missing or shorter than the header says,
        a format is unknown, a gain is absurd, or there is no ECG lead or no sample.
    """
    header = read_header(path)
    source, leads, n_samples = _open_segments(header) if header.segments else _open_segment(header)
    stem = path.with_suffix("")
    return Record(
        name=stem.name,
        fs=header.fs,
        leads=leads,
        n_samples=n_samples,
        source=source,
        patient=stem.name,
        start=header.start,
        annotations=AnnotationsBeside(stem, header.fs, {signal.file for signal in header.signals}),
        path=path,
    )


def _open_segment(header: Header) -> tuple[SignalSource, tuple[str, ...], int]:
    names = [signal.name for signal in header.signals]
    chosen = ecg_signals(str(header.path), names, [signal.units for signal in header.signals])
    source, n_samples = open_signals(header, chosen)
    return source, lead_names([names[i] for i in chosen]), n_samples


@dataclass(frozen=True)
class _Segment:
    """A piece of a multi-segment record: where its leads go, and where it starts."""

    source: SignalSource | None
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
            if segment.source is not None and high > low:
                piece = segment.source.read(low - segment.start, high - segment.start)
                out[low - start : high - start, segment.columns] = piece
        return out


def _open_segments(header: Header) -> tuple[SignalSource, tuple[str, ...], int]:
    """Open a multi-segment record; a first segment of length 0 is the layout of a variable one."""
    members = [
        (None if name == "~" else read_header(header.path.with_name(f"{name}.hea")), length)
        for name, length in header.segments
    ]
    parts = [segment for segment, _ in members if segment is not None]
    if not parts:
        raise RecordError(f"{header.path}: every segment is a gap; leave it out")
    for segment in parts:
        if segment.segments:
            raise RecordError(
                f"{segment.path}: a segment of {header.path.name} has segments itself; list them there"
            )
        if not np.isclose(segment.fs, header.fs):
            raise RecordError(
                f"{segment.path}: segment of {segment.fs:g} Hz in a record of {header.fs:g} Hz; "
                "correct the header"
            )
    variable = members[0][1] == 0
    reference = parts[0]
    names = [signal.name for signal in reference.signals]
    chosen = ecg_signals(str(header.path), names, [signal.units for signal in reference.signals])
    wanted = [names[i] for i in chosen]

    pieces = []
    ends = accumulate(length for _, length in members)
    for (member, length), end in zip(members, ends, strict=True):
        if length == 0:
            continue
        source: SignalSource | None = None
        columns: list[int] = []
        if member is not None:
            picked = chosen if not variable else _matching(wanted, member)
            columns = [column for column, i in enumerate(picked) if i is not None]
            signals = [i for i in picked if i is not None]
            if not variable and max(signals) >= len(member.signals):
                raise RecordError(
                    f"{member.path}: has fewer signals than {reference.path.name}; correct the header"
                )
            if signals:
                source, there = open_signals(member, signals)
                if there < length:
                    raise RecordError(
                        f"{header.path}: header says {length} samples for {member.path.name}, which holds "
                        f"{there}; correct the header or replace the segment"
                    )
        pieces.append(_Segment(source, columns, end - length, end))
    n_samples = pieces[-1].stop if pieces else 0
    if n_samples == 0:
        raise RecordError(f"{header.path}: the record holds no samples; leave it out")
    if header.n_frames is not None and header.n_frames != n_samples:
        raise RecordError(
            f"{header.path}: header says {header.n_frames} samples, its segments hold {n_samples}; "
            "correct the header"
        )
    return SegmentsSource(pieces, len(chosen)), lead_names(wanted), n_samples


def _matching(wanted: list[str], segment: Header) -> list[int | None]:
    """Signals of a segment by name, each used once, so that repeated names keep their order."""
    free = {i: signal.name for i, signal in enumerate(segment.signals)}
    picked: list[int | None] = []
    for name in wanted:
        match = next((i for i, other in free.items() if other == name), None)
        free.pop(match, None)  # type: ignore[arg-type]
        picked.append(match)
    return picked
