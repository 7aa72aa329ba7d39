"""A recording as a sequence of overlapping blocks at the working rate.

Blocks lie on a fixed grid from the start of the recording, so what is computed from them does not depend
on how the file was read or how long the recording is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from ecgtune.errors import RecordError
from ecgtune.record import Record
from ecgtune.signals.filters import bridge_gaps
from ecgtune.signals.resample import (
    WORKING_RATE,
    block_unit,
    check_rate,
    resample_piece,
    working_length,
    working_ratio,
)

Floats = NDArray[np.float32]

CORE_SECONDS = 300
"""Length of a block without its margins; a little more at rates that do not divide it into whole seconds."""

MARGIN_SECONDS = 12
"""What a block sees of its neighbours: enough for filters and adaptive thresholds to settle."""

_READ_AHEAD = 32
"""Working samples read beyond a piece for the resampling filter."""

FLAT_MV = 1e-3
"""A lead that moves less than this within a second carries nothing."""


@dataclass(frozen=True)
class Block:
    """A piece of a recording at the working rate.

    Parameters
    ----------
    start
        Working sample at which ``signal`` begins (the margin included).
    core
        First and last (exclusive) working sample that this block answers for.
    signal
        mV, float32 [leads, samples]; missing samples are bridged.
    lost
        Whether each lead says nothing in each second of the core (most samples missing, or all alike),
        bool [leads, seconds].
    last
        Whether the recording ends with this block.
    """

    start: int
    core: tuple[int, int]
    signal: Floats
    lost: NDArray[np.bool_]
    last: bool


def choose_leads(record: Record, leads: Sequence[str | int] | None = None) -> tuple[int, ...]:
    """Indices of the leads asked for, or of all.

    Raises
    ------
    RecordError
        Where a lead is not there, or is asked for twice.
    """
    if leads is None:
        return tuple(range(len(record.leads)))
    chosen = tuple(record.lead_index(lead) for lead in leads)
    if len(set(chosen)) != len(chosen) or not chosen:
        raise RecordError(f"{record.name}: leads {', '.join(map(str, leads))} asked for; name each lead once")
    return chosen


def read_working(
    record: Record, start: int, stop: int, leads: Sequence[int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Read a piece at the working rate.

    Parameters
    ----------
    record
        The recording.
    start, stop
        Working samples; ``start`` is a multiple of `block_unit`.
    leads
        Indices of the leads wanted.

    Returns
    -------
    signal
        mV, float32 [leads, stop - start], missing samples bridged by straight lines.
    missing
        Whether the native sample at or before each working sample is missing, bool, same shape; or one False
        where nothing is.
    """
    ratio = working_ratio(record.fs)
    up, down = ratio.numerator, ratio.denominator
    first = max(0, start - -(-_READ_AHEAD // up) * up)
    native_start = first // up * down
    native_stop = min(record.n_samples, -(-(stop + _READ_AHEAD) * down // up))
    native = record.read(native_start, native_stop)
    if list(leads) != list(range(native.shape[1])):
        native = native[:, list(leads)]
    gaps = ~np.isfinite(native)
    missing = np.zeros((1, 1), dtype=np.bool_)
    if gaps.any():
        native = bridge_gaps(native.T).T
        native_sample = np.arange(start, stop) * down // up - native_start
        missing = gaps[np.minimum(native_sample, len(gaps) - 1)].T
    signal = resample_piece(native, record.fs)
    return signal[:, start - first : stop - first], missing


def _lost(signal: Floats, missing: NDArray[np.bool_], begin: int, end: int) -> NDArray[np.bool_]:
    """Tell in which seconds from ``begin`` to ``end`` a lead says nothing: bool [leads, seconds].

    A last second cut short is judged by the whole second that ends with it.
    """
    lost = _silent(signal[:, begin:end], missing[:, begin:end])
    if (end - begin) % WORKING_RATE:
        whole = slice(max(0, end - WORKING_RATE), end)
        lost[:, -1:] = _silent(signal[:, whole], missing[:, whole])
    return lost


def _silent(signal: Floats, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each second is flat or mostly missing: bool [leads, seconds]."""
    edges = np.arange(0, signal.shape[1], WORKING_RATE)
    span = np.maximum.reduceat(signal, edges, axis=1) - np.minimum.reduceat(signal, edges, axis=1)
    silent: NDArray[np.bool_] = span < FLAT_MV
    if missing.shape == signal.shape:
        silent |= np.add.reduceat(missing, edges, axis=1, dtype=np.int64) > WORKING_RATE // 2
    return silent


def blocks(record: Record, leads: Sequence[int]) -> Iterator[Block]:
    """Walk through a recording.

    Parameters
    ----------
    record
        The recording, 100 to 2000 Hz.
    leads
        Indices of the leads wanted.

    Raises
    ------
    RecordError
        On a rate out of range or an empty recording.
    """
    check_rate(record)
    n = working_length(record)
    unit = block_unit(record.fs)
    # Whole seconds, so that the seconds of all blocks make up the recording's.
    step = lcm(unit, WORKING_RATE)
    core = -(-CORE_SECONDS * WORKING_RATE // step) * step
    margin = -(-MARGIN_SECONDS * WORKING_RATE // unit) * unit
    for begin in range(0, n, core):
        end = min(begin + core, n)
        start, stop = max(0, begin - margin), min(n, end + margin)
        signal, missing = read_working(record, start, stop, leads)
        lost = _lost(signal, missing, begin - start, end - start)
        yield Block(start, (begin, end), signal, lost, end == n)


@lru_cache(maxsize=4)
def _band(low: float, high: float) -> NDArray[np.float64]:
    sos: NDArray[np.float64] = butter(2, (low, high), btype="bandpass", fs=WORKING_RATE, output="sos")
    return sos


def diagnostic_band(signal: Floats, band: tuple[float, float] = (0.5, 40.0)) -> Floats:
    """Band-pass forwards and backwards, without delay: [leads, samples] at the working rate, band in Hz."""
    pad = min(3 * WORKING_RATE, signal.shape[1] - 1)
    filtered: Floats = sosfiltfilt(_band(*band), signal, padlen=pad).astype(np.float32)
    return filtered


def probe(record: Record, leads: Sequence[int]) -> tuple[int, ...]:
    """Tell which of some leads carry a signal: not flat, not missing, in at least one of five looks.

    A look is ten seconds; where all five find nothing, the whole recording is gone through.
    """
    check_rate(record)
    length = min(record.n_samples, int(10 * record.fs))
    alive: set[int] = set()
    starts = np.linspace(0, record.n_samples - length, 5).astype(int)
    for start in np.unique(starts):
        alive |= _alive(record.read(int(start), int(start) + length), leads)
    if not alive:
        piece = int(CORE_SECONDS * record.fs)
        for start in range(0, record.n_samples, piece):
            alive |= _alive(record.read(start, min(start + piece, record.n_samples)), leads)
            if alive:
                break
    return tuple(lead for lead in leads if lead in alive)


def _alive(piece: Floats, leads: Sequence[int]) -> set[int]:
    found = set()
    for lead in leads:
        there = piece[:, lead][np.isfinite(piece[:, lead])]
        if len(there) > 1 and np.ptp(there) >= FLAT_MV:
            found.add(lead)
    return found
