"""Beats cut as by Kachuee et al. 2018, "ECG heartbeat classification: a deep transferable representation"."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import find_peaks, resample_poly

from ecgtune.signals.filters import bridge_gaps
from ecgtune.signals.stream import FLAT_MV

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

RATE = 125
"""Hz."""

WIDTH = 187
"""Samples of a segment, 1.496 s."""

_WINDOW = 10 * RATE
_THRESHOLD = 0.9
_PERIODS = 1.2


def kachuee_beats(signal: ArrayLike, fs: float, at: NDArray[np.integer] | None = None) -> tuple[Floats, Ints]:
    """Cut a segment from each R peak on, scaled within its ten seconds and padded with zeros.

    As published (arXiv:1805.00794, section III-A): the signal at 125 Hz is split into windows of 10 s; each
    is scaled to 0-1; R peaks are its local maxima (zero crossings of the first derivative) above 0.9; T is
    the median of its RR intervals; a segment of 1.2 T is taken from each R peak on and padded with zeros to
    187 samples.

    Where the paper is silent:

    * A segment of more than 187 samples (T above 1.25 s) is cut at 187.
    * A segment that reaches beyond its window goes on in the recording, on the scale of its own window: there
      alone it may leave 0-1. Beyond the recording it is zero.
    * What remains after the last whole window is scaled, and its T taken, by the last 10 s of the recording;
      a shorter recording is one window.
    * A window of fewer than two beats has the median RR interval of the recording; in a recording of one beat
      the segment is not padded.
    * In a flat window (below 0.001 mV) every segment is zero, and no peak is found.

    Parameters
    ----------
    signal
        One lead in mV, [samples]; missing samples are bridged.
    fs
        Sampling rate in Hz.
    at
        Beats in samples at ``fs``, in any order; each gives one segment, which begins at the nearest sample
        at 125 Hz, whether or not that is the R peak. None finds R peaks as published, and misses beats
        below the tallest of their 10 s: it finds 1,067 of the 2,273 in mitdb 100.

    Returns
    -------
    segments
        float32 [beats, 187].
    at
        Where they begin, in samples at ``fs``, int64 [beats]: those given, or those found.

    Raises
    ------
    ValueError
        Where the signal is empty or more than one lead, or a beat lies outside it.
    """
    lead, resampled, ratio = _resampled(signal, fs)
    begin, low, unit = _scaled(lead, resampled, ratio)

    if at is None:
        peaks, _ = find_peaks(resampled)
        window = peaks // _WINDOW
        start = peaks[(resampled[peaks] - low[window]) * unit[window] > _THRESHOLD].astype(np.int64)
        native = np.minimum(np.round(start / ratio).astype(np.int64), len(lead) - 1)
    else:
        native = np.asarray(at, dtype=np.int64)
        if outside := native[(native < 0) | (native >= len(lead))].tolist():
            raise ValueError(f"beat at sample {outside[0]}; the signal has {len(lead)}")
        start = np.minimum(np.round(native * ratio).astype(np.int64), len(resampled) - 1)
    if not len(start):
        return np.empty((0, WIDTH), dtype=np.float32), native

    length = np.round(_PERIODS * _periods(start, begin))
    window = start // _WINDOW
    index = start[:, np.newaxis] + np.arange(WIDTH)
    there = (np.arange(WIDTH) < length[window, np.newaxis]) & (index < len(resampled))
    values = resampled[np.minimum(index, len(resampled) - 1)]
    scaled = (values - low[window, np.newaxis]) * unit[window, np.newaxis]
    return np.where(there, scaled, 0).astype(np.float32), native


def kachuee_units(signal: ArrayLike, fs: float, at: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """The way back from segments to mV: ``scale * segment + offset``, but where a segment is padded.

    Parameters
    ----------
    signal, fs, at
        See `kachuee_beats`.

    Returns
    -------
    scale, offset
        float32 [beats] each; the scale is 0 in a flat window.
    """
    lead, resampled, ratio = _resampled(signal, fs)
    _, low, unit = _scaled(lead, resampled, ratio)
    start = np.minimum(np.round(np.asarray(at) * ratio).astype(np.int64), len(resampled) - 1)
    window = start // _WINDOW
    scale = np.where(unit > 0, 1 / np.where(unit > 0, unit, 1), 0)
    return scale[window].astype(np.float32), low[window]


def _resampled(signal: ArrayLike, fs: float) -> tuple[Floats, Floats, float]:
    """A lead without gaps, the same at `RATE`, and the ratio of the rates."""
    lead = bridge_gaps(signal)
    if lead.ndim != 1 or not len(lead):
        raise ValueError(f"signal of shape {lead.shape}; give the samples of one lead")
    ratio = (Fraction(RATE) / Fraction(fs).limit_denominator(10_000)).limit_denominator(2000)
    resampled = resample_poly(lead, ratio.numerator, ratio.denominator, padtype="edge").astype(np.float32)
    return lead, resampled, float(ratio)


def _scaled(lead: Floats, resampled: Floats, ratio: float) -> tuple[Ints, Floats, Floats]:
    """Where each window of ten seconds begins, with its least value and its unit (see `_scales`)."""
    begin = np.arange(0, len(resampled), _WINDOW)
    begin = np.minimum(begin, max(0, len(resampled) - _WINDOW))
    return begin, *_scales(lead, resampled, begin, ratio)


def _scales(lead: Floats, resampled: Floats, begin: Ints, ratio: float) -> tuple[Floats, Floats]:
    """Least value of each window and what its values above it are multiplied by (0 where it is flat)."""
    low, unit = np.zeros(len(begin), dtype=np.float32), np.zeros(len(begin), dtype=np.float32)
    for k, first in enumerate(begin):
        # Flatness is looked for before resampling, whose filter leaves ripples on an offset.
        given = lead[int(first / ratio) : int((first + _WINDOW) / ratio)]
        if np.ptp(given) >= FLAT_MV:
            piece = resampled[first : first + _WINDOW]
            low[k] = piece.min()
            unit[k] = 1 / np.ptp(piece)
    return low, unit


def _periods(start: Ints, begin: Ints) -> NDArray[np.float64]:
    """Median RR interval of each window in samples."""
    ordered = np.sort(start)
    usual = float(np.median(np.diff(ordered))) if len(ordered) > 1 else float(WIDTH)
    periods = np.full(len(begin), usual)
    for k, first in enumerate(begin):
        inside = ordered[(ordered >= first) & (ordered < first + _WINDOW)]
        if len(inside) > 1:
            periods[k] = np.median(np.diff(inside))
    return periods
