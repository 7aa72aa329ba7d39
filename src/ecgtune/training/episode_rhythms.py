"""Rhythms that episodes are made up in (`ecgtune.training.episodes`).

Some of them teach what few training patients show: early beats and runs of the atria, also where they stand
in for the sinus node, and runs of ventricular beats. The others are what must not be taken for such:
fibrillation, sinus rhythm that speeds up little by little, and stretches slower than usual, after which the
rate jumps back.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RETURN_S = 0.28
"""Before the first beat after an episode: from there on, before its P wave, the recording goes on."""

_WITHOUT_P_S = 0.09
"""Before the fiducial: there is the QRS, but no P wave."""

_NARROW_S, _WIDE_S = 0.07, 0.13
"""After the fiducial ends a normal beat's QRS, and on either side a ventricular one."""


class Episode(NamedTuple):
    """A made-up rhythm.

    Parameters
    ----------
    symbol
        WFDB symbol of its beats.
    intervals
        Seconds before each of its beats, [n].
    lead_in
        Seconds before the fiducial from which on a beat is taken over: with its P wave or without.
    free
        Seconds before the next fiducial from which on nothing is taken over: that beat's P wave, where it is
        not to be seen, or its lead-in.
    qrs
        Seconds after the fiducial that keep their shape at any rate.
    pause
        After its last beat, beside the interval that this beat had in the recording.
    p_wave
        Where P waves are put in: their height beside the patient's, and seconds from their end to the
        fiducial.
    ventricular
        Whether it is made of ventricular beats, where they are not the sinus node's.
    waves
        Of fibrillating atria: height in mV, and how many a second.
    sinus
        Which of its beats are the sinus node's, normal and with their P waves, bool [n]; none where None.
    """

    symbol: str
    intervals: Floats
    lead_in: float
    free: float = RETURN_S
    qrs: float = _NARROW_S
    pause: float = 1.0
    p_wave: tuple[float, float] | None = None
    ventricular: bool = False
    waves: tuple[float, float] | None = None
    sinus: Bools | None = None

    @property
    def of_sinus(self) -> Bools:
        """Which of its beats are the sinus node's, bool [n]."""
        return np.zeros(len(self.intervals), dtype=bool) if self.sinus is None else self.sinus


Kind = Callable[[float, np.random.Generator], Episode]
"""Draws an episode, given the usual interval in seconds."""


def tachycardia(usual: float, draw: np.random.Generator) -> Episode:
    """Supraventricular: from one beat to the next a faster rate, for 3 to 300 beats, with other P waves."""
    n = _length(draw, 3, 300)
    interval = np.clip(usual * draw.uniform(0.45, 0.8), 0.3, 0.85)
    settling = 1 + 0.12 * draw.random() * np.exp(-np.arange(n) / 3)
    intervals = interval * settling * _jitter(draw, n, 0.025)
    wave = _other_p_wave(draw)
    # The faster rate suppresses the sinus node, which may need a while to recover.
    pause = float(draw.uniform(1, 2.5)) if draw.random() < 0.5 else 1.0
    return Episode("S", intervals, _WITHOUT_P_S, pause=pause, p_wave=wave)


def fibrillation(usual: float, draw: np.random.Generator) -> Episode:
    """Atrial: 20 to 300 beats that come when they like, most of them sooner than usual, without P waves."""
    n = _length(draw, 20, 300)
    interval = np.clip(usual * draw.uniform(0.55, 1.1), 0.4, 1)
    irregular = np.exp(draw.uniform(0.1, 0.28) * draw.standard_normal(n))
    waves = (float(draw.uniform(0, 0.12)), float(draw.uniform(4, 8)))
    return Episode("N", np.maximum(interval * irregular, 0.3), _WITHOUT_P_S, waves=waves)


def ventricular(usual: float, draw: np.random.Generator) -> Episode:
    """A run of ventricular beats, from 3 to 300 of them, of a faster rate."""
    n = _length(draw, 3, 300)
    interval = np.clip(usual * draw.uniform(0.4, 0.85), 0.3, 0.85)
    return Episode("V", interval * _jitter(draw, n, 0.04), _WIDE_S, qrs=_WIDE_S, ventricular=True)


def acceleration(usual: float, draw: np.random.Generator) -> Episode:
    """Sinus rhythm that becomes faster over many beats and slower again, in half of them with a slow stretch.

    From the stretch the rate jumps back to what it has reached little by little.
    """
    n = int(draw.integers(100, 300))
    fastest = max(0.33, usual * draw.uniform(0.45, 0.85)) / usual
    turn = int(n * draw.uniform(0.2, 0.45))
    ramp = np.interp(np.arange(n), [0, turn, n - turn, n], [1, fastest, fastest, 1])
    if draw.random() < 0.5:
        begin = int(draw.integers(turn, n - turn))
        ramp[begin : begin + int(draw.integers(3, 16))] = draw.uniform(0.95, 1.4)
    return _sinus(usual, usual * ramp * _jitter(draw, n, 0.02))


def slower(usual: float, draw: np.random.Generator) -> Episode:
    """Normal beats of a slower rate from one beat to the next, 5 to 120 of them."""
    n = _length(draw, 5, 120)
    return _sinus(usual, usual * draw.uniform(1.15, 1.7) * _jitter(draw, n, 0.03))


