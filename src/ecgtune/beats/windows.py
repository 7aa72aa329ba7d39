"""Windows of signal around beats, scaled by the recording's own beats."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Floats = NDArray[np.float32]

BEFORE, AFTER = 56, 72
"""Working samples of a window before and after the fiducial: 0.44 s and 0.56 s, P wave to end of T."""

WIDTH = BEFORE + AFTER

NEIGHBOURS = 32
"""Beats on either side from which a lead's typical height and typical beat are taken."""

_CORE = slice(BEFORE - 13, BEFORE + 13)
"""The QRS, 0.2 s; its height is the beat's height."""

LOST_LEAD_MV = 0.02
"""A lead whose typical QRS is lower than this is taken as lost."""


def cut_windows(signal: Floats, at: NDArray[np.integer]) -> Floats:
    """Cut a window around each beat.

    Parameters
    ----------
    signal
        mV at the working rate, [leads, samples].
    at
        Positions in ``signal``; windows that reach beyond it repeat its first or last sample.

    Returns
    -------
    ndarray
        float32 [beats, leads, WIDTH].
    """
    index = np.clip(np.asarray(at)[:, np.newaxis] + np.arange(-BEFORE, AFTER), 0, signal.shape[1] - 1)
    return np.ascontiguousarray(signal[:, index].transpose(1, 0, 2))


def scale_windows(windows: Floats) -> Floats:
    """Bring windows to units of the lead's typical QRS height, zero where the lead is lost.

    Parameters
    ----------
    windows
        mV, [beats, leads, WIDTH], in order of time.

    Returns
    -------
    ndarray
        float32, same shape: the median of each window is taken away, then all is divided by the median QRS
        height of the `NEIGHBOURS` beats on either side.
    """
    centred = windows - np.median(windows, axis=2, keepdims=True)
    height = np.ptp(centred[:, :, _CORE], axis=2)
    typical = median_filter(height, size=(2 * NEIGHBOURS + 1, 1), mode="nearest")[:, :, np.newaxis]
    scaled: Floats = np.where(typical >= LOST_LEAD_MV, centred / np.maximum(typical, LOST_LEAD_MV), 0)
    return np.clip(scaled, -8, 8).astype(np.float32)


def typical_beats(scaled: Floats) -> Floats:
    """Mean window of the `NEIGHBOURS` beats on either side of each beat: float32, same shape."""
    n = len(scaled)
    total = np.zeros((n + 1, *scaled.shape[1:]))
    np.cumsum(scaled, axis=0, dtype=np.float64, out=total[1:])
    first = np.maximum(np.arange(n) - NEIGHBOURS, 0)
    last = np.minimum(np.arange(n) + NEIGHBOURS + 1, n)
    mean = (total[last] - total[first]) / (last - first)[:, np.newaxis, np.newaxis]
    return mean.astype(np.float32)
