"""Made-up episodes: a patient's own beats in a rhythm whose labels are known.

Few training patients have runs of supraventricular tachycardia. A network that has seen none calls them
normal, since inside a run each beat looks like its neighbours and comes when they do. Put together from
normal beats, runs can be had of every patient: the rate jumps, T waves are drawn together, the P wave is gone
or is another one. What must not be taken for them is made up too: fibrillation, runs of the patient's
ventricular beats, sinus rhythm that speeds up little by little, and stretches slower than usual, after which
the rate jumps back.

It is the signal that is put together, and it is read as any other: filters, detector, typical beats and
look-alikes find an episode as they would find a real one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.signal import butter, sosfiltfilt

from ecgtune.beats import Preprocessing, detected_beats
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES, class_indices
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.signals.filters import bridge_gaps
from ecgtune.training.sequences import Recording, prepare
from ecgtune.training.tables import RecordKey, open_record, record_until

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CONTEXT = 96
"""Beats on either side of an episode that are kept with it, with their labels."""

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

_NARROW_S, _WIDE_S = 0.07, 0.13
"""After the fiducial; until then a beat keeps its shape at any rate."""

_FOLLOWED_S = 0.5
"""A ventricular beat is taken if the next one comes no sooner."""

_T_S, _T_OF = 0.45, 0.8
"""After the fiducial, and share of what lies between it and the next beat's lead-in: whichever comes first
ends the T wave."""

_SHORTEST_T_S = 0.03
"""What is left to the T wave at the fastest rates."""

_P_S = (0.26, 0.08)
"""Before the fiducial: where the P wave lies."""

_SINUS_S = (0.24, 0.2)
"""Lead-in of beats with their P wave, at usual rates and at fast ones."""

_RETURN_S = 0.28
"""Before the first beat after an episode: from there on the recording goes on."""

_EDGE_S = 0.015
"""Both ends of a beat are drawn to zero by the line through the means over so much of them."""


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
    pause
        After its last beat, beside the interval that this beat had in the recording.
    p_wave
        Where P waves are put in: their height beside the patient's, and seconds from their end to the
        fiducial.
    ventricular
        Whether it is made of ventricular beats.
    flutter
        Of fibrillating atria: height of the waves in mV, and how many a second.
    """

    symbol: str
    intervals: Floats
    lead_in: float
    pause: float = 1.0
    p_wave: tuple[float, float] | None = None
    ventricular: bool = False
    flutter: tuple[float, float] | None = None

    @property
    def free(self) -> float:
        """Seconds before the next fiducial that are not taken over from the recording, for its P wave."""
        return self.lead_in if self.lead_in in _SINUS_S else _RETURN_S

    @property
    def qrs(self) -> float:
        """Seconds after the fiducial that keep their shape."""
        return _WIDE_S if self.ventricular else _NARROW_S


Kind = Callable[[float, np.random.Generator], Episode]
"""Draws an episode, given the usual interval in seconds."""


def tachycardia(usual: float, draw: np.random.Generator) -> Episode:
    """Supraventricular: from one beat to the next a faster rate, for 3 to 300 beats, with other P waves."""
    n = _length(draw, 3, 300)
    interval = np.clip(usual * draw.uniform(0.45, 0.8), 0.3, 0.85)
    settling = 1 + 0.12 * draw.random() * np.exp(-np.arange(n) / 3)
    intervals = interval * settling * _jitter(draw, n, 0.025)
    wave = None
    if draw.random() < 0.6:
        wave = (float(draw.choice([-1, 1]) * draw.uniform(0.2, 1)), float(draw.uniform(0.08, 0.2)))
    # The faster rate suppresses the sinus node, which may need a while to recover.
    pause = float(draw.uniform(1, 2.5)) if draw.random() < 0.5 else 1.0
    return Episode("S", intervals, 0.09, pause, wave)


def fibrillation(usual: float, draw: np.random.Generator) -> Episode:
    """Atrial: 20 to 300 beats that come when they like, most of them sooner than usual, without P waves."""
    n = _length(draw, 20, 300)
    interval = np.clip(usual * draw.uniform(0.55, 1.1), 0.4, 1)
    irregular = np.exp(draw.uniform(0.1, 0.28) * draw.standard_normal(n))
    waves = (float(draw.uniform(0, 0.12)), float(draw.uniform(4, 8)))
    return Episode("N", np.maximum(interval * irregular, 0.3), 0.09, flutter=waves)


def ventricular(usual: float, draw: np.random.Generator) -> Episode:
    """A run of ventricular beats, from 3 to 60 of them, of a faster rate."""
    n = _length(draw, 3, 60)
    interval = np.clip(usual * draw.uniform(0.4, 0.85), 0.3, 0.85)
    return Episode("V", interval * _jitter(draw, n, 0.04), 0.13, ventricular=True)


def acceleration(usual: float, draw: np.random.Generator) -> Episode:
    """Sinus rhythm that becomes faster over many beats and slower again."""
    n = int(draw.integers(100, 300))
    fastest = max(0.33, usual * draw.uniform(0.45, 0.85)) / usual
    turn = int(n * draw.uniform(0.2, 0.45))
    ramp = np.interp(np.arange(n), [0, turn, n - turn, n], [1, fastest, fastest, 1])
    return Episode("N", usual * ramp * _jitter(draw, n, 0.02), _sinus_lead_in(usual))


def slower(usual: float, draw: np.random.Generator) -> Episode:
    """Normal beats of a slower rate from one beat to the next, 5 to 120 of them."""
    n = _length(draw, 5, 120)
    return Episode("N", usual * draw.uniform(1.15, 1.7) * _jitter(draw, n, 0.03), _sinus_lead_in(usual))


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
    "fibrillation": Drawn(fibrillation, 1, 2),
}
"""By the name that a configuration calls them."""


