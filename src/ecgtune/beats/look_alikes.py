"""Beats of the same recording that look like a beat: their mean, and when they come.

A single beat is noisy, and may come early by chance. What all beats of its shape have in common is neither:
whether a wide beat is one of hundreds that come early, or the only one; whether a P wave stands before them.
The mean over beats of similar shape, weighted by their likeness, is the non-local mean of image denoising
(Buades 2005, doi:10.1109/CVPR.2005.38) with beats as patches.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecgtune.signals.product import products

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

_SAMPLED, _OF = (0, 2, 5, 7, 9, 10, 12, 15), 16
"""Of sixteen successive beats of a group eight are looked at, for speed: as many of each remainder by two and
by four, so that bigeminy and quadrigeminy lose no kind of beats."""

_ALL_OF = 8
"""Of groups of fewer beats all are looked at."""


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
        Beats before and after a beat's group among which look-alikes are sought, made up to whole groups;
        half of them are looked at.
    group
        Successive beats that seek among the same beats.
    """
    n, aside, groups = len(scaled), -(-within // group), -(-len(scaled) // group)
    looked_at = np.arange(group)
    if group >= _ALL_OF:
        looked_at = looked_at[np.isin(looked_at % _OF, _SAMPLED)]
    others = (np.arange(-aside, groups + aside)[:, np.newaxis] * group + looked_at).ravel()
    there = (others >= 0) & (others < n)
    others = np.where(there, others, 0)

    def by_group(each: Floats) -> Floats:
        """[groups, group, ...] of [n, ...], the last group filled up with zeros."""
        missing = np.zeros((groups * group - n, *each.shape[1:]), dtype=np.float32)
        return np.concatenate([each, missing]).reshape(groups, group, *each.shape[1:])

    def around(seen: Floats) -> Floats:
        """What each group looks at, [groups, looked at, ...], of what any looks at; a view."""
        views = sliding_window_view(seen, (2 * aside + 1) * len(looked_at), axis=0)
        return np.moveaxis(views[:: len(looked_at)], -1, 1)

    qrs = scaled[:, :, max(0, before - COMPARED[0]) : before + COMPARED[1]]
    qrs = (qrs - qrs.mean(axis=2, keepdims=True)).reshape(n, -1)
    energy = np.square(qrs).sum(axis=1)
    own_energy, energies = by_group(energy)[:, :, np.newaxis], around(energy[others])[:, np.newaxis]
    weight = products(by_group(qrs), around(qrs[others]).swapaxes(1, 2))
    # Squares of differences, in the greater of the two energies, then what they weigh.
    weight *= -2
    weight += own_energy
    weight += energies
    weight /= np.maximum(own_energy, energies) + _FLAT
    np.maximum(weight, 0, out=weight)
    weight *= -1 / _ALIKE
    np.exp(weight, out=weight)
    looked = around(there.astype(np.float32))
    weight *= looked[:, np.newaxis]
    weight[:, looked_at, aside * len(looked_at) + np.arange(len(looked_at))] = 0
    total = weight.sum(axis=2, keepdims=True)
    weight /= total + _ITSELF
    own = (_ITSELF / (total + _ITSELF)).reshape(-1, 1)[:n]

    def mean(each: Floats) -> Floats:
        """[n, features] of [n, features]."""
        found = products(weight, around(each[others])).reshape(-1, each.shape[1])[:n]
        found += own * each
        return found

    share = total / looked.sum(axis=1)[:, np.newaxis, np.newaxis]
    features = np.concatenate([np.log(share.reshape(-1, 1)[:n] + _FEWEST), mean(rhythm[:, AVERAGED])], axis=1)
    return LookAlikes(mean(scaled.reshape(n, -1)).reshape(scaled.shape), own[:, 0], features)
