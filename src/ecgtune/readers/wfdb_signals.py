"""WFDB signal files, read piece by piece.

Formats in which every sample has a place of its own are decoded here (212 and 16, in which nearly all public
ECGs are stored, about forty times as fast as by ``wfdb.rdrecord``); all others and skewed signals go through
``wfdb``.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np

from ecgtune.errors import RecordError
from ecgtune.readers.leads import millivolts
from ecgtune.readers.wfdb_formats import BITS, BYTES, UNPACK
from ecgtune.readers.wfdb_frames import FramesSource
from ecgtune.readers.wfdb_header import Header, SignalLine
from ecgtune.record import FloatArray, SignalSource

# Samples decoded at a time: what fits a core's cache is several times as fast as a whole record at once.
_BLOCK = 1 << 16

_LARGEST_STEP = 1.0
_SMALLEST_RANGE = 1e-3
_LARGEST_OFFSET = 1e3


def open_signals(header: Header, chosen: list[int], per_frame: int) -> tuple[SignalSource, int]:
    """Source of some signals of a single-segment record, and its length in frames.

    Parameters
    ----------
    header
        The record's header.
    chosen
        Indices of the signals to read; voltages.
    per_frame
        Samples that the source gives of each frame; no fewer than the header says of a signal.

    Raises
    ------
    RecordError
        Where a format is unknown, a signal file is missing or too short, a gain is absurd, or there is no
        sample.
    """
    for i in chosen:
        _check_gain(header, i)
    n_frames = _check_files(header)
    fast = all(_is_plain(signal) for signal in header.signals)
    if header.n_frames is None and not fast:
        raise _no_length(header)
    source = PlainSource(header, chosen) if fast else WfdbSource(header, chosen)
    if per_frame == 1:
        return source, n_frames
    per_lead = tuple(header.signals[i].samples_per_frame for i in chosen)
    return FramesSource(source, per_lead, per_frame, n_frames), n_frames


@dataclass(frozen=True)
class _Source(ABC):
    """Some signals of a record; each lead contiguous in memory."""

    header: Header
    chosen: list[int]

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` of signals of one sample a frame, float32 [samples, leads]."""
        out = np.empty((len(self.chosen), stop - start), dtype=np.float32)
        if stop > start:
            self.fill(list(out), start, stop)
        return out.T

    @abstractmethod
    def fill(self, rows: Sequence[FloatArray], start: int, stop: int) -> None:
        """Put frames ``start`` to ``stop`` of each signal into its row, in mV, NaN where missing."""


