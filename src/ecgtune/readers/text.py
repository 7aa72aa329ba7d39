"""Tables of numbers: ``.csv`` and ``.tsv``, a column a lead, a row a sample."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.readers.leads import is_ecg, millivolts
from ecgtune.readers.sidecar import check_plausible, describe, described_record
from ecgtune.record import ArraySource, FloatArray, Record

FILE_LIMIT = 2 << 30
"""Largest table in bytes (about a week of one lead); tables are read whole, as float32."""

_ROWS = 200_000
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_SECONDS = (("micro", 1e-6), ("u", 1e-6), ("m", 1e-3), ("s", 1.0))
_TIME_NAME = re.compile(
    r"(?:elapsed )?(time|time and date|timestamp|t)?"
    r" ?(s|secs?|seconds?|ms|msecs?|milliseconds?|us|usecs?|microseconds?)?"
)
_TIME_UNIT = re.compile(r"(s|sec|ms|msec|us|usec)s?")
_CLOCK = re.compile(r"\[?\d+(:\d+){1,2}(\.\d+)?( .*)?\]?")
_DAY_S = 86_400
_INDEX_NAMES = frozenset({"", "sample", "sample #", "samples", "index", "unnamed: 0"})
_UNIT_IN_NAME = re.compile(r"(.*?)\s*[\[(]([^\])]+)[\])]")


@dataclass(frozen=True)
class _Layout:
    """How a table is laid out: its columns, where the numbers start, whether times are like ``0:00.000``."""

    delimiter: str
    names: list[str]
    units: list[str | None]
    time: int | None
    seconds: float
    columns: list[int]
    first_row: int
    clock: bool = False


def read_table(path: Path, fs: float | None, leads: Sequence[str] | None, units: str | None) -> Record:
    """Read a CSV or TSV file as a recording.

    Parameters
    ----------
    path
        The file: fields separated by comma, semicolon or tab, with decimal points, or with decimal commas
        where commas do not separate; lines that start with ``#`` are skipped. An optional header row names
        the leads; a unit may follow in brackets (``MLII (mV)``) or in a second row, as PhysioNet's ``rdsamp``
        writes it. A column named like a time (``time``, ``t``, ``sec``, ``ms``, ...) or in a unit of time
        (``Zeit [s]``) is no lead but gives the rate where none is told; its cells may be times of day or
        elapsed times (``12:30:15.004``, ``0:00.004``). Columns named as a sample number or as another
        signal (respiration, pressure, ...), or in a unit that is no voltage, are left out. Empty cells and
        ``NaN`` are missing samples. The file is read whole and may have up to 2 GiB.
    fs
        Sampling rate in Hz; else from the JSON file beside it, else from the time column where it is regular.
    leads, units
        Lead names, and ``uV``, ``mV`` (default) or ``V``; else from the JSON file, else from the header row.

    Raises
    ------
    RecordError
        Where a cell is text, rows differ in length, the time column is irregular, the rate is unknown or
        values cannot be in the unit.
    """
    told = describe(path, fs, leads, units)
    try:
        size = path.stat().st_size
        if size > FILE_LIMIT:
            raise RecordError(
                f"{path}: {size / 2**30:.1f} GiB, more than {FILE_LIMIT >> 30} GiB, and tables are read "
                "whole; convert it to NPY or WFDB"
            )
        layout = _layout(path)
        signal, time = _numbers(path, layout, with_time=told.fs is None)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordError(f"{path}: cannot be read as text: {reason}; save it as UTF-8") from error
    if told.units is None and not any(layout.units):
        check_plausible(path, signal[:: max(1, len(signal) // 10_000)], told)
    units_of_leads = [told.units or unit or "mV" for unit in layout.units]
    signal *= np.array([millivolts(unit) or 1.0 for unit in units_of_leads], dtype=np.float32)
    signal[~np.isfinite(signal)] = np.nan
    return described_record(
        path,
        told,
        ArraySource(signal),
        *signal.shape,
        fs=None if time is None else _rate(path, time, layout.first_row),
        names=[layout.names[column] for column in layout.columns] if layout.names else None,
    )


def sniff_table(path: Path) -> bool | None:
    """Tell from its first rows whether a table has a time column; None where it is no recording.

    No recordings are labels of beats, as ``ecgtune classify`` writes them, and tables with text where samples
    are due. A table that cannot be read has no time column.
    """
    try:
        head = next(line for _, line in _lines(path))
        names = {cell.lower() for cell in _cells(head, _delimiter(path, head))}
        if names & {"label", "symbol"} and names & {"sample", "time_s"}:
            return None
        layout = _layout(path)
        row = _cells(next(_rows(path, layout))[1], layout.delimiter)
    except (OSError, UnicodeDecodeError, RecordError, StopIteration):
        return False
    is_signal = all(_is_number(row[column]) for column in layout.columns if column < len(row))
    return layout.time is not None if is_signal else None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are neither empty nor comments, with their number in the file, from 1."""
    with path.open(encoding="utf-8-sig", newline=None) as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and not line.startswith("#"):
                yield number, line.rstrip("\n")


