"""Beats of the same recording that look like a beat: their mean, and when they come.

A single beat is noisy, and may come early by chance. What all beats of its shape have in common is neither:
whether a wide beat is one of hundreds that come early, or the only one; whether a P wave stands before them.
The mean over beats of similar shape, weighted by their likeness, is the non-local mean of image denoising
(Buades 2005, doi:10.1109/CVPR.2005.38) with beats as patches.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEATURES: tuple[str, ...] = (
    "share of look-alikes",
    "look-alikes' RR before / near",
    "look-alikes' RR after / near",
    "look-alikes' RR before / RR before that",
)
"""Logarithms; all but the share are means of the RR features of `AVERAGED`."""

AVERAGED = (0, 1, 4)
"""Columns of `ecgtune.beats.rhythm.FEATURES` that are averaged over look-alikes."""

COMPARED = (20, 26)
"""Working samples before and after the fiducial in which beats are compared: the QRS."""

_ALIKE = 0.08
"""Share of the QRS energy in a difference by which the weight of a beat falls to 1/e."""

_FLAT = 0.5
"""Energy that is added to the QRS's, so that lost leads and noise look like nothing in particular."""

_ITSELF = 0.5
"""Weight of the beat itself, the most that any beat has being 1."""

_FEWEST = 1e-3
"""Share of look-alikes that counts as none."""


class LookAlikes(NamedTuple):
    """Look-alikes of n beats.

    Parameters
    ----------
    mean
        Weighted mean of the beats of similar shape around each beat and of itself, float32 [n, leads, width].
    own
        Share of the beat itself in that mean, float32 [n].
    features
        float32 [n, len(FEATURES)].
    """

    mean: Floats
    own: Floats
    features: Floats


def look_alikes(scaled: Floats, rhythm: Floats, before: int, within: int, group: int) -> LookAlikes:
    """Find the look-alikes of each beat.

    Parameters
    ----------
    scaled
        Windows in order of time, in units of the typical QRS height, [n, leads, width]; the first lies where
        a group begins.
    rhythm
        RR features as `ecgtune.beats.rhythm` has them, [n, features].
    before
        Where the fiducial lies in a window.
    within
        Beats before and after a beat's group among which look-alikes are sought.
    group
        Successive beats that seek among the same beats.
    """
    n = len(scaled)
    qrs = scaled[:, :, max(0, before - COMPARED[0]) : before + COMPARED[1]]
    qrs = (qrs - qrs.mean(axis=2, keepdims=True)).reshape(n, -1)
    energy = np.square(qrs).sum(axis=1)
    flat = scaled.reshape(n, -1)
    timing = rhythm[:, AVERAGED]
    mean = np.empty_like(flat)
    own = np.empty(n, dtype=np.float32)
    features = np.empty((n, len(FEATURES)), dtype=np.float32)
    for begin in range(0, n, group):
        end = min(n, begin + group)
        low, high = max(0, begin - within), min(n, end + within)
        distance = energy[begin:end, np.newaxis] + energy[low:high] - 2 * (qrs[begin:end] @ qrs[low:high].T)
        distance /= np.maximum(energy[begin:end, np.newaxis], energy[low:high]) + _FLAT
        weight = np.exp(-np.maximum(distance, 0) / _ALIKE)
        itself = np.arange(end - begin), np.arange(begin, end) - low
        weight[itself] = 0
        others = weight.sum(axis=1)
        weight[itself] = _ITSELF
        weight /= (others + _ITSELF)[:, np.newaxis]
        mean[begin:end] = weight @ flat[low:high]
        own[begin:end] = weight[itself]
        features[begin:end, 0] = np.log(others / (high - low) + _FEWEST)
        features[begin:end, 1:] = weight @ timing[low:high]
    return LookAlikes(mean.reshape(scaled.shape), own, features)
