"""Recordings that teach without labels of beats: their rhythm says what their beats are not."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing, jumps
from ecgtune.beats.rhythm import OF_USUAL, known_from
from ecgtune.training.fibrillating import Fibrillating
from ecgtune.training.sequences import IGNORED, NOT_ECTOPIC, NOT_S, Recording
from ecgtune.training.unlabelled import Unlabelled

Floats = NDArray[np.float32]

_COPIED = 0.6
"""Share of the recordings with one lead whose lead also stands for a second one."""

_BELOW_USUAL = (-0.2, 0.7)
"""How much shorter than usual, as a logarithm, the intervals of a recording that fibrillates may be."""

_BEATS_OF_USUAL = (200.0, 1024.0)
"""How many beats may then tell the usual one."""


def weak_recordings(found: Iterable[Fibrillating], how: Preprocessing, length: int) -> list[Recording]:
    """Prepare recordings of atrial fibrillation; every beat of it is labelled `NOT_S`.

    The atria of such a heart do not beat, so that none of its beats is an early beat of theirs, however early
    it comes. A share of the recordings with one lead get it for a second one too, at random upside down, else
    two leads would hardly be seen in fibrillation.

    Parameters
    ----------
    found
        The recordings (`ecgtune.training.fibrillating`).
    how
        Preprocessing of the model.
    length
        Beats that a training sees at once. The recordings are joined to sequences of so many beats, since
        most are shorter, and the zeros that would fill them up tell in every layer that normalises a batch.
    """
    draw = np.random.default_rng(0)
    return join_recordings([_fibrillating(one, how, draw) for one in found], length)


def calm_recordings(found: Iterable[Unlabelled], how: Preprocessing, length: int) -> list[Recording]:
    """Prepare recordings without an ectopic beat, as `weak_recordings` does; every beat is `NOT_ECTOPIC`."""
    draw = np.random.default_rng(0)
    prepared = []
    for one in found:
        beats, rhythm = how.inputs(_leads(one, how, draw), one.at)
        label = np.full(len(one.at), NOT_ECTOPIC, dtype=np.int64)
        prepared.append(_recording(one, beats, rhythm, label))
    return join_recordings(prepared, length)


def _fibrillating(one: Fibrillating, how: Preprocessing, draw: np.random.Generator) -> Recording:
    beats, rhythm = how.inputs(_leads(one, how, draw), one.at)
    if how.usual:
        # Of a recording that lasts a minute nobody knows the usual rate: any may lie around it.
        first = how.rhythm_features.index(jumps.FEATURES[0])
        own = slice(first, first + len(jumps.FEATURES))
        below, began, ends = draw.uniform(*_BELOW_USUAL), draw.random() < 0.5, draw.random() < 0.5
        rhythm[:, own] = jumps.in_other_surroundings(rhythm[:, own], below, began, ends)
        if how.usual_known:
            rhythm[:, how.rhythm_features.index(OF_USUAL)] = known_from(draw.uniform(*_BEATS_OF_USUAL))
    return _recording(one, beats, rhythm, np.where(one.inside, NOT_S, IGNORED))


def _leads(one: Unlabelled, how: Preprocessing, draw: np.random.Generator) -> Floats:
    return one.windows if one.leads > 1 or how.leads == 1 else one_lead(one.windows, draw)


def one_lead(windows: Floats, draw: np.random.Generator) -> Floats:
    """Windows [n, leads, width] of a single lead, the first; it may stand for the second one, too."""
    if draw.random() >= _COPIED:
        return windows
    windows = windows.copy()
    windows[:, 1] = draw.choice([-1, 1]) * windows[:, 0]
    return windows


def _recording(one: Unlabelled, beats: Floats, rhythm: Floats, label: NDArray[np.int64]) -> Recording:
    return Recording("/".join(one.key), *map(torch.from_numpy, (beats, rhythm, label)))


def join_recordings(recordings: Iterable[Recording], length: int) -> list[Recording]:
    """Join recordings, in their order, to sequences of ``length`` beats; beats left over are dropped.

    A recording begins with each sequence, and what is left of its last one is not used.
    """
    joined, held = [], list[Recording]()
    for recording in recordings:
        held.append(recording)
        if sum(len(one.label) for one in held) >= length:
            parts = [torch.cat([getattr(one, name) for one in held])[:length] for name in _TENSORS]
            joined.append(Recording(held[0].name, *parts))
            held = []
    return joined


_TENSORS = ("beats", "rhythm", "label")
