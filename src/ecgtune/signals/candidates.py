"""Where a beat may be, and the evidence for it in each lead.

Every local maximum of the leads' fused QRS energy is a candidate, and so is every beat that sleepecg's
detector finds in a single lead (https://doi.org/10.21105/joss.05411, after Pan & Tompkins 1985). On the
records used to build the detector this finds more than 99.99 % of the annotated beats, at 1.3 candidates a
beat. `ecgtune.signals.detect` decides which candidates are beats.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecgtune.signals.resample import WORKING_RATE as RATE

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ENERGY_WIDTH = 9
"""Samples over which the squared band-passed signal is averaged: 70 ms, about a narrow QRS."""

REACH = int(0.06 * RATE)
"""Samples around a candidate in which its height and slope are read."""

SAME_BEAT = int(0.1 * RATE)
"""Detections closer than this to a candidate are that candidate."""

LOCAL = 9
"""Seconds over which a lead's typical QRS height and noise are estimated."""

FLAT_STEP = 1e-4
"""mV; a lead that moves less than this between samples stands still."""

LOWEST_MV = 0.01
"""A candidate whose QRS energy is lower in every lead is drift or rounding, not a beat."""

MINIMUM_HEIGHT = 0.15
"""Lowest candidate, as a fraction of the typical fused QRS energy."""


@dataclass(frozen=True)
class Candidates:
    """Possible beats of a piece of signal.

    Parameters
    ----------
    sample
        Positions at `WORKING_RATE`, int64 [n], ascending.
    features
        Evidence, float32 [n, len(FEATURES)].
    """

    sample: Ints
    features: Floats


_LEAD_FEATURES = ("height", "above noise", "lead quality", "found by sleepecg", "standing still", "slope")
_NEIGHBOURS = (-2, -1, 1, 2)

FEATURES: tuple[str, ...] = (
    *(f"{which} lead: {name}" for which in ("better", "other") for name in _LEAD_FEATURES),
    *(
        f"neighbour {i:+d}: {name}"
        for i in _NEIGHBOURS
        for name in ("distance/RR", "energy ratio", "distance")
    ),
    "since strong",
    "until strong",
    "since strong/RR",
    "until strong/RR",
    "typical RR",
    "energy",
)
"""Names of the features; heights, slopes and ratios are logarithms, times are in seconds."""

_NO_SECOND_LEAD = (-3.0, 0.0, 0.0, 0.0, 1.0, -3.0)


@lru_cache(maxsize=1)
def _band() -> NDArray[np.float64]:
    sos: NDArray[np.float64] = butter(2, (5, 30), btype="bandpass", fs=RATE, output="sos")
    return sos


def nearest(positions: Ints, to: Ints) -> Ints:
    """Index into ascending ``positions`` of the one nearest to each of ``to``; zeros where there is none."""
    if len(positions) == 0:
        return np.zeros(len(to), dtype=np.int64)
    right = np.searchsorted(positions, to)
    before = np.clip(right - 1, 0, len(positions) - 1)
    after = np.clip(right, 0, len(positions) - 1)
    chosen: Ints = np.where(np.abs(positions[before] - to) <= np.abs(positions[after] - to), before, after)
    return chosen


