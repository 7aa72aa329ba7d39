"""What simulated beats look like: Gaussian waves of the heart's dipole, seen by leads.

The model is that of McSharry 2003 (doi:10.1109/TBME.2003.808805) in three dimensions (Sameni et al. 2007,
doi:10.1155/2007/43407) with other beat types (Clifford et al. 2010, doi:10.1088/0967-3334/31/5/001; Sayadi,
Shamsollahi and Clifford 2010, doi:10.1088/0967-3334/31/10/002). Deviations:

* The closed form is used, the sum of the Gaussian waves by time from the R peak, instead of integrating the
  differential equation; all beats are then computed at once and any piece of a recording by itself.
* A wave has one centre and one width for all three axes and a dipole moment; several waves with different
  moments make the loop turn. A lead sees each wave as a number, which makes many leads cheap.
* Waves are placed in seconds. QRS does not change with the rate, T follows the root of the RR interval as the
  angular velocity in McSharry's programme does, P a weaker power of it.
* The waves' parameters are ours, chosen to look like mitdb's modified limb lead II and V1; the published ones
  were fitted to other leads.

Axes are Frank's: x to the left, y down, z to the back. Leads are seen through Dower's matrix
(doi:10.1016/s0022-0736(80)80046-7).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.record import FloatArray
from ecgtune.signals.simulate_rhythm import BREATHING_HZ, RhythmPlan

_GROUPS = ("P", "narrow", "focus 0", "focus 1", "paced")


@dataclass(frozen=True)
class Wave:
    """A Gaussian wave of the heart's dipole.

    Parameters
    ----------
    group
        What it belongs to; each beat weighs the groups.
    at
        Centre in seconds from the R peak at an RR interval of one second.
    width
        Standard deviation in seconds.
    dipole
        Moment at the centre along x, y, z in mV.
    follows
        Power of the RR interval that ``at`` follows; ``width`` follows it where that is 0.5 (T waves).
    """

    group: str
    at: float
    width: float
    dipole: tuple[float, float, float]
    follows: float = 0.0


_NORMAL = (
    Wave("P", -0.178, 0.018, (0.02, 0.08, -0.05), 0.3),
    Wave("P", -0.146, 0.020, (0.06, 0.06, 0.04), 0.3),
    Wave("narrow", -0.026, 0.008, (-0.12, -0.05, -0.20)),
    Wave("narrow", 0.0, 0.0105, (0.90, 1.00, 0.25)),
    Wave("narrow", 0.011, 0.012, (0.25, 0.10, 0.55)),
    Wave("narrow", 0.036, 0.010, (-0.15, -0.20, 0.22)),
    Wave("narrow", 0.130, 0.060, (0.03, 0.04, -0.06), 0.5),
    Wave("narrow", 0.245, 0.048, (0.12, 0.10, -0.10), 0.5),
    Wave("narrow", 0.300, 0.034, (0.20, 0.15, -0.14), 0.5),
)

# Where ventricular ectopic beats start: outflow tract (upright in II, negative in V1), left ventricle
# (negative in II, positive in V1), left free wall (notched, low axis).
_FOCI = (
    (
        Wave("focus", -0.038, 0.018, (0.20, 0.30, 0.05)),
        Wave("focus", 0.0, 0.029, (0.65, 1.30, 0.75)),
        Wave("focus", 0.052, 0.022, (0.05, -0.25, 0.30)),
        Wave("focus", 0.255, 0.070, (-0.35, -0.50, -0.30), 0.5),
    ),
    (
        Wave("focus", -0.042, 0.018, (0.20, 0.25, -0.20)),
        Wave("focus", 0.0, 0.031, (-0.60, -1.35, -0.70)),
        Wave("focus", 0.060, 0.026, (-0.30, 0.15, -0.25)),
        Wave("focus", 0.260, 0.068, (0.30, 0.52, 0.25), 0.5),
    ),
    (
        Wave("focus", -0.044, 0.019, (-0.30, 0.45, -0.45)),
        Wave("focus", 0.0, 0.027, (-0.75, 0.95, -0.85)),
        Wave("focus", 0.058, 0.026, (-0.55, -0.15, -0.35)),
        Wave("focus", 0.258, 0.072, (0.40, -0.36, 0.40), 0.5),
    ),
)

_PACED = (
    Wave("paced", -0.092, 0.0012, (0.5, 1.2, -0.6)),
    Wave("paced", -0.036, 0.020, (0.15, -0.30, 0.20)),
    Wave("paced", 0.0, 0.030, (0.35, -1.15, 0.75)),
    Wave("paced", 0.054, 0.026, (0.35, -0.35, 0.45)),
    Wave("paced", 0.265, 0.070, (-0.15, 0.45, -0.25), 0.5),
)

_I, _II = np.array([0.632, -0.235, 0.059]), np.array([0.235, 1.066, -0.132])
_V1, _V2, _V5 = ([-0.515, 0.157, -0.917], [0.044, 0.164, -1.387], [1.125, 0.127, -0.086])

LEADS: dict[str, NDArray[np.float64]] = {
    name: np.asarray(weights, dtype=np.float64)
    for name, weights in {
        "I": _I,
        "II": _II,
        "III": _II - _I,
        "aVR": -(_I + _II) / 2,
        "aVL": _I - _II / 2,
        "aVF": _II - _I / 2,
        "V1": _V1,
        "V2": _V2,
        "V3": [0.882, 0.098, -1.277],
        "V4": [1.213, 0.127, -0.601],
        "V5": _V5,
        "V6": [0.831, 0.076, 0.230],
        "MLI": [0.70, -0.15, 0.0],
        "MLII": [0.32, 1.0, -0.10],
        "MLIII": [-0.40, 1.25, -0.15],
        "MV1": _V1,
        "MV2": _V2,
        "MV5": _V5,
        "CM5": [1.10, 0.45, -0.05],
        "X": [1, 0, 0],
        "Y": [0, 1, 0],
        "Z": [0, 0, 1],
    }.items()
}
"""How each lead sees the dipole, float64 [3]: Dower's matrix, and modified leads by their position."""

