"""Windows of signal around beats, scaled by the recording's own beats."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Floats = NDArray[np.float32]

_QRS_REACH = 13
"""Working samples on either side of the fiducial, 0.1 s, in which a beat's height is read."""

_LARGEST = 8.0
"""Scaled windows are clipped here: eight times a typical QRS is an artefact."""


def cut_windows(signal: Floats, at: NDArray[np.integer], before: int, after: int) -> Floats:
    """Cut a window around each beat.

    Parameters
    ----------
    signal
        mV at the working rate, [leads, samples].
    at
        Positions in ``signal``; windows that reach beyond it repeat its first or last sample.
    before, after
        Samples before and after the position.

    Returns
    -------
    ndarray
        float32 [beats, leads, before + after].
    """
    index = np.clip(np.asarray(at)[:, np.newaxis] + np.arange(-before, after), 0, signal.shape[1] - 1)
    return np.ascontiguousarray(signal[:, index].transpose(1, 0, 2))


def scale_windows(windows: Floats, before: int, neighbours: int, lost_lead_mv: float) -> Floats:
    """Bring windows to units of the lead's typical QRS height, zero where the lead is lost.

    Parameters
    ----------
    windows
        mV, [beats, leads, width], in order of time.
    before
        Where the fiducial lies in a window.
    neighbours
        Beats on either side whose median QRS height is the unit.
    lost_lead_mv
        Below this unit a lead is lost.

    Returns
    -------
    ndarray
        float32, same shape; each window without its median, in units.
    """
    centred = windows - np.median(windows, axis=2, keepdims=True)
    height = np.ptp(centred[:, :, before - _QRS_REACH : before + _QRS_REACH], axis=2)
    unit = median_filter(height, size=(2 * neighbours + 1, 1), mode="nearest")[:, :, np.newaxis]
    scaled: Floats = np.where(unit >= lost_lead_mv, centred / np.maximum(unit, lost_lead_mv), 0)
    clipped: Floats = np.clip(scaled, -_LARGEST, _LARGEST).astype(np.float32)
    return clipped


def typical_beats(scaled: Floats, neighbours: int) -> Floats:
    """Mean window of the beats on either side of each beat (itself included): float32, same shape."""
    n = len(scaled)
    total = np.zeros((n + 1, *scaled.shape[1:]))
    np.cumsum(scaled, axis=0, dtype=np.float64, out=total[1:])
    first = np.maximum(np.arange(n) - neighbours, 0)
    last = np.minimum(np.arange(n) + neighbours + 1, n)
    mean = (total[last] - total[first]) / (last - first)[:, np.newaxis, np.newaxis]
    typical: Floats = mean.astype(np.float32)
    return typical