def _rows(path: Path, layout: _Layout) -> Iterator[tuple[int, str]]:
    """Lines of numbers, with decimal points, with their number in the file."""
    for number, line in _lines(path):
        if number >= layout.first_row:
            yield number, _with_points(line, layout.delimiter)


def _with_points(line: str, delimiter: str) -> str:
    return line if delimiter == "," else line.replace(",", ".")


def _delimiter(path: Path, line: str) -> str:
    """What separates the cells of the first line: of numbers with decimal commas it is not the comma."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    for delimiter in ";\t":
        if delimiter in line and _all_numbers(line, delimiter):
            return delimiter
    return max(",;\t", key=line.count)


def _all_numbers(line: str, delimiter: str) -> bool:
    return all(_is_number(cell) for cell in _cells(_with_points(line, delimiter), delimiter))


def _layout(path: Path) -> _Layout:
    top = list(islice(_lines(path), 3))
    if not top:
        raise RecordError(f"{path}: the table is empty; leave it out")
    line = top[0][1]
    delimiter = _delimiter(path, line)
    cells = _cells(line, delimiter)
    if _all_numbers(line, delimiter):
        return _Layout(delimiter, [], [None] * len(cells), None, 1.0, list(range(len(cells))), top[0][0])
    if len(top) < 2:
        raise RecordError(f"{path}: the table has a header row and no samples; leave it out")
    if len(cells) == 1:
        # One name: a comma below it separates nothing.
        delimiter = ";"
    below, first_row = _cells(top[1][1], delimiter), top[1][0]
    unit_row = len(below) == len(cells) and any(millivolts(cell) is not None for cell in below)
    if unit_row:
        first_row = top[2][0] if len(top) > 2 else first_row + 1
    names, units = [], []
    for i, cell in enumerate(cells):
        in_name = _UNIT_IN_NAME.fullmatch(cell)
        unit = below[i] if unit_row else in_name[2] if in_name else None
        is_unit = unit is not None and millivolts(unit) is not None
        names.append(in_name[1] if in_name and is_unit and not unit_row else cell)
        units.append(unit if is_unit else None)
    seconds = [_seconds(cell) for cell in cells]
    time = next((i for i, unit in enumerate(seconds) if unit is not None), None)
    columns = [
        i
        for i, name in enumerate(names)
        if i != time and name.lower() not in _INDEX_NAMES and is_ecg(name, below[i] if unit_row else "mV")
    ]
    if not columns:
        raise RecordError(f"{path}: no lead among the columns {', '.join(cells)}; add one")
    unit = None if time is None else (unit_row and _seconds(below[time])) or seconds[time]
    numbers = next(
        (_cells(_with_points(line, delimiter), delimiter) for number, line in top if number == first_row), []
    )
    clock = time is not None and time < len(numbers) and _CLOCK.fullmatch(numbers[time]) is not None
    leads = [units[i] for i in columns]
    return _Layout(delimiter, names, leads, time, unit or 1.0, columns, first_row, clock)


def _numbers(
    path: Path, layout: _Layout, *, with_time: bool
) -> tuple[FloatArray, NDArray[np.float64] | None]:
    """Signal as it stands in the table, float32 [samples, leads], and times in s where asked for."""
    wanted = layout.columns + ([layout.time] if with_time and layout.time is not None else [])
    rows = (line for _, line in _rows(path, layout))
    signals, times = [], []
    for first in rows:
        block = [first, *islice(rows, _ROWS - 1)]
        try:
            numbers = _parse(block, layout, wanted)
        except ValueError:
            try:
                numbers = _parse(_spelled_out(block, layout.delimiter), layout, wanted)
            except ValueError:
                raise _bad_cell(path, layout, wanted) from None
        signals.append(numbers[:, : len(layout.columns)].astype(np.float32))
        if len(wanted) > len(layout.columns):
            times.append(numbers[:, -1])
    if not signals:
        raise RecordError(f"{path}: the table has no samples; leave it out")
    if not times:
        return np.concatenate(signals), None
    time = np.concatenate(times)
    return np.concatenate(signals), np.unwrap(time, period=_DAY_S) if layout.clock else time * layout.seconds


def _parse(lines: Iterable[str], layout: _Layout, columns: list[int]) -> NDArray[np.float64]:
    return np.loadtxt(
        lines,
        delimiter=layout.delimiter,
        usecols=columns,
        ndmin=2,
        quotechar='"',
        comments=None,
        converters={layout.time: _clock_seconds} if layout.clock and layout.time in columns else None,
        encoding=None,
    )


def _clock_seconds(cell: str) -> float:
    """Seconds of ``12:30:15.5`` or ``0:15.5``, which may be quoted and followed by a date."""
    seconds = 0.0
    for part in _bare(cell).strip("[]").partition(" ")[0].split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _spelled_out(lines: list[str], delimiter: str) -> Iterator[str]:
    """Lines with ``nan`` in place of cells that stand for a missing sample."""
    for line in lines:
        cells = _cells(line, delimiter)
        yield delimiter.join("nan" if cell.lower() in _MISSING else cell for cell in cells)


def _bad_cell(path: Path, layout: _Layout, wanted: list[int]) -> RecordError:
    """Find the first cell or row that is to blame."""
    width = None
    for number, line in _rows(path, layout):
        cells = _cells(line, layout.delimiter)
        width = width or max(len(cells), len(layout.names))
        if len(cells) <= max(wanted):
            return RecordError(
                f"{path}: row {number} has {len(cells)} cells where {width} are due; complete it"
            )
        for column in wanted:
            cell, is_time = cells[column], column == layout.time
            if not (_CLOCK.fullmatch(cell) if is_time and layout.clock else _is_number(cell)):
                name = f" ({layout.names[column]})" if layout.names else ""
                remedy = "correct it, or leave the cell empty where the sample is missing"
                if is_time:
                    remedy = "correct it, or give fs (--fs 250), so that times are not read"
                return RecordError(
                    f"{path}: row {number}, column {column + 1}{name}: {cell!r:.40} is no "
                    f"{'time' if is_time else 'number'}; {remedy}"
                )
    return RecordError(f"{path}: cannot be read as a table of numbers; save it as CSV")


def _rate(path: Path, time: NDArray[np.float64], first_row: int) -> float:
    """Rate in Hz from times in seconds, which may be rounded to less than half a sample."""
    n = len(time)
    span = float(time[-1] - time[0]) if n > 1 else 0.0
    remedy = "give fs, or resample the recording to a regular rate"
    if not (np.isfinite(time).all() and span > 0):
        raise RecordError(
            f"{path}: the time column does not rise from {time[0]:g} to {time[-1]:g} s; {remedy}"
        )
    fs = (n - 1) / span
    off = np.abs(time - time[0] - np.arange(n) / fs)
    if off.max() > 0.75 / fs:
        row = first_row + int(np.argmax(np.abs(np.diff(time) - 1 / fs))) + 1
        raise RecordError(f"{path}: the time column is irregular about row {row}; {remedy}")
    # Either end may be off by half a sample, so that a whole number in between is the likely rate.
    return float(round(fs)) if abs(fs - round(fs)) <= fs / n else fs


def _seconds(name: str) -> float | None:
    """Unit in seconds of a column named like a time (``t_ms``) or in one (``Zeit [s]``); None for others."""
    plain = re.sub(r"[\[\]()_ ]+", " ", name.lower()).strip()
    match, in_name = _TIME_NAME.fullmatch(plain), _UNIT_IN_NAME.fullmatch(name.lower())
    if match is not None and plain:
        unit = match[2] or "s"
    elif in_name is not None and _TIME_UNIT.fullmatch(in_name[2]):
        unit = in_name[2]
    else:
        return None
    return next(size for prefix, size in _SECONDS if unit.startswith(prefix))


def _cells(line: str, delimiter: str) -> list[str]:
    return [_bare(cell) for cell in line.split(delimiter)]


def _bare(cell: str) -> str:
    return cell.strip().strip("\"'").strip()


def _is_number(cell: str) -> bool:
    if cell.lower() in _MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
