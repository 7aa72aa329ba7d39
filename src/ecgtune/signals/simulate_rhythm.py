"""When simulated hearts beat, and what each beat is: sinus rhythm, ectopy, fibrillation, tachycardia, pacing.

Sinus rhythm is McSharry's (doi:10.1109/TBME.2003.808805): an RR tachogram whose spectrum has a
low-frequency peak at 0.1 Hz (Mayer waves) and a high-frequency one at 0.25 Hz (breathing). Two deviations:
beats are where the integral of the heart rate passes whole numbers instead of adding the tachogram's value
at each beat, which vectorises; and ectopic episodes are placed so that the fractions asked for are met,
where Clifford et al. (doi:10.1088/0967-3334/31/5/001) switch between beats by a Markov chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfftfreq
from scipy.integrate import cumulative_trapezoid

FloatSeries = NDArray[np.float64]
Symbols = NDArray[np.str_]

RHYTHMS: dict[str, str] = {"sinus": "(N", "af": "(AFIB", "vt": "(VT"}
"""Rhythms that can be simulated, with the WFDB label of each."""

ECTOPY: dict[str, str] = {"S": "A", "V": "V", "F": "F", "paced": "/"}
"""Kinds of beats that can be mixed into a rhythm, with the WFDB symbol of each."""

BREATHING_HZ = 0.25
_MAYER_HZ = 0.1
_SHORTEST_RR = 0.28
# A tachogram covers a day at most: the transform of two weeks would take 400 MB.
_DAY = 86400.0


@dataclass(frozen=True)
class RhythmPlan:
    """All beats of a recording.

    Parameters
    ----------
    time
        Instants of the main QRS waves in seconds, float64 [n], ascending.
    symbol
        WFDB symbols, str [n].
    rr
        Interval to the beat before in seconds, float64 [n].
    fibrillating
        Whether the beat lies in atrial fibrillation (no P wave), bool [n].
    segments
        Start and stop in seconds and name of each rhythm.
    """

    time: FloatSeries
    symbol: Symbols
    rr: FloatSeries
    fibrillating: NDArray[np.bool_]
    segments: tuple[tuple[float, float, str], ...]


def plan_rhythm(
    duration: float,
    heart_rate: float,
    heart_rate_std: float,
    rhythm: str | Sequence[tuple[str, float]],
    ectopy: Mapping[str, float],
    rng: np.random.Generator,
) -> RhythmPlan:
    """Decide the beats of a recording.

    Parameters
    ----------
    duration
        Seconds.
    heart_rate, heart_rate_std
        Mean and standard deviation in beats a minute, of sinus rhythm; the mean also of fibrillation.
    rhythm
        One of `RHYTHMS`, or ``(rhythm, seconds)`` in turn, again from the first when all have passed.
    ectopy
        Fractions of the beats (outside ventricular tachycardia) by kind, see `ECTOPY`.
    rng
        Source of randomness.

    Raises
    ------
    ValueError
        On an argument that makes no sense.
    """
    segments = _segments(duration, rhythm)
    _check(heart_rate, heart_rate_std, ectopy)
    parts: list[tuple[FloatSeries, FloatSeries, Symbols, bool]] = []
    last = -60 / heart_rate * rng.uniform(0.3, 0.9)
    for start, stop, name in segments:
        rr, symbol = _beats(stop - start, heart_rate, heart_rate_std, name, ectopy, rng)
        time = max(last + rr[0], start) + np.concatenate([[0.0], np.cumsum(rr[1:])])
        kept = slice(0, int(np.searchsorted(time, stop)))
        time, rr = time[kept], rr[kept]
        if len(time):
            rr[0] = time[0] - last
            last = float(time[-1])
        parts.append((time, rr, symbol[kept], name == "af"))
    return RhythmPlan(
        np.concatenate([np.empty(0), *(time for time, _, _, _ in parts)]),
        np.concatenate([np.empty(0, "<U1"), *(symbol for _, _, symbol, _ in parts)]),
        np.concatenate([np.empty(0), *(rr for _, rr, _, _ in parts)]),
        np.repeat([af for *_, af in parts], [len(time) for time, _, _, _ in parts]).astype(np.bool_),
        tuple(segments),
    )


def _segments(duration: float, rhythm: str | Sequence[tuple[str, float]]) -> list[tuple[float, float, str]]:
    turn = [(rhythm, duration)] if isinstance(rhythm, str) else list(rhythm)
    if not turn:
        raise ValueError(f"no rhythm given; known: {', '.join(RHYTHMS)}")
    for name, seconds in turn:
        if name not in RHYTHMS:
            raise ValueError(f"unknown rhythm {name!r}; known: {', '.join(RHYTHMS)}")
        if not seconds > 0 and duration > 0:
            raise ValueError(f"rhythm {name!r} for {seconds:g} s: the time is not positive")
    segments: list[tuple[float, float, str]] = []
    start = 0.0
    while start < duration:
        name, seconds = turn[len(segments) % len(turn)]
        segments.append((start, min(start + seconds, duration), name))
        start += seconds
    return segments


def _check(heart_rate: float, heart_rate_std: float, ectopy: Mapping[str, float]) -> None:
    if not 20 <= heart_rate <= 200:
        raise ValueError(f"heart rate {heart_rate:g} lies outside 20 to 200 beats a minute")
    if not 0 <= heart_rate_std <= heart_rate / 4:
        raise ValueError(
            f"standard deviation {heart_rate_std:g} of the heart rate lies outside 0 to {heart_rate / 4:g} "
            "(a quarter of the mean)"
        )
    for kind, fraction in ectopy.items():
        if kind not in ECTOPY:
            raise ValueError(f"unknown ectopy {kind!r}; known: {', '.join(ECTOPY)}")
        if not 0 <= fraction <= 1:
            raise ValueError(f"ectopy {kind!r}: fraction {fraction:g} lies outside 0 to 1")
    if sum(ectopy.values()) > 1 + 1e-9:
        raise ValueError(f"ectopy fractions sum to {sum(ectopy.values()):g}, which is more than 1")


def _beats(
    duration: float,
    heart_rate: float,
    heart_rate_std: float,
    name: str,
    ectopy: Mapping[str, float],
    rng: np.random.Generator,
) -> tuple[FloatSeries, Symbols]:
    """RR intervals and symbols of more than enough beats for one segment."""
    mean = 60 / heart_rate
    if name == "vt":
        interval = 60 / rng.uniform(150, 190)
        n = int(duration / interval * 1.2) + 10
        return interval * (1 + 0.015 * rng.standard_normal(n)), np.full(n, "V")
    if name == "af":
        n = int(duration / mean * 1.3) + 20
        rr = np.clip(mean * np.exp(0.22 * rng.standard_normal(n) - 0.024), 0.32, 2.2)
        return _with_ectopy(rr, {k: f for k, f in ectopy.items() if k != "S"}, mean, duration, rng)
    rr = sinus_rr(duration, heart_rate, heart_rate_std, rng)
    return _with_ectopy(rr, ectopy, mean, duration, rng)


def sinus_rr(
    duration: float, heart_rate: float, heart_rate_std: float, rng: np.random.Generator, lf_hf: float = 0.5
) -> FloatSeries:
    """RR intervals of sinus rhythm with Mayer waves and breathing (McSharry 2003).

    Parameters
    ----------
    duration
        Seconds that the intervals must at least cover.
    heart_rate, heart_rate_std
        Mean and standard deviation in beats a minute.
    rng
        Source of randomness.
    lf_hf
        Ratio of the power at 0.1 Hz to that at 0.25 Hz.

    Returns
    -------
    ndarray
        Intervals in seconds, float64 [n], together a third longer than ``duration`` so that premature
        beats may shorten some.
    """
    if duration > _DAY:
        days = int(np.ceil(duration / _DAY))
        return np.concatenate(
            [sinus_rr(duration / days, heart_rate, heart_rate_std, rng, lf_hf) for _ in range(days)]
        )
    step, width = 0.25, 0.01
    needed = int((duration * 1.35 + 20) / step)
    # 256 s at least: the peaks are 0.01 Hz wide and must fall on some frequencies of the transform.
    n = next_fast_len(max(needed, 1024), real=True)
    frequency = rfftfreq(n, step)
    power = lf_hf * np.exp(-((frequency - _MAYER_HZ) ** 2) / (2 * width**2))
    power += np.exp(-((frequency - BREATHING_HZ) ** 2) / (2 * width**2))
    phase = rng.uniform(0, 2 * np.pi, len(frequency))
    wave = irfft(np.sqrt(power) * np.exp(1j * phase), n)
    mean = 60 / heart_rate
    tachogram = mean + wave / wave.std() * (60 * heart_rate_std / heart_rate**2)
    tachogram = np.maximum(tachogram[:needed], _SHORTEST_RR)
    cycles = cumulative_trapezoid(1 / tachogram, dx=step, initial=0)
    return np.diff(np.interp(np.arange(int(cycles[-1]) + 1), cycles, np.arange(needed) * step))


def _with_ectopy(
    rr: FloatSeries, ectopy: Mapping[str, float], mean: float, duration: float, rng: np.random.Generator
) -> tuple[FloatSeries, Symbols]:
    """Intervals and symbols after ectopic and paced beats have taken their places."""
    # The fractions hold for the beats that fit into the segment, not for the surplus that may be cut off.
    fit = int(np.searchsorted(np.cumsum(rr), duration))
    symbol = np.concatenate([_place_episodes(fit, ectopy, rng), _place_episodes(len(rr) - fit, ectopy, rng)])
    before = np.concatenate([["N"], symbol[:-1]])
    rr = rr.copy()

    premature = (symbol == "A") & (before != "A")
    rr[premature] *= rng.uniform(0.6, 0.85, premature.sum())
    run = (symbol == "A") & (before == "A")
    rr[run] = max(0.6 * mean, 0.34) * (1 + 0.03 * rng.standard_normal(run.sum()))
    # The early impulse resets the sinus node: the pause is one cycle, barely longer than usual.
    reset = (symbol != "A") & (before == "A")
    rr[reset] *= rng.uniform(1.0, 1.12, reset.sum())

    early = np.ones(len(rr))
    early[symbol == "V"] = rng.uniform(0.58, 0.8, (symbol == "V").sum())
    early[symbol == "F"] = rng.uniform(0.9, 0.98, (symbol == "F").sum())
    rr *= early
    run = (symbol == "V") & (before == "V")
    rr[run] = max(0.5 * mean, 0.34) * (1 + 0.04 * rng.standard_normal(run.sum()))
    # The sinus node goes on undisturbed: what the beat came early is added to the pause (full compensation).
    pause = ((before == "V") & (symbol != "V")) | ((before == "F") & (symbol != "F"))
    rr[pause] *= 2 - np.concatenate([[1.0], early[:-1]])[pause]

    paced = (symbol == "/") & (before == "/")
    rr[paced] = 0.97 * mean + 0.002 * rng.standard_normal(paced.sum())
    return np.maximum(rr, _SHORTEST_RR), symbol


def _episode(kind: str, alone: bool, rng: np.random.Generator) -> str:
    """One ectopic episode as a string of symbols; ``alone`` keeps out bigeminy, which needs normal beats."""
    u = rng.random()
    if kind == "S":
        return "A" if u < 0.85 else "AA" if u < 0.93 else "A" * int(rng.integers(3, 9))
    if kind == "V":
        if u < 0.78:
            return "V"
        if u < 0.88:
            return "VV"
        if u < 0.92 or alone:
            return "V" * int(rng.integers(3, 7))
        return "VN" * int(rng.integers(3, 6)) + "V"
    return "F" if kind == "F" else "/" * int(rng.integers(20, 80))


def _place_episodes(n: int, ectopy: Mapping[str, float], rng: np.random.Generator) -> Symbols:
    """Symbols of ``n`` beats with the fractions asked for, in episodes at random among normal beats."""
    crowded = sum(ectopy.values()) > 0.3
    episodes: list[str] = []
    for kind, fraction in ectopy.items():
        left = round(fraction * n)
        while left > 0:
            episode = _episode(kind, crowded, rng)
            if episode.count(ECTOPY[kind]) > left:
                episode = ECTOPY[kind] * left
            left -= episode.count(ECTOPY[kind])
            episodes.append(episode)
    normal = max(n - sum(map(len, episodes)), 0)
    order = rng.permutation(len(episodes))
    # Two normal beats between episodes where there are enough; the others fall anywhere.
    least = min(2, normal // (len(episodes) + 1))
    cuts = np.sort(rng.integers(0, normal - least * (len(episodes) + 1) + 1, len(episodes)))
    gaps = least + np.diff(np.concatenate([[0], cuts]))
    text = "".join("N" * int(gap) + episodes[which] for gap, which in zip(gaps, order, strict=True))
    return np.array(list(text.ljust(n, "N")[:n]), dtype="<U1")