class PlainSource(_Source):
    """Signals that are decoded here."""

    def fill(self, rows: Sequence[FloatArray], start: int, stop: int) -> None:
        """Put frames ``start`` to ``stop`` of each signal into its row, in mV, NaN where missing."""
        for file, members in _by_file(self.header).items():
            signals = [self.header.signals[i] for i in members]
            ends = list(accumulate(signal.samples_per_frame for signal in signals))
            targets = [
                (row, ends[members.index(i)], self.header.signals[i])
                for row, i in zip(rows, self.chosen, strict=True)
                if i in members
            ]
            if targets:
                self._read_file(self.header.path.parent / file, ends[-1], targets, start, stop)

    def _read_file(
        self,
        path: Path,
        width: int,
        targets: list[tuple[FloatArray, int, SignalLine]],
        start: int,
        stop: int,
    ) -> None:
        """Read frames of a file, ``width`` samples wide, into rows; targets have their end in a frame."""
        unpack, unit = UNPACK[targets[0][2].format]
        offset = targets[0][2].offset
        per_block = max(1, _BLOCK // width)
        try:
            with path.open("rb", buffering=0) as file:
                for first in range(start, stop, per_block):
                    count = min(per_block, stop - first)
                    digital = unpack(file, offset, first * width, count * width)
                    if len(digital) < count * width:
                        raise RecordError(
                            f"{path}: ended at sample {first + len(digital) // width} while it was read; "
                            "it was changed or cut off, replace it with a whole copy"
                        )
                    missing = np.iinfo(digital.dtype).min
                    has_missing = digital.min() == missing
                    exact = np.result_type(digital, np.float32).type
                    for row, end, signal in targets:
                        n = signal.samples_per_frame
                        values = digital.reshape(count, width)[:, end - n : end]
                        piece = row.reshape(-1, n)[first - start : first - start + count]
                        scale = (millivolts(signal.units) or 1.0) / signal.gain / unit
                        np.subtract(values, exact(signal.baseline * unit), out=piece)
                        np.multiply(piece, np.float32(scale), out=piece)
                        if has_missing:
                            piece[values == missing] = np.nan
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from error


class WfdbSource(_Source):
    """Signals in any format that ``wfdb`` reads."""

    def fill(self, rows: Sequence[FloatArray], start: int, stop: int) -> None:
        """Put frames ``start`` to ``stop`` of each signal into its row, in mV, NaN where missing."""
        import wfdb

        path = self.header.path
        try:
            record = wfdb.rdrecord(
                str(path.with_suffix("")), start, stop, channels=self.chosen, smooth_frames=False
            )
        except Exception as error:
            raise RecordError(
                f"{path}: wfdb cannot read samples {start} to {stop}: {_one_line(error)}; "
                "replace it with a whole copy"
            ) from error
        read = record.e_p_signal or []
        if [len(values) for values in read] != [len(row) for row in rows]:
            raise RecordError(
                f"{path}: samples {start} to {stop} are not there; replace it with a whole copy"
            )
        for row, values, i in zip(rows, read, self.chosen, strict=True):
            row[:] = values
            row *= np.float32(millivolts(self.header.signals[i].units) or 1.0)


def _is_plain(signal: SignalLine) -> bool:
    return signal.format in UNPACK and signal.skew == 0


def _by_file(header: Header) -> dict[str, list[int]]:
    """Signals of each file, in their order there."""
    files: dict[str, list[int]] = {}
    for i, signal in enumerate(header.signals):
        files.setdefault(signal.file, []).append(i)
    return files


def _check_files(header: Header) -> int:
    """Length in frames, after comparing what the header announces with the size of every signal file."""
    lengths = []
    for name, members in _by_file(header).items():
        signals = [header.signals[i] for i in members]
        formats = {signal.format for signal in signals}
        unknown = sorted(formats - BITS.keys())
        if unknown or len(formats) > 1:
            problem = f"unknown signal format {unknown[0]}" if unknown else f"{name} has several formats"
            raise RecordError(f"{header.path}: {problem}; known formats: {', '.join(BITS)}")
        path = header.path.parent / name
        try:
            size = path.stat().st_size - signals[0].offset
        except OSError as error:
            raise RecordError(
                f"{path}: the signal file is missing; put it beside {header.path.name}"
            ) from error
        if signals[0].format not in BYTES:
            continue
        width = sum(signal.samples_per_frame for signal in signals)
        there = int(Fraction(max(size, 0)) / BYTES[signals[0].format]) // width
        if header.n_frames is not None and there < header.n_frames:
            raise RecordError(
                f"{header.path}: header says {header.n_frames} samples, {name} holds {there}; "
                "replace the signal file with a whole copy or correct the header"
            )
        lengths.append(there)
    if header.n_frames is None and not lengths:
        raise _no_length(header)
    n_frames = header.n_frames if header.n_frames is not None else min(lengths)
    if n_frames == 0:
        raise RecordError(f"{header.path}: the record holds no samples; leave it out")
    if n_frames < 0:
        raise RecordError(f"{header.path}: header says {n_frames} samples; correct its first line")
    return n_frames


def _no_length(header: Header) -> RecordError:
    return RecordError(f"{header.path}: the header gives no number of samples; add it to its first line")


def _check_gain(header: Header, i: int) -> None:
    """Refuse a calibration under which the signal cannot be an ECG in the unit that the header names."""
    signal = header.signals[i]
    step = (millivolts(signal.units) or 1.0) / signal.gain
    name = f"{header.path}: lead {i} ({signal.name or signal.file})"
    remedy = "correct the gain and unit in the header"
    if not np.isfinite(signal.gain) or signal.gain < 0:
        raise RecordError(f"{name}: gain {signal.gain:g} is not positive; {remedy}")
    full_range = step * 2 ** BITS.get(signal.format, 16)
    if step > _LARGEST_STEP or full_range < _SMALLEST_RANGE:
        raise RecordError(
            f"{name}: gain {signal.gain:g}/{signal.units} is absurd: one step would be {step:.3g} mV "
            f"and the whole range {full_range:.3g} mV; {remedy}"
        )
    if abs(signal.baseline * step) > _LARGEST_OFFSET and BITS.get(signal.format, 16) < 24:
        raise RecordError(
            f"{name}: baseline {signal.baseline} at gain {signal.gain:g}/{signal.units} puts the signal "
            f"{abs(signal.baseline * step):.3g} mV off zero; {remedy}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
