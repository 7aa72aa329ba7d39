"""Windows of a fixed time around beats, brought to a fixed number of samples."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import resample_poly

from ecgtune.beats.windows import cut_windows
from ecgtune.signals.filters import bridge_gaps

Floats = NDArray[np.float32]

_REACH = 10
"""Half-length of the anti-aliasing filter of `resample_poly` in samples of the slower rate."""


def fixed_windows(
    signal: ArrayLike, fs: float, at: NDArray[np.integer], *, seconds: float, width: int
) -> Floats:
    """Cut a window around each beat and resample it to ``width`` samples.

    The n = ``round(seconds * fs)`` samples from ``n // 2`` before the beat on are resampled by polyphase
    filtering against aliases; output sample k lies ``k * n / width`` samples after the first. The filter
    reads what the recording holds beyond the window, so the window's edges do not ring: from 360 to 128
    samples, tones up to 50 Hz keep their shape to 0.2 % everywhere, and the beats of mitdb 100 (0.4-30 Hz)
    to 0.002 mV. Resampling the cut window by FFT, which takes it for a period, errs by half a tone's
    amplitude and by 0.1 mV where its two ends differ.

    Parameters
    ----------
    signal
        One lead, [samples]; missing samples are bridged.
    fs
        Sampling rate in Hz.
    at
        Beats in samples, [beats]; windows that reach beyond the signal repeat its first or last sample.
    seconds
        Length of a window in seconds.
    width
        Samples of a window returned.

    Returns
    -------
    ndarray
        float32 [beats, width], in the signal's unit.

    Raises
    ------
    ValueError
        Where a window would have no sample, or the signal is empty or more than one lead.
    """
    lead = bridge_gaps(signal)
    if lead.ndim != 1 or not len(lead):
        raise ValueError(f"signal of shape {lead.shape}; give the samples of one lead")
    native = round(seconds * fs)
    if native < 1 or width < 1:
        raise ValueError(f"windows of {native} samples ({seconds:g} s) to {width} asked for; at least 1 each")
    if not len(at):
        return np.empty((0, width), dtype=np.float32)
    ratio = Fraction(width, native)
    up, down = ratio.numerator, ratio.denominator
    # A margin of whole steps of both rates: it is cut off again at a whole sample.
    steps = -(-_REACH * max(up, down) // (up * down))
    before = native // 2 + steps * down
    windows = cut_windows(lead[np.newaxis], at, before, native + 2 * steps * down - before)[:, 0]
    # The filter passes a constant to 0.1 % only; a flat window must stay flat: it may be scaled up later.
    first = windows[:, :1]
    resampled = resample_poly(windows - first, up, down, axis=1)[:, steps * up : steps * up + width] + first
    return np.ascontiguousarray(resampled, dtype=np.float32)


def scale_unit(windows: Floats, low: float = 0.0, high: float = 2.0) -> Floats:
    """Scale each window so that its least sample is ``low`` and its greatest ``high``.

    Parameters
    ----------
    windows
        [..., samples]; a constant window becomes the middle of ``low`` and ``high``.
    low, high
        The range.

    Returns
    -------
    ndarray
        float32, same shape.

    Raises
    ------
    ValueError
        Where ``low`` is not below ``high``.
    """
    if not low < high:
        raise ValueError(f"range of {low:g} to {high:g} asked for; give the lower end first")
    least = windows.min(axis=-1, keepdims=True)
    span = windows.max(axis=-1, keepdims=True) - least
    flat = span == 0
    unit = np.where(flat, 0.5, (windows - least) / np.where(flat, 1, span))
    return (low + (high - low) * unit).astype(np.float32)
