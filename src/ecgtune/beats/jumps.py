"""Abrupt, lasting changes of the heart rate, and how far a beat's rate lies below the usual interval.

A sinus node speeds up over many beats, a tachycardia from one beat to the next, and it ends as abruptly. What
lies between two such jumps is as regular as sinus rhythm; only the jumps and the interval that the recording
has for most of the time tell which of the two it is.

Early beats must not hide a jump, however many come before it or lie in the run. So it is sought in the means
of successive pairs of intervals: of an early beat's short interval and the long one after it the mean is
about the usual one.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

Floats = NDArray[np.float64]

FEATURES: tuple[str, ...] = ("drop since a jump", "drop until a jump", "near RR / usual RR")
"""Logarithms of ratios. A drop is how much shorter the intervals near a beat are than the usual one, as
far as jumps led there since they were last as long, or lead up from there until they are."""

BLOCK = 64
"""Successive intervals that share their usual interval."""

_SUSTAINED = 5
"""Intervals on either side; a jump lies between the medians of their pairs."""

_LEAST = 0.12
"""Logarithm of the ratio of those medians, from which it is a jump."""

_LOW = 0.08
"""A drop from which on a rate is not the usual one."""

_NOISE_OVER, _NOISE_TIMES = 8, 5
"""A jump is so many times as large as the median deviation from the median over pairs on either side.

