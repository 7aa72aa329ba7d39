"""An edge detector: where a signal is steep, whatever any network makes of it.

Many attributions look like edges, and a network is not needed to draw those (Adebayo et al. 2018, "Sanity
Checks for Saliency Maps", arXiv:1810.03292). A method that orders samples no better than this one explains
the signal, not the network.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float32]

WIDTH_S = 0.01
"""Standard deviation of the smoothing in seconds: a QRS complex's slopes are two or three times as long."""


def edges(signal: Floats, fs: float, width_s: float = WIDTH_S) -> Floats:
    """Steepness of each sample: the size of the slope of the smoothed signal, as in Canny's detector.

    Parameters
    ----------
    signal
        [..., samples].
    fs
        Sampling rate in Hz.
    width_s
        Standard deviation of the Gaussian in seconds.

    Returns
    -------
    ndarray
        float32, same shape, the signal's unit per sample, 0 or more.
    """
    slope = gaussian_filter1d(
        np.asarray(signal, dtype=np.float64), width_s * fs, axis=-1, order=1, mode="nearest"
    )
    return np.abs(slope).astype(np.float32)
