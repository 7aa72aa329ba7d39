"""How a beat's QRS compares with the usual one: that of the minutes or hours around, by the time spent in it.

In a run of ventricular beats that lasts, the typical beat of the beats around is ventricular itself, and each
beat looks like its neighbours. The recording's usual beat is not: beside it they are other beats, and wider
ones, while those of a supraventricular run look as always.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats.look_alikes import COMPARED
from ecgtune.beats.rhythm import LONGEST_S, SHORTEST_S
from ecgtune.signals.product import product
from ecgtune.signals.resample import WORKING_RATE

Floats = NDArray[np.float32]

STRETCH = 4096
"""Beats, counted from the recording's first, that share their usual beat."""

OF_A_BEAT: tuple[str, ...] = ("likeness", "width")
"""What is compared: the correlation of the QRS with the usual one's, and by how much wider it is."""

KINDS = BEAT, TYPICAL_BEAT, ALIKE = ("beat", "typical beat", "look-alikes")
"""What is compared with the usual beat."""

SHIFTS = (-4, -2, 0, 2, 4)
"""Working samples by which a QRS may be moved to fit the usual one."""

WIDTH, LEVEL = (-24, 34), 8
"""Where width is read: working samples from the fiducial; the mean of the first of them is zero."""

FLAT, LOW = 0.05, 0.02
"""Energy and height, in units of the typical QRS height, that count for little."""

LOST = 0.02
"""Energy below which a lead shows nothing of a beat: it is off for a while, and has no say."""


