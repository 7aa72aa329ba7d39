"""Episodes put into a recording: its own beats in another rhythm, cut and joined to one signal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfiltfilt

from ecgtune.labels import CLASSES, class_indices
from ecgtune.record import Annotations, Record
from ecgtune.signals.filters import bridge_gaps
from ecgtune.training.episode_rhythms import KINDS, RETURN_S, Episode, Kind, sinus_lead_in

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AROUND = 150
"""An episode is made of the normal beats among so many before and after its place."""

_FEWEST = 15
"""Of those, at least so many."""

_SHORTEST_S = 0.42
"""Where the usual interval is shorter, nothing is made up."""

_ENDS_S = 3.0
"""At either end of a recording no beats are taken and no episode is put in."""

_WANDER_HZ = 0.5
"""What is slower is filtered out, so that pieces from different times fit together."""

_FOLLOWED_S = 0.5
"""A ventricular beat is taken if the next one comes no sooner."""

_T_S, _T_OF = 0.45, 0.8
"""After the fiducial, and share of what lies between it and the next beat's lead-in: whichever comes first
ends the T wave."""

_SHORTEST_T_S = 0.03
"""What is left to the T wave at the fastest rates."""

_P_S = (0.26, 0.08)
"""Before the fiducial: where the P wave lies."""

_SETTLES = 0.7
"""What is left of older intervals in what the QT interval follows, from one beat to the next."""

_EDGE_S = 0.015
"""Both ends of a beat are drawn to zero by the line through the means over so much of them."""


@dataclass(frozen=True)
class Longer:
    """A recording with episodes; nothing is taken out of it.

    Parameters
    ----------
    record, annotations
        Signal without wander, and all its beats.
    made_up
        Which of the beats belong to episodes, bool [n].
    """

    record: Record
    annotations: Annotations
    made_up: NDArray[np.bool_]


def with_episodes(
    record: Record, annotations: Annotations, kinds: Sequence[str], draw: np.random.Generator
) -> Longer | None:
    """Put episodes into a recording.

    Parameters
    ----------
    record, annotations
        The recording and its beats.
    kinds
        Of `KINDS`.
    draw
        Of places, kinds, lengths and rates.

    Returns
    -------
    Longer
        None where the recording offers no place for an episode.
    """
    beats = annotations.beats()
    beats = beats.select(np.argsort(beats.sample, kind="stable"))
    drawn = [KINDS[name] for name in kinds]
    chosen = [each.kind for each in drawn for _ in range(draw.integers(each.fewest, each.most + 1))]
    joined = _Joined(record, beats)
    if len(joined.source.usable) < _FEWEST:
        return None
    places = np.sort(draw.choice(joined.source.usable, len(chosen), replace=False))
    for place, which in zip(places.tolist(), draw.permutation(len(chosen)).tolist(), strict=True):
        joined.put_in(place, chosen[which], draw)
    return joined.finish() if any(joined.made_up) else None


class _Cut(NamedTuple):
    """How a beat is cut.

    Parameters
    ----------
    lead_in
        Seconds before its fiducial from which on it is taken.
    interval
        Seconds to the next fiducial.
    settled
        The interval that QT follows, which has not settled where the rate has just changed.
    ahead
        Seconds before the next fiducial from which on the next beat is taken.
    """

    lead_in: float
    interval: float
    settled: float
    ahead: float


class _Source:
    """What episodes are made of: the signal without wander, [samples, leads], and the beats."""

    def __init__(self, record: Record, beats: Annotations) -> None:
        self.fs = record.fs
        high = butter(2, _WANDER_HZ, btype="highpass", fs=record.fs, output="sos")
        self.signal: Floats = sosfiltfilt(high, bridge_gaps(record.signal.T).astype(np.float64), axis=1).T
        self.at = beats.sample
        self.interval = np.diff(self.at, prepend=self.at[:1]) / self.fs
        label = class_indices(beats.symbol)
        inside = (self.at > self.samples(_ENDS_S)) & (self.at < len(self.signal) - self.samples(_ENDS_S))
        normal = label == CLASSES.index("N")
        alone = normal & np.roll(normal, 1) & np.roll(normal, -1)
        self.usable: Ints = np.flatnonzero(alone & inside)
        followed = np.roll(self.interval, -1) >= _FOLLOWED_S
        self.ventricular: Ints = np.flatnonzero((label == CLASSES.index("V")) & followed & inside)

    def samples(self, seconds: float) -> int:
        return round(seconds * self.fs)

    def beat(self, which: int, cut: _Cut, episode: Episode) -> Floats:
        """A beat from its lead-in up to what is ahead, [samples, leads]; its T wave may reach further."""
        lead_in, interval, settled, ahead = cut
        at, own = int(self.at[which]), self.interval[which + 1]
        begin, n = at - self.samples(lead_in), self.samples(lead_in + interval - ahead)
        rest = own - max(ahead, episode.free)
        end = at + self.samples(max(rest, episode.qrs + _SHORTEST_T_S))
        if interval < own:
            # The T wave is drawn together by the square root of the ratio of intervals, as Bazett has it.
            by = np.sqrt(own / min(settled, own))
            kept = at + self.samples(episode.qrs)
            left = n - (kept - begin)
            taken = self.signal[kept : min(kept + int((left + self.samples(ahead)) * by), end)]
            left = max(left, int(len(taken) / by))
        else:
            kept = at + self.samples(min(_T_S, _T_OF * rest))
            left = n - (kept - begin)
            taken = self.signal[kept:end]
        return self._level(np.concatenate([self.signal[begin:kept], _stretch(taken, left)]))

    def p_wave(self, which: int) -> Floats:
        """A beat's P wave, [samples, leads]."""
        begin, end = (int(self.at[which]) - self.samples(before) for before in _P_S)
        return self._level(self.signal[begin:end])

    def _level(self, piece: Floats) -> Floats:
        edge = max(1, self.samples(_EDGE_S))
        first, last = piece[:edge].mean(axis=0), piece[-edge:].mean(axis=0)
        level: Floats = piece - first - (last - first) * np.linspace(0, 1, len(piece))[:, np.newaxis]
        return level