STANDARD_LEADS: tuple[str, ...] = tuple(list(LEADS)[:12])
"""The twelve leads of the standard ECG."""

_REACH = 1.0


def breathing(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth of breath from -1 to 1 at instants in seconds; quicker and slower over half a minute."""
    return np.asarray(np.sin(2 * np.pi * BREATHING_HZ * t + 0.6 * np.sin(2 * np.pi * t / 37)))


@dataclass(frozen=True)
class BeatShapes:
    """How each beat of a plan looks.

    Parameters
    ----------
    time
        Centres of the main QRS waves in seconds, float64 [n].
    weights
        Weight of each group of waves, float32 [n, groups].
    gain
        Factor for all waves, float32 [n].
    sway
        Turn of the heart's axis in the frontal plane by breathing, radian, float32 [n].
    pace
        RR interval in seconds that the waves follow, float32 [n].
    """

    time: NDArray[np.float64]
    weights: FloatArray
    gain: FloatArray
    sway: FloatArray
    pace: FloatArray


def shape_beats(plan: RhythmPlan, rng: np.random.Generator) -> BeatShapes:
    """Decide how every beat of a plan looks."""
    n = len(plan.time)
    symbol = plan.symbol
    weights = np.zeros((n, len(_GROUPS)), dtype=np.float32)
    p, narrow, focus_0, focus_1, paced = weights.T
    conducted = (symbol == "N") | (symbol == "F")
    p[:] = conducted & ~plan.fibrillating
    atrial = symbol == "A"
    # Ectopic P waves: inverted, low, or hidden in QRS (junctional).
    p[atrial] = rng.choice([-0.8, 0.45, 0.0], atrial.sum(), p=[0.45, 0.25, 0.3])
    narrow[conducted | atrial] = 1
    fused = symbol == "F"
    share = rng.uniform(0.4, 0.6, fused.sum())
    narrow[fused] = 1 - share
    focus_0[fused] = share
    ventricular = symbol == "V"
    # An ectopic beat keeps the focus of the one before it unless normal beats lie between; one in seven is of
    # the rarer focus.
    begins = ventricular & ~np.concatenate([[False], ventricular[:-1]])
    rare = np.where(begins, rng.random(n) < 0.15, False)
    episode = np.maximum.accumulate(np.where(begins, np.arange(n), 0))
    other = ventricular & rare[episode] if n else ventricular
    focus_0[ventricular & ~other] = 1
    focus_1[other] = 1
    paced[symbol == "/"] = 1
    breath = breathing(plan.time)
    mean = np.median(plan.rr) if n else 1.0
    return BeatShapes(
        plan.time,
        weights,
        ((1 + 0.05 * breath) * np.exp(0.025 * rng.standard_normal(n))).astype(np.float32),
        (0.06 * breath).astype(np.float32),
        np.clip((plan.rr + mean) / 2, 0.36, 1.3).astype(np.float32),
    )


class Heart:
    """One simulated patient: the waves of all beat types as the leads see them.

    Parameters
    ----------
    leads
        Names from `LEADS`.
    fs
        Sampling rate in Hz.
    rng
        Decides the patient: sizes and widths of the waves, and where ventricular beats start.
    """

    def __init__(self, leads: tuple[str, ...], fs: float, rng: np.random.Generator) -> None:
        self.fs = fs
        seen = np.array([LEADS[lead] for lead in leads])
        foci = [_FOCI[which] for which in rng.permutation(len(_FOCI))[:2]]
        self._waves: list[tuple[Wave, int]] = [(wave, _GROUPS.index(wave.group)) for wave in _NORMAL + _PACED]
        self._waves += [(wave, _GROUPS.index(f"focus {which}")) for which in range(2) for wave in foci[which]]
        size = np.exp(0.10 * rng.standard_normal(len(self._waves)))
        size *= np.exp(0.15 * rng.standard_normal())
        self._width = np.exp(0.06 * rng.standard_normal(len(self._waves)))
        dipole = np.array([wave.dipole for wave, _ in self._waves]) * size[:, np.newaxis]
        self._dipole = dipole
        turned = np.stack([-dipole[:, 1], dipole[:, 0], np.zeros(len(dipole))], axis=1)
        self._amplitude = (dipole @ seen.T).astype(np.float32)
        self._turning = (turned @ seen.T).astype(np.float32)

    def peak(self, beats: BeatShapes) -> NDArray[np.float64]:
        """Instant in seconds at which each beat's QRS vector is longest (its fiducial), float64 [n].

        It lies up to some hundredths of a second from the main wave's centre where waves overlap, most in
        fusion beats, whose vectors may cancel.
        """
        t = np.arange(-0.08, 0.08, 0.001)
        loops = np.zeros((len(_GROUPS), len(t), 3))
        for number, (wave, group) in enumerate(self._waves):
            # The pacing spike is no part of QRS, nor are P and T.
            if wave.group != "P" and not wave.follows and wave.width > 0.005:
                bump = np.exp(-0.5 * ((t - wave.at) / (wave.width * self._width[number])) ** 2)
                loops[group] += bump[:, np.newaxis] * self._dipole[number]
        # Few mixtures differ: hundredths of a weight are enough, each a digit of one number.
        mixture = np.round(beats.weights[:, 1:] * 100).astype(np.int64) @ 101 ** np.arange(len(_GROUPS) - 1)
        _, first, which = np.unique(mixture, return_index=True, return_inverse=True)
        length = np.linalg.norm(np.tensordot(beats.weights[first, 1:], loops[1:], 1), axis=2)
        return np.asarray(beats.time + t[length.argmax(axis=1)][which])

    def draw(self, beats: BeatShapes, start: int, n: int) -> FloatArray:
        """Samples ``start`` to ``start + n`` of the beats in mV, float32 [n, leads]."""
        # Every wave of the beats within reach lies inside the margin, so that nothing has to be cut.
        margin = int(np.ceil(2 * _REACH * self.fs))
        near = slice(
            int(np.searchsorted(beats.time, start / self.fs - _REACH)),
            int(np.searchsorted(beats.time, (start + n) / self.fs + _REACH)),
        )
        peak = beats.time[near] * self.fs - start + margin
        out = np.zeros((self._amplitude.shape[1], n + 2 * margin), dtype=np.float32)
        for number, (wave, group) in enumerate(self._waves):
            weight = beats.weights[near, group]
            hit = np.flatnonzero(weight)
            if not len(hit):
                continue
            strength = (weight[hit] * beats.gain[near][hit])[:, np.newaxis] * (
                self._amplitude[number] + beats.sway[near][hit, np.newaxis] * self._turning[number]
            )
            stretch = beats.pace[near][hit].astype(np.float64) ** wave.follows
            centre = peak[hit] + wave.at * stretch * self.fs
            # Half a sample at least: a narrower spike would vanish between two samples.
            width = max(wave.width * self._width[number] * self.fs, 0.5) * (
                stretch if wave.follows == 0.5 else np.ones(len(hit))
            )
            half = int(np.ceil(4.5 * width.max()))
            nearest = np.round(centre).astype(np.int64)
            offset = np.arange(-half, half + 1)
            z = (offset - (centre - nearest)[:, np.newaxis]).astype(np.float32)
            z /= width.astype(np.float32)[:, np.newaxis]
            bump = np.exp(-0.5 * z * z)
            rows = nearest[:, np.newaxis] + offset
            for lead, samples in enumerate(out):
                np.add.at(samples, rows, bump * strength[:, lead, np.newaxis])
        return out[:, margin : margin + n].T
