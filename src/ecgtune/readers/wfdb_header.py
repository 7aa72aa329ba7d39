"""WFDB header files (``.hea``), parsed strictly and without importing ``wfdb``.

``import wfdb`` takes half a second, which is as long as the rest of a short job. The format is
https://wit.mit.edu/wfdb/header.5.
"""

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from ecgtune.errors import RecordError

DEFAULT_FS = 250.0
DEFAULT_GAIN = 200.0

_FORMAT = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN = re.compile(r"([^(/]*)(?:\(([^)]*)\))?(?:/(.*))?")


@dataclass(frozen=True)
class SignalLine:
    """What a header says of one signal.

    Parameters
    ----------
    file
        Name of the signal file; ``~`` in the layout of a record of variable layout.
    format
        WFDB storage format, e.g. ``"212"``.
    samples_per_frame
        Samples in each frame of the record; more than one for a signal of a higher rate.
    skew
        Frames by which the signal lags behind.
    offset
        Bytes before the first sample.
    gain
        ADC units per physical unit; 200 where the header says 0 or nothing.
    baseline
        ADC value of 0 physical units; the ADC zero where the header does not say.
    units
        Physical unit; ``mV`` where the header does not say.
    name
        Description of the signal.
    """

    file: str
    format: str
    samples_per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    name: str


@dataclass(frozen=True)
class Header:
    """A header: rate in Hz, frames (None where it does not say), start, signals, segments (name, frames)."""

    path: Path
    fs: float
    n_frames: int | None
    start: datetime | None
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]


class _HeaderError(ValueError):
    """What is wrong with a header."""


def read_header(path: Path) -> Header:
    """Read a header.

    Raises
    ------
    RecordError
        Where it is missing or malformed.
    """
    lines = header_lines(path)
    try:
        return _parse(path, lines)
    except _HeaderError as error:
        raise RecordError(
            f"{path}: malformed header: {error}; correct it by https://wit.mit.edu/wfdb/header.5"
        ) from None


def header_lines(path: Path) -> list[str]:
    """Lines of a header that are neither empty nor comments.

    Raises
    ------
    RecordError
        Where it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise RecordError(f"{path}: cannot be read: {reason}; check the record's name") from error
    lines = (line.strip() for line in content.decode("utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def segment_names(path: Path) -> list[str]:
    """Names of the segments of a multi-segment record; none where the header is of one segment or broken."""
    try:
        lines = header_lines(path)
    except RecordError:
        return []
    if not lines or "/" not in lines[0].split()[0]:
        return []
    return [line.split()[0] for line in lines[1:] if not line.startswith("~")]


def _parse(path: Path, lines: list[str]) -> Header:
    if not lines:
        raise _HeaderError("it is empty")
    fields = lines[0].split()
    if len(fields) < 2:
        raise _HeaderError(f"the record line {_shown(lines[0])} has no number of signals")
    _, slash, segments = fields[0].partition("/")
    n_signals = _whole(fields[1], "number of signals")
    fs = _number(fields[2].partition("/")[0].partition("(")[0], "rate") if len(fields) > 2 else DEFAULT_FS
    if not (math.isfinite(fs) and fs > 0):
        raise _HeaderError(f"the rate is {fs:g} Hz, which is not positive")
    n_frames = _whole(fields[3], "number of samples") if len(fields) > 3 else 0
    signals: tuple[SignalLine, ...] = ()
    members: tuple[tuple[str, int], ...] = ()
    if slash:
        members = tuple(_segment_line(line) for line in lines[1 : 1 + _whole(segments, "number of segments")])
        if len(members) != int(segments) or not members:
            raise _HeaderError(f"{segments} segments announced, {len(members)} listed")
    else:
        signals = tuple(_signal_line(line) for line in lines[1 : 1 + n_signals])
        if len(signals) != n_signals or not signals:
            raise _HeaderError(f"{n_signals} signals announced, {len(signals)} described")
    return Header(path, fs, n_frames or None, _start(fields[4:]), signals, members)


def _signal_line(line: str) -> SignalLine:
    fields = line.split(None, 8)
    if len(fields) < 2:
        raise _HeaderError(f"the signal line {_shown(line)} has no format")
    storage = _FORMAT.fullmatch(fields[1])
    if storage is None:
        raise _HeaderError(f"{_shown(fields[1])} is no signal format")
    fmt, per_frame, skew, offset = storage.groups()
    adc_zero = _whole(fields[4], "ADC zero") if len(fields) > 4 else 0
    gain, baseline, units = DEFAULT_GAIN, adc_zero, "mV"
    calibration = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    if calibration is not None:
        gain = _number(calibration[1], "gain") or DEFAULT_GAIN
        baseline = adc_zero if calibration[2] is None else _whole(calibration[2], "baseline")
        units = calibration[3] or "mV"
    return SignalLine(
        file=fields[0],
        format=fmt,
        samples_per_frame=int(per_frame or 1) or 1,
        skew=int(skew or 0),
        offset=int(offset or 0),
        gain=gain,
        baseline=baseline,
        units=units,
        name=fields[8].strip() if len(fields) > 8 else "",
    )


def _segment_line(line: str) -> tuple[str, int]:
    fields = line.split()
    if len(fields) < 2:
        raise _HeaderError(f"the segment line {_shown(line)} has no length")
    return fields[0], _whole(fields[1], "segment length")


def _start(fields: list[str]) -> datetime | None:
    """Time of the first sample; a time without a date is put on 1 January 1900, an invalid one ignored."""
    if not fields:
        return None
    with suppress(ValueError):
        parts = [float(part) for part in fields[0].split(":")]
        hours, minutes, seconds = [0.0] * (3 - len(parts)) + parts
        microseconds = round(seconds % 1 * 1e6)
        clock = time(int(hours), int(minutes), int(seconds), min(microseconds, 999_999))
        day, month, year = (int(part) for part in fields[1].split("/")) if len(fields) > 1 else (1, 1, 1900)
        return datetime.combine(date(year, month, day), clock)
    return None


def _whole(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _HeaderError(f"{what} {_shown(text)} is no whole number") from None


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _HeaderError(f"{what} {_shown(text)} is no number") from None


def _shown(text: str) -> str:
    """Text of a damaged file in an error message: one line, of limited length."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
