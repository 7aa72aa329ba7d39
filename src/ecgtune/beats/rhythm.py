"""RR features: when a beat comes, compared with its neighbours and with the minutes around it."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ecgtune.beats.jumps import FEATURES as OF_JUMPS
from ecgtune.beats.jumps import jump_features
from ecgtune.signals.resample import WORKING_RATE

FEATURES: tuple[str, ...] = (
    "RR before / near",
    "RR after / near",
    "RR before / far",
    "RR after / far",
    "RR before / RR before that",
    "near RR",
    "irregularity",
)
"""Logarithms of ratios; ``near`` and ``far`` are medians over few and over many intervals on either side."""

RATIOS = 5
"""How many of `FEATURES`, from the first on, compare an interval of the beat with another."""

SHORTEST_S, LONGEST_S = 0.2, 3.0


def rr_features(
    at: NDArray[np.integer], near_beats: int, far_beats: int, usual_beats: int = 0
) -> NDArray[np.float32]:
    """Describe each beat's timing.

    Parameters
    ----------
    at
        Positions at the working rate, ascending, [n].
    near_beats, far_beats
        Intervals on either side over which the two medians are taken.
    usual_beats
        Intervals on either side that give the usual one (`ecgtune.beats.jumps`); 0 for none of its features.

    Returns
    -------
    ndarray
        float32 [n, features]: `FEATURES`, then those of jumps where they are asked for. An interval beyond
        the first or last beat counts as typical.
    """
    n = len(at)
    if n < 2:
        return np.zeros((n, len(FEATURES) + (len(OF_JUMPS) if usual_beats else 0)), dtype=np.float32)
    rr = log_intervals(at)
    near = median_filter(rr, size=2 * near_beats + 1, mode="nearest")
    far = median_filter(rr, size=2 * far_beats + 1, mode="nearest")
    spread = median_filter(np.abs(rr - near), size=2 * near_beats + 1, mode="nearest")
    before = np.concatenate([[near[0]], rr])
    after = np.concatenate([rr, [near[-1]]])
    earlier = np.concatenate([[near[0]], before[:-1]])
    near = np.concatenate([near, near[-1:]])
    far = np.concatenate([far, far[-1:]])
    spread = np.concatenate([spread, spread[-1:]])
    columns = (before - near, after - near, before - far, after - far, before - earlier, near, 4 * spread)
    timing = np.stack(columns, axis=1).astype(np.float32)
    if not usual_beats:
        return timing
    return np.concatenate([timing, jump_features(rr, near, near_beats, usual_beats)], axis=1)


def log_intervals(at: NDArray[np.integer]) -> NDArray[np.float64]:
    """Logarithms of the limited intervals between positions at the working rate, in s, [n - 1] of [n]."""
    seconds = np.diff(np.asarray(at, dtype=np.float64)) / WORKING_RATE
    return np.log(np.clip(seconds, SHORTEST_S, LONGEST_S))
