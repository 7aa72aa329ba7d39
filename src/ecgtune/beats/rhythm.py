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

OF_USUAL = "beats behind the usual RR"
"""How well the usual interval is known: half the logarithm of the number of beats that tell it, over 128."""

_KNOWN_WELL = 1024
"""Beats from which on it is known as well as from more."""


def rr_features(
    at: NDArray[np.integer], near_beats: int, far_beats: int, usual_beats: int = 0, *, known: bool = False
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
    known
        Whether `OF_USUAL` is told as well.

    Returns
    -------
    ndarray
        float32 [n, features]: `FEATURES`, then those of jumps and `OF_USUAL` where they are asked for. An
        interval beyond the first or last beat counts as typical.
    """
    n = len(at)
    if n < 2:
        more = (len(OF_JUMPS) if usual_beats else 0) + known
        return np.zeros((n, len(FEATURES) + more), dtype=np.float32)
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
    of_jumps = jump_features(rr, near, near_beats, usual_beats)
    behind = [known_from(beats_around(n, usual_beats))[:, None]] if known else []
    return np.concatenate([timing, of_jumps, *behind], axis=1)


def beats_around(n: int, within: int) -> NDArray[np.int64]:
    """How many of n beats lie around each, at most ``within`` on either side, int64 [n]."""
    place = np.arange(n)
    around: NDArray[np.int64] = np.minimum(place, within) + np.minimum(n - 1 - place, within)
    return around


def known_from(beats: NDArray[np.integer] | float) -> NDArray[np.float32]:
    """`OF_USUAL` of a usual interval that so many beats tell."""
    return np.asarray(np.log(np.clip(beats, 1, _KNOWN_WELL) / 128) / 2, dtype=np.float32)


def log_intervals(at: NDArray[np.integer]) -> NDArray[np.float64]:
    """Logarithms of the limited intervals between positions at the working rate, in s, [n - 1] of [n]."""
    seconds = np.diff(np.asarray(at, dtype=np.float64)) / WORKING_RATE
    return np.log(np.clip(seconds, SHORTEST_S, LONGEST_S))
