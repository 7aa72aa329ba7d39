"""What the atria do over the beats around: whether intervals are irregular throughout, and P waves seen.

No single beat tells that the atria fibrillate: it may come early and lack a P wave as an early beat of theirs
may. The beats around it tell: intervals are irregular throughout, not only where a beat is early, and the
beats that come late lack the P wave too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter

Floats = NDArray[np.float32]

FEATURES: tuple[str, ...] = (
    "irregularity, lower quartile",
    "irregularity, median",
    "irregularity, upper quartile",
    "P likeness, median",
    "P likeness, upper quartile",
    "P height",
    "P above noise, median",
    "P above noise, upper quartile",
)
"""Irregularity is the difference between the logarithms of successive intervals. Likeness is to the
typical P wave, whose height it is. Of leads, the one in which it is best seen counts."""

P = (-36, -8)
"""Where the P wave is looked for: working samples from the fiducial."""

_QUARTILES = (25, 50, 75)

_SCALES = (8.0, 4.0, 2.0)
"""Of irregularity, so that sinus rhythm and fibrillation differ by about one in each quartile."""

_FLAT = 1e-4
"""Energy, in squares of the typical QRS height, below which a P wave counts as flat."""

_MIDDLE = 3.0
"""What brings half the logarithm of a P wave's energy to about zero."""

_LOST = -20.0
"""What a lost lead counts for: less than any other."""


def irregularity(rr: NDArray[np.float64], within: int) -> Floats:
    """Quartiles of how much successive intervals differ, around each beat.

    Parameters
    ----------
    rr
        Logarithms of the intervals in seconds, from the first beat to the second one on, [n - 1].
    within
        Intervals on either side.

    Returns
    -------
    ndarray
        float32 [n, 3]; 0 of recordings that have fewer than two intervals.
    """
    if len(rr) < 2:
        return np.zeros((len(rr) + 1, len(_QUARTILES)), dtype=np.float32)
    # A beat stands for the difference between the intervals before and after it.
    differences = np.pad(np.abs(np.diff(rr)), 1, mode="edge")
    return np.stack(
        [
            scale * _quantile(differences, percent, within)
            for percent, scale in zip(_QUARTILES, _SCALES, strict=True)
        ],
        axis=1,
    ).astype(np.float32)


def p_waves(scaled: Floats, typical: Floats, before: int, within: int) -> Floats:
    """Quantiles of how well the P waves of the beats around are seen, for each beat.

    What lies where the P wave is wanted is compared, without its slope, with the typical beat's.

    Parameters
    ----------
    scaled, typical
        Windows in units of the typical QRS height and typical beats, in order of time, [n, leads, width].
    before
        Where the fiducial lies in a window; at least ``-P[0]``.
    within
        Beats on either side.

    Returns
    -------
    ndarray
        float32 [n, 5].
    """
    there: NDArray[np.bool_] = (typical != 0).any(axis=2)
    there |= ~there.any(axis=1, keepdims=True)
    wave = slice(before + P[0], before + P[1])
    own, usual = (_without_slope(each[:, :, wave]) for each in (scaled, typical))
    energy, height, common = (
        np.einsum("nlt,nlt->nl", one, other) / own.shape[2]
        for one, other in ((own, own), (usual, usual), (own, usual))
    )
    noise = np.maximum(energy + height - 2 * common, 0)
    tall = np.log(height + _FLAT)
    alike = common / np.sqrt((energy + _FLAT) * (height + _FLAT))
    clear = tall - np.log(noise + _FLAT)
    alike, tall, clear = (np.where(there, each, _LOST).max(axis=1) for each in (alike, tall, clear))
    return np.stack(
        [
            _quantile(alike, 50, within),
            _quantile(alike, 75, within),
            tall / 2 + _MIDDLE,
            _quantile(clear, 50, within) / 2,
            _quantile(clear, 75, within) / 2,
        ],
        axis=1,
    ).astype(np.float32)


def _quantile(each: NDArray[np.floating], percent: int, within: int) -> NDArray[np.floating]:
    found: NDArray[np.floating] = percentile_filter(each, percent, size=2 * within + 1, mode="reflect")
    return found


def _without_slope(waves: Floats) -> Floats:
    """The same without mean and slope of each."""
    ramp = np.linspace(-1, 1, waves.shape[2], dtype=np.float32)
    level = waves - waves.mean(axis=2, keepdims=True)
    found: Floats = level - (level @ ramp / (ramp @ ramp))[:, :, np.newaxis] * ramp
    return found
