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
    "look-alikes: RR before / near",
    "look-alikes: RR after / near",
    "look-alikes: RR before / earlier",
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

_SAMPLED, _OF = (0, 2), 5
"""Of each five successive beats two are looked at, for speed: five is coprime with the periods of bigeminy,
trigeminy and quadrigeminy, which would otherwise lose all beats of a kind."""


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
        Beats before and after a beat's group among which look-alikes are sought; two in five are looked at.
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
    around = np.arange(-within, group + within)
    around = around[np.isin(around % _OF, _SAMPLED)]
    for begin in range(0, n, group):
        these = slice(begin, min(n, begin + group))
        others = begin + around
        others = others[(others >= 0) & (others < n)]
        distance = energy[these, np.newaxis] + energy[others] - 2 * (qrs[these] @ qrs[others].T)
        distance /= np.maximum(energy[these, np.newaxis], energy[others]) + _FLAT
        weight = np.exp(np.maximum(distance, 0, out=distance) / -_ALIKE)
        itself = np.arange(these.start, these.stop)[:, np.newaxis] == others
        weight[itself] = 0
        total = weight.sum(axis=1, keepdims=True)
        weight /= total + _ITSELF
        share = _ITSELF / (total + _ITSELF)
        mean[these] = weight @ flat[others] + share * flat[these]
        own[these] = share[:, 0]
        features[these, 0] = np.log(total[:, 0] / len(others) + _FEWEST)
        features[these, 1:] = weight @ timing[others] + share * timing[these]
    return LookAlikes(mean.reshape(scaled.shape), own, features)
