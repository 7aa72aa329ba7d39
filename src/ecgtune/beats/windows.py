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
    # Sorted for the median: NumPy sorts short rows several times as fast as it partitions them.
    middle = np.sort(windows, axis=2)[:, :, (windows.shape[2] - 1) // 2 : windows.shape[2] // 2 + 1]
    scaled: Floats = windows - middle.mean(axis=2, keepdims=True)
    height = np.ptp(scaled[:, :, max(0, before - _QRS_REACH) : before + _QRS_REACH], axis=2)
    # One lead at a time: SciPy is quick in one dimension alone.
    lead_units = [median_filter(lead, size=2 * neighbours + 1, mode="nearest") for lead in height.T]
    unit = np.stack(lead_units, axis=1)[:, :, np.newaxis]
    scaled *= np.where(unit >= lost_lead_mv, 1 / np.maximum(unit, lost_lead_mv), 0)
    np.clip(scaled, -_LARGEST, _LARGEST, out=scaled)
    return scaled


def typical_beats(scaled: Floats, neighbours: int) -> Floats:
    """Median window of the beats around each beat: what the patient's usual beat looks like here.

    A median, since the mean of a patient with many ectopic beats looks like none of them. It is taken once
    for each group of ``neighbours / 2`` beats counted from the first, over every second of the
    ``2 neighbours`` beats around the group.

    Parameters
    ----------
    scaled
        Windows in order of time, [n, leads, width]; the first lies where a group begins.
    neighbours
        A multiple of four.

    Returns
    -------
    ndarray
        float32, same shape.
    """
    n, group, aside = len(scaled), neighbours // 2, 3 * neighbours // 4
    typical = np.empty_like(scaled)
    for begin in range(0, n, group):
        around = scaled[max(0, begin - aside) : begin + group + aside : 2]
        middle = len(around) // 2
        typical[begin : begin + group] = np.partition(around, middle, axis=0)[middle]
    return typical