def _length(draw: np.random.Generator, fewest: int, most: int) -> int:
    return int(np.exp(draw.uniform(np.log(fewest), np.log(most))))


def _jitter(draw: np.random.Generator, n: int, most: float) -> Floats:
    jitter: Floats = 1 + draw.uniform(0.004, most) * draw.standard_normal(n)
    return jitter


def _sinus_lead_in(usual: float) -> float:
    return _SINUS_S[0] if usual > 0.5 else _SINUS_S[1]


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


def episode_recordings(
    keys: Iterable[RecordKey],
    how: Preprocessing,
    kinds: Sequence[str],
    until: Mapping[RecordKey, float] | None = None,
) -> list[Recording]:
    """Prepare episodes of recordings, with the beats around them.

    Parameters
    ----------
    keys
        The recordings, of the training side. One that is too fast or has too few normal beats gives nothing.
    how
        Preprocessing of the model.
    kinds
        Of `KINDS`; nothing is read where there are none.
    until
        As in `ecgtune.training.tables.training_table`.

    Raises
    ------
    ModelError
        On a kind that is not known.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ModelError(f"[data] episodes: {', '.join(sorted(unknown))} unknown; known: {', '.join(KINDS)}")
    made: list[Recording] = []
    for key in sorted(keys) if kinds else ():
        record, annotations = open_record(key)
        record = record_until(record, (until or {}).get(key, np.inf))
        annotations = annotations.select(annotations.sample < record.n_samples)
        # Not by its place in the list: a recording's episodes are the same whoever else trains.
        longer = with_episodes(record, annotations, kinds, np.random.default_rng([*"/".join(key).encode()]))
        if longer is not None:
            made += _around_episodes(longer, key, how)
    return made


def _around_episodes(longer: Longer, key: RecordKey, how: Preprocessing) -> list[Recording]:
    leads = preferred_leads(longer.record, tuple(range(len(longer.record.leads))), how.leads)
    table = detected_beats(longer.record, longer.annotations, leads, how, database=key[0])
    (whole,) = prepare(table, np.arange(len(table)), how)
    made_up = np.isin(table.sample, longer.annotations.sample[longer.made_up]) & (table.label >= 0)
    near = binary_dilation(made_up, iterations=CONTEXT)
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False))
    return [
        Recording(
            f"{whole.name} with episodes, from beat {begin}",
            whole.beats[begin:end].clone(),
            whole.rhythm[begin:end],
            whole.label[begin:end],
        )
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


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

    def beat(self, which: int, interval: float, ahead: float, episode: Episode) -> Floats:
        """A beat from its lead-in up to so many seconds ahead of the next one, [samples, leads].

        ``interval`` lies between the two.
        """
        at, own = int(self.at[which]), self.interval[which + 1]
        begin, n = at - self.samples(episode.lead_in), self.samples(episode.lead_in + interval - ahead)
        rest = own - max(ahead, episode.free)
        end = at + self.samples(max(rest, episode.qrs + _SHORTEST_T_S))
        if interval < own:
            # The T wave is drawn together by the square root of the ratio of intervals, as Bazett has it.
            kept = at + self.samples(episode.qrs)
            left = n - (kept - begin)
            taken = self.signal[kept : min(kept + int(left * np.sqrt(own / interval)), end)]
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
        if episode.ventricular:
            near = source.ventricular
        if len(near) < _FEWEST:
            return
        before = source.samples(episode.lead_in)
        first = source.at[place - 1] + source.samples(episode.intervals[0])
        self._copy(min(int(first), int(source.at[place])) - before)
        beats = self._beats(near, episode)
        starts = np.cumsum([0, *(len(beat) for beat in beats)])
        signal = np.concatenate(beats)
        if episode.p_wave is not None:
            _add_p_waves(signal, starts[:-1] + before, source, near, episode.p_wave)
        if episode.flutter is not None:
            signal += _flutter(len(signal), signal.shape[1], source.fs, episode.flutter, draw)
        self.samples += (self._length + starts[:-1] + before).tolist()
        self.symbols += [episode.symbol] * len(beats)
        self.made_up += [True] * len(beats)
        self.pieces.append(signal)
        self._length += len(signal)
        self._from = int(source.at[place]) - source.samples(_RETURN_S)

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

    def _beats(self, near: Ints, episode: Episode) -> list[Floats]:
        """The beats of an episode, one after the other."""
        which = np.resize(near, len(episode.intervals))
        intervals = np.roll(episode.intervals, -1)
        intervals[-1] = max(self.source.interval[which[-1] + 1] * episode.pause, episode.intervals[-1])
        ahead = np.full(len(which), episode.lead_in)
        ahead[-1] = _RETURN_S
        intervals = np.maximum(intervals, ahead + episode.qrs + _SHORTEST_T_S)
        return [
            self.source.beat(*beat, episode)
            for beat in zip(which.tolist(), intervals.tolist(), ahead.tolist(), strict=True)
        ]

    def _copy(self, until: int) -> None:
        at = self.source.at
        own = np.flatnonzero((at >= self._from) & (at < until))
        self.samples += (at[own] + self._length - self._from).tolist()
        self.symbols += self.beats.symbol[own].tolist()
        self.made_up += [False] * len(own)
        self.pieces.append(self.source.signal[self._from : until])
        self._length += until - self._from


def _flutter(n: int, leads: int, fs: float, waves: tuple[float, float], draw: np.random.Generator) -> Floats:
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
