"""One working rate for every recording, piece by piece."""

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from ecgtune.errors import RecordError
from ecgtune.record import Record

WORKING_RATE = 128
"""Hz. Diagnostic QRS energy lies below 40 Hz, and it is the lowest rate of the databases at hand (svdb)."""

LOWEST_RATE, HIGHEST_RATE = 100.0, 2000.0

_HALF_LENGTH = 6
"""Half-length of the anti-aliasing filter in samples of the slower of the two rates."""

Floats = NDArray[np.float32]


@lru_cache(maxsize=32)
def working_ratio(fs: float) -> Fraction:
    """Working samples for each sample at ``fs`` Hz, as a small fraction.

    The denominator is at most 2000: most rates are met exactly, the oddest (256.03 Hz) to one part in 4000.
    That shifts filter cut-offs by as little, and no position: samples are mapped back by the same fraction.
    """
    return (Fraction(WORKING_RATE) / Fraction(fs).limit_denominator(10_000)).limit_denominator(2000)


@lru_cache(maxsize=32)
def _filter(up: int, down: int) -> NDArray[np.float32]:
    longer = max(up, down)
    taps = firwin(2 * _HALF_LENGTH * longer + 1, 1 / longer, window=("kaiser", 5.0))
    # Each phase passes a constant exactly: else an offset of some mV leaves ripples on a flat lead.
    phase = np.arange(len(taps)) % up
    taps /= up * np.bincount(phase, taps)[phase]
    return taps.astype(np.float32)


def check_rate(record: Record) -> None:
    """Refuse rates that beats cannot be read from.

    Raises
    ------
    RecordError
        Below 100 Hz or above 2000 Hz.
    """
    if not LOWEST_RATE <= record.fs <= HIGHEST_RATE:
        raise RecordError(
            f"{record.name}: sampled at {record.fs:g} Hz; ecgtune reads {LOWEST_RATE:g} to "
            f"{HIGHEST_RATE:g} Hz: resample the recording"
        )


def working_length(record: Record) -> int:
    """Length of the record in samples at the working rate."""
    ratio = working_ratio(record.fs)
    return -(-record.n_samples * ratio.numerator // ratio.denominator)


def to_native(sample: NDArray[np.floating] | NDArray[np.integer], fs: float) -> NDArray[np.int64]:
    """Positions at the working rate (fractions allowed) to the nearest native sample numbers."""
    ratio = working_ratio(fs)
    return np.round(np.asarray(sample) * (ratio.denominator / ratio.numerator)).astype(np.int64)


def to_working(sample: NDArray[np.integer], fs: float) -> NDArray[np.float64]:
    """Native sample numbers to (fractional) positions at the working rate."""
    ratio = working_ratio(fs)
    return np.asarray(sample, dtype=np.float64) * (ratio.numerator / ratio.denominator)


def block_unit(fs: float) -> int:
    """Working samples after which the two rates' samples coincide; blocks start at multiples of it."""
    return working_ratio(fs).numerator


def resample_piece(signal: Floats, fs: float) -> Floats:
    """Resample [samples, leads] whose first sample coincides with a working sample: [leads, samples].

    Polyphase with a linear-phase filter of 2 x 6 samples of the slower rate; the first and last six or so
    samples of a piece know nothing of what lies beyond, so callers read with a margin.
    """
    ratio = working_ratio(fs)
    rows = np.ascontiguousarray(signal.T)
    if ratio == 1:
        return rows
    up, down = ratio.numerator, ratio.denominator
    resampled: Floats = resample_poly(  # type: ignore[call-overload]  # the stubs lack array windows
        rows, up, down, axis=1, window=_filter(up, down), padtype="edge"
    )
    return resampled