def _settled(intervals: Floats) -> Floats:
    """What the QT interval follows: intervals that settle over some beats, [n]."""
    logarithms = np.log(intervals)
    state = [_SETTLES * logarithms[0]]
    settled: Floats = np.exp(lfilter([1 - _SETTLES], [1, -_SETTLES], logarithms, zi=state)[0])
    return settled


def _stretch(piece: Floats, n: int) -> Floats:
    """Make a piece [samples, leads] so many samples long."""
    at = np.linspace(0, len(piece) - 1, n)
    return np.stack([np.interp(at, np.arange(len(piece)), lead) for lead in piece.T], axis=1)


@dataclass
class _Joined:
    """A recording that is put together from its beginning on."""

    record: Record
    beats: Annotations
    pieces: list[Floats] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    made_up: list[bool] = field(default_factory=list)
    _length: int = 0
    _from: int = 0

    def __post_init__(self) -> None:
        self.source = _Source(self.record, self.beats)

    def put_in(self, place: int, kind: Kind, draw: np.random.Generator) -> None:
        """Put an episode before a beat; nothing happens where there is no room, or nothing to make it of."""
        source = self.source
        near = source.usable[np.abs(source.usable - place) <= _AROUND]
        if source.at[place - 1] <= self._from or len(near) < _FEWEST:
            return
        usual = float(np.median(source.interval[near]))
        if usual < _SHORTEST_S:
            return
        episode = kind(usual, draw)
        if episode.ventricular and len(source.ventricular) < _FEWEST:
            return
        lead_in = np.where(episode.of_sinus, sinus_lead_in(usual), episode.lead_in)
        first = source.at[place - 1] + source.samples(episode.intervals[0])
        self._copy(min(int(first), int(source.at[place])) - source.samples(lead_in[0]))
        signal, at = self._beats(near, episode, lead_in)
        if episode.p_wave is not None:
            _add_p_waves(signal, at[~episode.of_sinus], source, near, episode.p_wave)
        if episode.waves is not None:
            signal += _fibrillatory_waves(len(signal), signal.shape[1], source.fs, episode.waves, draw)
        self.samples += (self._length + at).tolist()
        self.symbols += np.where(episode.of_sinus, "N", episode.symbol).tolist()
        self.made_up += [True] * len(at)
        self.pieces.append(signal)
        self._length += len(signal)
        self._from = int(source.at[place]) - source.samples(RETURN_S)

    def finish(self) -> Longer:
        """Add what is left, and return the whole."""
        self._copy(len(self.source.signal))
        signal = np.concatenate(self.pieces)
        order = np.argsort(self.samples, kind="stable")
        return Longer(
            Record.from_array(
                signal, self.record.fs, self.record.leads, name=self.record.name, patient=self.record.patient
            ),
            Annotations(np.array(self.samples)[order], np.array(self.symbols)[order]),
            np.array(self.made_up)[order],
        )

    def _beats(self, near: Ints, episode: Episode, lead_in: Floats) -> tuple[Floats, Ints]:
        """The signal of an episode's beats, [samples, leads], and their fiducials in it."""
        source = self.source
        sinus, other = (np.resize(beats, len(lead_in)) for beats in (near, source.ventricular))
        which = np.where(episode.of_sinus, sinus, other) if episode.ventricular else sinus
        intervals = np.roll(episode.intervals, -1)
        intervals[-1] = max(source.interval[which[-1] + 1] * episode.pause, episode.intervals[-1])
        ahead = np.append(lead_in[1:], RETURN_S)
        intervals = np.maximum(intervals, ahead + episode.qrs + _SHORTEST_T_S)
        cuts = map(_Cut, lead_in, intervals, _settled(episode.intervals), ahead)
        pieces = [source.beat(beat, cut, episode) for beat, cut in zip(which.tolist(), cuts, strict=True)]
        starts = np.cumsum([0, *(source.samples(step) for step in lead_in + intervals - ahead)])
        signal = np.zeros((starts[-1], pieces[0].shape[1]))
        for piece, start in zip(pieces, starts[:-1].tolist(), strict=True):
            # A T wave may reach into the next beat.
            there = signal[start : start + len(piece)]
            there += piece[: len(there)]
        return signal, starts[:-1] + [source.samples(each) for each in lead_in]

    def _copy(self, until: int) -> None:
        at = self.source.at
        own = np.flatnonzero((at >= self._from) & (at < until))
        self.samples += (at[own] + self._length - self._from).tolist()
        self.symbols += self.beats.symbol[own].tolist()
        self.made_up += [False] * len(own)
        self.pieces.append(self.source.signal[self._from : until])
        self._length += until - self._from