The factor is large because overlapping pairs deviate little: in a rhythm that is irregular at random their
medians would often differ by a few deviations."""

_AT_ONCE = 0.5
"""Share of a jump that two successive intervals differ by at least."""

_FURTHEST = 0.8
"""What features are limited to."""

_BINS = np.log(np.geomspace(0.2, 3.0, 137))


class Jumps(NamedTuple):
    """Jumps of the rate.

    Parameters
    ----------
    at
        The intervals that are the first of their kind, ascending, int64 [n].
    before, after
        Medians of the logarithms of the intervals before them and from there on, [n].
    """

    at: NDArray[np.intp]
    before: Floats
    after: Floats


def jump_features(rr: Floats, near: Floats, near_beats: int, within: int) -> NDArray[np.float32]:
    """Describe how each beat's rate lies between jumps.

    Parameters
    ----------
    rr
        Logarithms of the intervals in seconds, from the first beat to the second one on, [n - 1].
    near
        Median of them around each beat, [n].
    near_beats
        Over how many intervals on either side; so long after a jump the median may need to follow it.
    within
        Intervals on either side, in whole blocks of `BLOCK`, of which the usual one is taken.

    Returns
    -------
    ndarray
        float32 [n, len(FEATURES)].
    """
    usual = usual_interval(rr, within)
    above = near - np.concatenate([usual[:1], usual])
    drop = np.clip(-above, 0, _FURTHEST)
    jumps = find_jumps(rr)
    # What lies above the usual interval is no part of a drop.
    before, after = (np.minimum(level, usual[jumps.at]) for level in (jumps.before, jumps.after))
    low, n = drop > _LOW, len(near)
    since = _led_to(jumps.at + 1, before - after, low, near_beats)
    until = _led_to(n - 1 - jumps.at[::-1], (after - before)[::-1], low[::-1], near_beats)[::-1]
    columns = (np.minimum(drop, since), np.minimum(drop, until), np.clip(above, -_FURTHEST, _FURTHEST))
    return np.stack(columns, axis=1).astype(np.float32)


def _led_to(at: NDArray[np.intp], steps: Floats, low: NDArray[np.bool_], follows: int) -> Floats:
    """How far jumps led down to each beat, [n]: the sum of their steps since the rate was last the usual one.

    Parameters
    ----------
    at
        The first beats after them, ascending.
    steps
        How far each leads down; negative where it leads up.
    low
        At which beats the rate is not the usual one, [n].
    follows
        Beats after a jump's first until when that need not show.
    """
    led = np.zeros(len(low))
    ends = np.append(np.flatnonzero(~low), len(low))
    ends = ends[np.searchsorted(ends, np.minimum(at + follows + 1, len(low)))]
    total, last = 0.0, 0
    for first, step, end in zip(at.tolist(), steps.tolist(), ends.tolist(), strict=True):
        total = max(0.0, (total if first < last else 0.0) + step)
        led[first:end] = total
        last = end
    return led


def in_other_surroundings(
    features: NDArray[np.float32], below: float, began: bool, ends: bool
) -> NDArray[np.float32]:
    """Features of an excerpt as they would be in a recording whose usual interval is another one.

    Parameters
    ----------
    features
        Of the excerpt alone, [n, len(FEATURES)].
    below
        By how much the excerpt's intervals are shorter than the recording's usual one, as a logarithm.
    began, ends
        Whether a jump leads there, and back.
    """
    level = np.clip(features[:, 2] - below, -_FURTHEST, _FURTHEST)
    drop = np.maximum(-level, 0)
    return np.stack([drop * began, drop * ends, level], axis=1).astype(np.float32)


def find_jumps(rr: Floats) -> Jumps:
    """Find abrupt, lasting changes of successive intervals, given as logarithms, [n]."""
    n, k = len(rr), _SUSTAINED
    if n < 2 * _NOISE_OVER + 2:
        return Jumps(np.empty(0, dtype=np.intp), np.empty(0), np.empty(0))
    pairs = _pair_means(rr)
    median = np.median(sliding_window_view(pairs, k - 1), axis=1)
    first = np.arange(k, n - k + 1)
    before, after = median[first - k], median[first]
    around = sliding_window_view(np.pad(pairs, _NOISE_OVER, mode="edge"), _NOISE_OVER)
    deviation = np.median(np.abs(around - np.median(around, axis=1, keepdims=True)), axis=1)
    # The last pair before the jump begins two intervals before it.
    noise = np.maximum(deviation[first - 1], deviation[first + _NOISE_OVER])
    size = np.abs(after - before)
    found = size > np.maximum(_LEAST, _NOISE_TIMES * noise)
    found &= np.abs(rr[first] - rr[first - 1]) > _AT_ONCE * size
    size = np.where(found, size, 0)
    found &= size == maximum_filter1d(size, 2 * k - 1)
    return Jumps(first[found], before[found], after[found])


def _pair_means(rr: Floats) -> Floats:
    """Logarithms of the means of successive pairs of intervals, given as logarithms: [n - 1] of [n]."""
    seconds = np.exp(rr)
    means: Floats = np.log((seconds[1:] + seconds[:-1]) / 2)
    return means


def usual_interval(rr: Floats, within: int) -> Floats:
    """Find the interval that half of the time around is spent below, of each interval.

    By time and not by beats, since a fast run has many.

    Parameters
    ----------
    rr
        Logarithms of intervals in seconds, [n].
    within
        Intervals on either side of a block that are looked at.
    """
    n = len(rr)
    blocks, aside = -(-n // BLOCK), -(-within // BLOCK)
    kind = np.clip(np.searchsorted(_BINS, rr, side="right") - 1, 0, len(_BINS) - 2)
    cell = np.arange(n) // BLOCK * (len(_BINS) - 1) + kind
    spent = np.bincount(cell, weights=np.exp(rr), minlength=blocks * (len(_BINS) - 1)).reshape(blocks, -1)
    total = np.concatenate([np.zeros((1, spent.shape[1])), np.cumsum(spent, axis=0)])
    block = np.arange(blocks)
    around = total[np.minimum(block + aside + 1, blocks)] - total[np.maximum(block - aside, 0)]
    until = np.cumsum(around, axis=1)
    half = until[:, -1:] / 2
    middle = np.argmax(until >= half, axis=1)
    # Inside its bin the time is taken as spread evenly.
    below = np.where(middle > 0, until[block, np.maximum(middle - 1, 0)], 0)
    share = (half[:, 0] - below) / np.maximum(until[block, middle] - below, 1e-9)
    usual = _BINS[middle] + share * (_BINS[middle + 1] - _BINS[middle])
    return np.repeat(usual, BLOCK)[:n]