class UsualBeats:
    """Finds the usual beats of successive stretches of one recording.

    Parameters
    ----------
    group
        Successive beats that share their typical beat.
    """

    def __init__(self, group: int) -> None:
        self._group = group
        self._typical: list[Floats] = []
        self._seconds: list[NDArray[np.float64]] = []

    def next(self, typical: Floats, seconds: NDArray[np.float64]) -> Floats:
        """Find the usual beat of the next stretch: of it, and of the beats before where it is a short one.

        It is the median, by the time that they stand for, of typical beats, for each lead while it is there.

        Parameters
        ----------
        typical
            Typical beats of the stretch, [n, leads, width]; the first lies where a group begins.
        seconds
            From each beat to the next, limited, [n].

        Returns
        -------
        ndarray
            float32 [leads, width]; zero where a lead was never there.
        """
        first = np.arange(0, len(typical), self._group)
        most = -(-max(STRETCH, len(typical)) // self._group)
        self._typical = [np.concatenate([*self._typical, typical[first]])[-most:]]
        self._seconds = [np.concatenate([*self._seconds, np.add.reduceat(seconds, first)])[-most:]]
        held, lasts = self._typical[0], self._seconds[0]
        usual = np.zeros(typical.shape[1:], dtype=np.float32)
        for lead in range(len(usual)):
            there = (held[:, lead] != 0).any(axis=1)
            if there.any():
                usual[lead] = _median(held[there, lead], lasts[there])
        return usual


class Stretch(NamedTuple):
    """Which of some beats are a stretch of a recording, and the usual beats of those before it.

    Parameters
    ----------
    own
        The beats of the stretch among those around it.
    usual
        What finds its usual beat, after those of the stretches before.
    """

    own: slice
    usual: UsualBeats


def beside_usual(
    kinds: Sequence[Floats],
    typical: Floats,
    seconds: NDArray[np.float64],
    before: int,
    group: int,
    stretch: Stretch | None = None,
) -> tuple[Floats, Floats]:
    """Compare the QRS of beats with that of the usual beat: means over leads.

    Parameters
    ----------
    kinds
        Windows in units of the typical QRS height, of the beats, their typical beats or their look-alikes,
        each [n, leads, width].
    typical
        Typical beats, [n, leads, width]; the first lies where a group begins.
    seconds
        From each beat to the next, limited, [n].
    before
        Where the fiducial lies in a window.
    group
        Successive beats that share their typical beat.
    stretch
        Which of the beats are a stretch; its usual beat serves those around it too. Where not given they are
        all of a recording, and each is compared with the usual beat of its stretch.

    Returns
    -------
    features
        float32 [n, kinds x 2]: `OF_A_BEAT` of each kind.
    usual
        Usual beat of each stretch, float32 [stretches, leads, width].
    """
    there = (typical != 0).any(axis=2)
    if stretch is not None:
        usual = stretch.usual.next(typical[stretch.own], seconds[stretch.own])
        return _compared(kinds, there, usual, before), usual[np.newaxis]
    features, found = [np.empty((0, len(kinds) * len(OF_A_BEAT)), dtype=np.float32)], list[Floats]()
    usual_beats = UsualBeats(group)
    for begin in range(0, len(typical), STRETCH):
        own = slice(begin, begin + STRETCH)
        found.append(usual_beats.next(typical[own], seconds[own]))
        features.append(_compared([each[own] for each in kinds], there[own], found[-1], before))
    return np.concatenate(features), np.array(found, dtype=np.float32).reshape(-1, *typical.shape[1:])


def seconds_between(at: NDArray[np.integer]) -> NDArray[np.float64]:
    """Seconds from each position at the working rate to the next, limited; after the last, the least."""
    seconds = np.diff(np.asarray(at, dtype=np.float64), append=at[-1:]) / WORKING_RATE
    return np.clip(seconds, SHORTEST_S, LONGEST_S)


def feature_names(*, alike: bool) -> tuple[str, ...]:
    """Names of the features of beats, of typical beats and, where there are any, of look-alikes."""
    kinds = KINDS if alike else KINDS[:-1]
    return tuple(feature_name(kind, what) for kind in kinds for what in OF_A_BEAT)


def feature_name(kind: str, what: str) -> str:
    """Name the feature that is one `OF_A_BEAT` of one of `KINDS`."""
    return f"{kind} beside usual beat: {what}"


def _compared(kinds: Sequence[Floats], there: NDArray[np.bool_], usual: Floats, before: int) -> Floats:
    """Compare kinds of beats with one usual beat [leads, width]: [n, kinds x 2].

    Where no lead shows anything, all count.
    """
    there = there & (usual != 0).any(axis=1)
    usual_width = _width(usual[np.newaxis], before)[0]
    found = []
    for windows in kinds:
        likeness, energy = _likeness(windows, usual, before)
        shown = there & (energy > LOST)
        shown |= ~shown.any(axis=1, keepdims=True)
        share = shown / shown.sum(axis=1, keepdims=True)
        found.append((likeness * share).sum(axis=1))
        found.append(((_width(windows, before) - usual_width) * share).sum(axis=1))
    return np.stack(found, axis=1).astype(np.float32)


def _median(rows: Floats, weight: NDArray[np.float64]) -> Floats:
    """Weighted median of rows [k, n] with weights [k]."""
    order = np.argsort(rows, axis=0, kind="stable")
    until = np.cumsum(weight[order], axis=0)
    middle = (until < until[-1:] / 2).sum(axis=0, keepdims=True)
    found: Floats = np.take_along_axis(rows, np.take_along_axis(order, middle, 0), 0)[0]
    return found


def _likeness(windows: Floats, usual: Floats, before: int) -> tuple[Floats, Floats]:
    """Correlation with the usual QRS where the beat's fits it best, and energy where it lies, [n, leads]."""
    begin, end = before - COMPARED[0], before + COMPARED[1]
    spans = np.zeros((windows.shape[2], len(SHIFTS)), dtype=np.float32)
    for column, by in enumerate(SHIFTS):
        spans[begin + by : end + by, column] = 1
    length = end - begin
    best, energies = np.empty((2, *windows.shape[:2]), dtype=np.float32)
    for lead, qrs in enumerate(usual[:, begin:end] - usual[:, begin:end].mean(axis=1, keepdims=True)):
        moved = np.zeros_like(spans)
        for column, by in enumerate(SHIFTS):
            moved[begin + by : end + by, column] = qrs
        own = np.ascontiguousarray(windows[:, lead])
        common, total = np.split(product(own, np.concatenate([moved, spans], axis=1)), 2, axis=1)
        energy = np.maximum(product(own * own, spans) - total * total / length, 0)
        best[:, lead] = (common / np.sqrt((energy + FLAT) * (qrs @ qrs + FLAT))).max(axis=1)
        energies[:, lead] = energy[:, SHIFTS.index(0)]
    return best, energies


def _width(windows: Floats, before: int) -> Floats:
    """Area of the QRS in heights and tenths of 10 samples, [n, leads]."""
    wave = windows[:, :, before + WIDTH[0] : before + WIDTH[1]]
    size = np.abs(wave - wave[:, :, :LEVEL].mean(axis=2, keepdims=True))
    found: Floats = size.sum(axis=2) / (size.max(axis=2) + LOW) / 10
    return found