def _fibrillatory_waves(
    n: int, leads: int, fs: float, waves: tuple[float, float], draw: np.random.Generator
) -> Floats:
    """Waves of a rate that changes all the time, another height in each lead, [n, leads]."""
    height, rate = waves
    phase = 2 * np.pi * np.cumsum(rate / fs * (1 + 0.5 * _wandering(n, fs, draw)))
    shape: Floats = height * (np.sin(phase) + 0.3 * np.sin(2 * phase))
    return shape[:, np.newaxis] * draw.uniform(0.3, 1, leads)


def _wandering(n: int, fs: float, draw: np.random.Generator) -> Floats:
    """Numbers about 0 that change within a second, most of them between -1 and 1, [n]."""
    points = int(2 * n / fs) + 2
    wandering: Floats = np.interp(
        np.linspace(0, points - 1, n), np.arange(points), draw.normal(0, 0.5, points)
    )
    return wandering


def _add_p_waves(signal: Floats, at: Ints, source: _Source, near: Ints, wave: tuple[float, float]) -> None:
    height, before = wave
    for which, fiducial in zip(np.resize(near, len(at)).tolist(), at.tolist(), strict=True):
        shape = source.p_wave(which)
        end = fiducial - source.samples(before)
        if end >= len(shape):
            signal[end - len(shape) : end] += height * shape
