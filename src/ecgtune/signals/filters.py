"""Band-pass filtering of whole signals at their own rate."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, sosfiltfilt

Floats = NDArray[np.float32]


def bandpass(signal: ArrayLike, fs: float, low: float, high: float, *, order: int = 2) -> Floats:
    """Band-pass forwards and backwards with a Butterworth filter, so without delay.

    Parameters
    ----------
    signal
        [..., samples]; missing samples (NaN) are bridged first as by `bridge_gaps`, and stay bridged.
    fs
        Sampling rate in Hz.
    low, high
        Cut-off frequencies in Hz. Passed twice, a tone at a cut-off keeps half its amplitude.
    order
        Order of each edge in one pass.

    Returns
    -------
    ndarray
        float32, same shape.

    Raises
    ------
    ValueError
        Where the band does not lie between 0 and half the sampling rate, or there is no sample.
    """
    if not 0 < low < high < fs / 2:
        raise ValueError(
            f"band of {low:g} to {high:g} Hz at {fs:g} Hz; choose one that rises within 0 to {fs / 2:g} Hz"
        )
    bridged = bridge_gaps(signal)
    if not bridged.shape[-1]:
        raise ValueError("the signal to filter has no samples")
    # Doubles inside: a low edge far below the sampling rate has poles too near one for single precision.
    sos = butter(order, (low, high), btype="bandpass", fs=fs, output="sos")
    pad = min(int(3 * fs), bridged.shape[-1] - 1)
    filtered: Floats = sosfiltfilt(sos, bridged.astype(np.float64), padlen=pad).astype(np.float32)
    return filtered


def bridge_gaps(signal: ArrayLike) -> Floats:
    """Replace missing samples by straight lines over the last axis.

    Gaps at either end repeat the nearest sample; where nothing is there at all it becomes zero.

    Parameters
    ----------
    signal
        [..., samples], NaN (or infinite) where missing.

    Returns
    -------
    ndarray
        float32, same shape; the given array itself where it is float32 and nothing is missing.
    """
    given: Floats = np.asarray(signal, dtype=np.float32)
    gaps = ~np.isfinite(given)
    if not gaps.any():
        return given
    bridged = given.copy()
    at = np.arange(given.shape[-1])
    for lead in np.ndindex(given.shape[:-1]):
        gap = gaps[lead]
        if gap.all():
            bridged[lead] = 0
        elif gap.any():
            bridged[(*lead, gap)] = np.interp(at[gap], at[~gap], given[(*lead, ~gap)])
    return bridged
