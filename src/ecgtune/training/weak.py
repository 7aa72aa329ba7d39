"""Recordings that teach without labels of beats: their rhythm says what their beats are not."""

from collections.abc import Iterable

import numpy as np
import torch

from ecgtune.beats import Preprocessing, jumps
from ecgtune.training.fibrillating import Fibrillating
from ecgtune.training.sequences import IGNORED, NOT_S, Recording

_COPIED = 0.6
"""Share of the recordings with one lead whose lead also stands for a second one."""

_BELOW_USUAL = (-0.2, 0.7)
"""How much shorter than usual, as a logarithm, the intervals of a recording that fibrillates may be."""


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
    return join_recordings([_prepared(one, how, draw) for one in found], length)


def _prepared(one: Fibrillating, how: Preprocessing, draw: np.random.Generator) -> Recording:
    windows = one.windows
    if one.leads == 1 and how.leads > 1 and draw.random() < _COPIED:
        windows = windows.copy()
        windows[:, 1] = draw.choice([-1, 1]) * windows[:, 0]
    beats, rhythm = how.inputs(windows, one.at)
    if how.usual:
        # Of a recording that lasts a minute nobody knows the usual rate: any may lie around it.
        first = how.rhythm_features.index(jumps.FEATURES[0])
        own = slice(first, first + len(jumps.FEATURES))
        below, began, ends = draw.uniform(*_BELOW_USUAL), draw.random() < 0.5, draw.random() < 0.5
        rhythm[:, own] = jumps.in_other_surroundings(rhythm[:, own], below, began, ends)
    label = np.where(one.inside, NOT_S, IGNORED)
    return Recording(
        "/".join(one.key), torch.from_numpy(beats), torch.from_numpy(rhythm), torch.from_numpy(label)
    )


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