def ectopy(usual: float, draw: np.random.Generator) -> Episode:
    """Sinus rhythm with early beats of atria or junction, few or many, at an interval of their own."""
    n = _length(draw, 30, 200)
    early = _early_in_turn(n, draw) if draw.random() < 0.4 else _early_now_and_then(n, draw)
    early[[0, -1]] = False
    first, after = early & ~np.roll(early, 1), ~early & np.roll(early, 1)
    interval = usual * draw.uniform(0.85, 1.15)
    coupling, within = draw.uniform(0.5, 0.88), draw.uniform(0.5, 0.9)
    # The sinus node is reset, suppressed for a while, or not reached: its pause is a compensatory one.
    returning = draw.choice([draw.uniform(0.95, 1.1), draw.uniform(1.1, 1.4), 2 - coupling])
    intervals = _breathing(interval, n, draw)
    intervals[after] *= returning
    varied = 1 + draw.uniform(0.005, 0.06) * draw.standard_normal(n)
    intervals = np.where(early, interval * np.where(first, coupling, within) * varied, intervals)
    return Episode("S", np.maximum(intervals, 0.3), _WITHOUT_P_S, p_wave=_other_p_wave(draw), sinus=~early)


def ventricular_ectopy(usual: float, draw: np.random.Generator) -> Episode:
    """Sinus rhythm with early ventricular beats that come as those of `ectopy` do."""
    episode = ectopy(usual, draw)
    return episode._replace(symbol="V", lead_in=_WIDE_S, qrs=_WIDE_S, p_wave=None, ventricular=True)


def sick_sinus(usual: float, draw: np.random.Generator) -> Episode:
    """Atria or junction stand in for a sinus node that fails, in regular runs at a usual rate or faster.

    After each run the heart pauses until the sinus node gives a beat, or a few slow ones.
    """
    n = _length(draw, 60, 300)
    interval = np.clip(usual * draw.uniform(0.6, 1.0), 0.4, 1.1)
    longest = int(np.exp(draw.uniform(np.log(8), np.log(100))))
    sinus, pause = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    at = int(draw.integers(3, longest + 1))
    while at < n:
        few = int(draw.integers(1, 5)) if draw.random() < 0.5 else 1
        pause[at] = True
        sinus[at : at + few] = True
        at += few + int(draw.integers(3, longest + 1))
    intervals = interval * _jitter(draw, n, 0.025)
    slow = np.clip(usual * draw.uniform(1.0, 1.6), 0.6, 1.8)
    least = draw.uniform(max(1.15, 1.4 * interval), 2.0)
    intervals[sinus] = slow * _jitter(draw, int(sinus.sum()), 0.06)
    intervals[pause] = draw.uniform(least, 3.0, int(pause.sum()))
    return Episode("S", intervals, _WITHOUT_P_S, p_wave=_other_p_wave(draw), sinus=sinus)


class Drawn(NamedTuple):
    """A kind of episode, and how many of it a recording gets: drawn from the fewest to the most."""

    kind: Kind
    fewest: int
    most: int


KINDS: dict[str, Drawn] = {
    "tachycardia": Drawn(tachycardia, 2, 4),
    "ventricular": Drawn(ventricular, 1, 2),
    "acceleration": Drawn(acceleration, 0, 1),
    "slower": Drawn(slower, 0, 2),
    "fibrillation": Drawn(fibrillation, 3, 5),
    "ectopy": Drawn(ectopy, 3, 5),
    "ventricular ectopy": Drawn(ventricular_ectopy, 3, 5),
    "sick sinus": Drawn(sick_sinus, 1, 1),
}
"""By the name that a configuration calls them."""


def _length(draw: np.random.Generator, fewest: int, most: int) -> int:
    return int(np.exp(draw.uniform(np.log(fewest), np.log(most))))


def _jitter(draw: np.random.Generator, n: int, most: float) -> Floats:
    jitter: Floats = 1 + draw.uniform(0.004, most) * draw.standard_normal(n)
    return jitter


def _early_in_turn(n: int, draw: np.random.Generator) -> Bools:
    """Every second to fourth beat, but for some that do not come."""
    every = int(draw.integers(2, 5))
    early: Bools = (np.arange(n) % every == every - 1) & (draw.random(n) >= 0.1)
    return early


def _early_now_and_then(n: int, draw: np.random.Generator) -> Bools:
    """Single ones, or up to seven together, between 2 and 25 % of the times that they might come."""
    share, most = np.exp(draw.uniform(np.log(0.02), np.log(0.25))), 1
    if draw.random() < 0.5:
        most = int(draw.integers(2, 8))
    early = np.zeros(n, dtype=bool)
    at = 3
    while at < n:
        if draw.random() < share:
            together = int(draw.integers(1, most + 1))
            early[at : at + together] = True
            at += together + int(draw.integers(1, 4))
        at += 1
    return early


def _other_p_wave(draw: np.random.Generator) -> tuple[float, float] | None:
    """P waves of another place than the sinus node, in three of five episodes."""
    if draw.random() >= 0.6:
        return None
    return float(draw.choice([-1, 1]) * draw.uniform(0.2, 1)), float(draw.uniform(0.08, 0.2))


def _breathing(interval: float, n: int, draw: np.random.Generator) -> Floats:
    """Intervals of a sinus node that follows breath and wanders."""
    breath = np.cumsum((1 + 0.2 * draw.standard_normal(n)) / draw.uniform(3, 7))
    wander = draw.uniform(0, 0.01) * np.cumsum(draw.standard_normal(n))
    varied = draw.uniform(0, 0.06) * np.sin(2 * np.pi * breath) + np.clip(wander, -0.2, 0.2)
    intervals: Floats = interval * np.exp(varied + 0.01 * draw.standard_normal(n))
    return intervals


def sinus_lead_in(usual: float) -> float:
    """Seconds before a normal beat's fiducial from which on it is taken over, with its P wave."""
    return 0.24 if usual > 0.5 else 0.2


def _sinus(usual: float, intervals: Floats) -> Episode:
    """Normal beats with their P waves."""
    lead_in = sinus_lead_in(usual)
    return Episode("N", intervals, lead_in, free=lead_in)
