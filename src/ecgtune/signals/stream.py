"""A recording as a sequence of overlapping blocks at the working rate.

Blocks lie on a fixed grid from the start of the recording, so what is computed from them does not depend
on how the file was read or how long the recording is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from ecgtune.errors import RecordError
from ecgtune.record import Record
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
"""Length of a block without its margins."""

MARGIN_SECONDS = 12
"""What a block sees of its neighbours: enough for filters and adaptive thresholds to settle."""

_READ_AHEAD = 32
"""Working samples read beyond a piece for the resampling filter."""


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
    missing
        Fraction of missing samples of each lead in the core, float64 [leads].
    last
        Whether the recording ends with this block.
    """

    start: int
    core: tuple[int, int]
    signal: Floats
    missing: NDArray[np.float64]
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


def read_working(record: Record, start: int, stop: int, leads: Sequence[int]) -> tuple[Floats, Floats]:
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
        Fraction of native samples missing, by lead.
    """
    ratio = working_ratio(record.fs)
    up, down = ratio.numerator, ratio.denominator
    ahead = -(-_READ_AHEAD // up) * up
    first = max(0, start - ahead)
    native_start = first // up * down
    native_stop = min(record.n_samples, -(-(stop + ahead) * down // up))
    native = record.read(native_start, native_stop)
    if len(leads) != native.shape[1] or list(leads) != list(range(native.shape[1])):
        native = native[:, list(leads)]
    native, missing = _bridge(native)
    signal = resample_piece(native, record.fs)
    return signal[:, start - first : stop - first], missing


def _bridge(native: Floats) -> tuple[Floats, Floats]:
    """Replace missing samples by straight lines (zero where a lead has none at all)."""
    gaps = ~np.isfinite(native)
    if not gaps.any():
        return native, np.zeros(native.shape[1], dtype=np.float32)
    native = native.copy()
    at = np.arange(len(native))
    for k in range(native.shape[1]):
        gap = gaps[:, k]
        if gap.all():
            native[:, k] = 0
        elif gap.any():
            native[gap, k] = np.interp(at[gap], at[~gap], native[~gap, k])
    return native, gaps.mean(axis=0, dtype=np.float32)


def blocks(
    record: Record, leads: Sequence[int], *, core_range: tuple[int, int] | None = None
) -> Iterator[Block]:
    """Walk through a recording.

    Parameters
    ----------
    record
        The recording, 100 to 2000 Hz.
    leads
        Indices of the leads wanted.
    core_range
        Only blocks whose core meets these working samples.

    Raises
    ------
    RecordError
        On a rate out of range or an empty recording.
    """
    check_rate(record)
    n = working_length(record)
    unit = block_unit(record.fs)
    core = -(-CORE_SECONDS * WORKING_RATE // unit) * unit
    margin = -(-MARGIN_SECONDS * WORKING_RATE // unit) * unit
    for begin in range(0, n, core):
        end = min(begin + core, n)
        if core_range is not None and (end <= core_range[0] or begin >= core_range[1]):
            continue
        start, stop = max(0, begin - margin), min(n, end + margin)
        signal, missing = read_working(record, start, stop, leads)
        yield Block(start, (begin, end), signal, missing, end == n)


@lru_cache(maxsize=1)
def _diagnostic_band() -> NDArray[np.float64]:
    sos: NDArray[np.float64] = butter(2, (0.5, 40), btype="bandpass", fs=WORKING_RATE, output="sos")
    return sos


def diagnostic_band(signal: Floats) -> Floats:
    """Band-pass 0.5-40 Hz, forwards and backwards (no delay): [leads, samples] at the working rate."""
    pad = min(3 * WORKING_RATE, signal.shape[1] - 1)
    return np.stack([sosfiltfilt(_diagnostic_band(), lead, padlen=pad) for lead in signal]).astype(np.float32)