def find_candidates(signal: Floats) -> Candidates:
    """Find possible beats and describe each of them.

    Parameters
    ----------
    signal
        mV at `WORKING_RATE`, [leads, samples], without missing values, at least two seconds long.

    Returns
    -------
    Candidates
        Their evidence does not depend on the order of the leads or on their gain: the better lead of each
        moment comes first, heights are relative to that lead's typical QRS.
    """
    n_leads, n = signal.shape
    filtered = sosfiltfilt(_band(), signal).astype(np.float32)
    # Rounding errors of a flat lead are no signal, but sleepecg would lower its thresholds down to them.
    still = np.abs(np.diff(signal, axis=1, prepend=signal[:, :1])) < FLAT_STEP
    flat = uniform_filter1d(still, RATE, axis=1, output=np.float32) > 0.9
    filtered[flat] = 0
    energy = np.sqrt(uniform_filter1d(filtered**2, ENERGY_WIDTH, axis=1) + 1e-12)
    slope = np.abs(np.diff(filtered, axis=1, prepend=filtered[:, :1]))
    seconds = n // RATE

    by_second = energy[:, : seconds * RATE].reshape(n_leads, seconds, RATE)
    noise = _smooth(np.median(by_second[:, :, ::4], axis=2)) + 1e-6
    typical = _smooth(by_second.max(axis=2)) + 1e-5
    typical_slope = _smooth(slope[:, : seconds * RATE].reshape(n_leads, seconds, RATE).max(axis=2)) + 1e-6
    quality = np.log(typical / noise)

    # A lead counts by the square of its quality, so a lost or noisy one hardly adds to the sum.
    weight = np.clip(quality, 0.05, None) ** 2
    weight /= weight.sum(axis=0)
    second = np.minimum(np.arange(n) // RATE, seconds - 1)
    fused = np.zeros(n, dtype=np.float32)
    for k in range(n_leads):
        fused += energy[k] * (weight[k] / typical[k]).astype(np.float32)[second]

    found = [_sleepecg(lead) for lead in signal]
    found = [beats[~flat[k, beats]] for k, beats in enumerate(found)]
    at, _ = find_peaks(fused, distance=int(0.15 * RATE), height=MINIMUM_HEIGHT)
    for beats in found:
        alone = beats if len(at) == 0 else beats[np.abs(at[nearest(at, beats)] - beats) > SAME_BEAT]
        at = np.union1d(at, alone)
    around = np.clip(at[:, np.newaxis] + np.arange(-REACH, REACH + 1), 0, n - 1)
    height = np.stack([lead[around].max(axis=1, initial=0) for lead in energy])
    tall = height.max(axis=0) >= LOWEST_MV
    at, around, height = at[tall].astype(np.int64), around[tall], height[:, tall]
    if len(at) == 0:
        return Candidates(at, np.empty((0, len(FEATURES)), dtype=np.float32))

    here = second[at]
    one_second = np.clip(at[:, np.newaxis] + np.arange(-RATE // 2, RATE // 2, 4), 0, n - 1)
    evidence = np.empty((n_leads, len(at), len(_LEAD_FEATURES)), dtype=np.float32)
    for k in range(n_leads):
        evidence[k, :, 0] = np.log(height[k] / typical[k, here] + 1e-3)
        evidence[k, :, 1] = np.log(height[k] / noise[k, here] + 1e-3)
        evidence[k, :, 2] = quality[k, here]
        beats = found[k]
        evidence[k, :, 3] = np.abs(beats[nearest(beats, at)] - at) <= SAME_BEAT if len(beats) else 0
        evidence[k, :, 4] = still[k][one_second].mean(axis=1)
        evidence[k, :, 5] = np.log(slope[k][around].max(axis=1) / typical_slope[k, here] + 1e-3)

    best = np.argsort(-quality[:, here], axis=0)
    every = np.arange(len(at))
    columns = [evidence[best[0], every]]
    if n_leads > 1:
        columns.append(evidence[best[1], every])
    else:
        columns.append(np.tile(np.array(_NO_SECOND_LEAD, dtype=np.float32), (len(at), 1)))
    columns.append(_surroundings(at, fused[at]))
    return Candidates(at, np.concatenate(columns, axis=1).astype(np.float32))


def _sleepecg(lead: Floats) -> Ints:
    # sleepecg passes over a flat beginning, and learns its thresholds in the two seconds that follow.
    moving = np.flatnonzero(lead != lead[0])
    if len(moving) == 0 or len(lead) - moving[0] < 2 * RATE:
        return np.empty(0, dtype=np.int64)
    from sleepecg import detect_heartbeats  # type: ignore[attr-defined]

    beats: Ints = detect_heartbeats(lead.astype(np.float64), RATE).astype(np.int64)
    return beats


def _smooth(by_second: NDArray[np.floating]) -> NDArray[np.floating]:
    # One lead at a time: SciPy is quick in one dimension alone.
    return np.stack([median_filter(lead, size=LOCAL, mode="nearest") for lead in by_second])


def _surroundings(at: Ints, energy: Floats) -> Floats:
    """Distances and energies of the neighbouring candidates: float32 [n, 18]."""
    n = len(at)
    farthest = 3.0
    strong = at[energy > 0.5]
    if len(strong) > 2:
        typical = median_filter(np.diff(strong).astype(np.float64), size=15, mode="nearest")
        rr = typical[np.clip(np.searchsorted(strong, at) - 1, 0, len(typical) - 1)] / RATE
    else:
        rr = np.ones(n)
    rr = np.clip(rr, 0.25, 2.0)

    columns: list[NDArray[np.floating]] = []
    for shift in _NEIGHBOURS:
        other = np.arange(n) + shift
        there = (other >= 0) & (other < n)
        other = np.clip(other, 0, n - 1)
        distance = np.where(there, np.minimum(np.abs(at[other] - at) / RATE, farthest), farthest)
        columns += [
            distance / rr,
            np.where(there, np.log((energy[other] + 0.02) / (energy + 0.02)), 0),
            distance,
        ]

    since, until = np.full(n, farthest), np.full(n, farthest)
    if len(strong):
        before = np.searchsorted(strong, at, side="left") - 1
        after = np.searchsorted(strong, at, side="right")
        since = np.where(before >= 0, (at - strong[np.clip(before, 0, None)]) / RATE, farthest)
        until = np.where(
            after < len(strong), (strong[np.clip(after, None, len(strong) - 1)] - at) / RATE, farthest
        )
    since, until = np.minimum(since, farthest), np.minimum(until, farthest)
    columns += [since, until, np.minimum(since / rr, 4), np.minimum(until / rr, 4), rr, np.log(energy + 0.02)]
    return np.stack(columns, axis=1).astype(np.float32)
