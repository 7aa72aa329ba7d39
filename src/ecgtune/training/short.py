"""Stretches of training recordings as if nothing else had been recorded, most of them of one lead.

People who hold a device in their hands record half a minute of one lead. Of so few beats there are few
look-alikes, and what is typical and usual is known less well than in the hours of the databases. And the
short recordings that train besides hold no early beats, or only such of fibrillation
(`ecgtune.training.weak`): from them alone a network would learn that in short recordings nothing comes early.

Half of the stretches keep what the whole recording tells of the usual rate, as those of fibrillation are
given any; all in which S beats prevail do, since nothing else tells. Where V beats prevail a stretch is left
out.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing
from ecgtune.beats.rhythm import FEATURES
from ecgtune.evaluation.metrics import known_confusion
from ecgtune.labels import CLASSES
from ecgtune.model import Model
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.training.sequences import IGNORED, Recording, labels_of
from ecgtune.training.tables import RecordKey, rows_of
from ecgtune.training.weak import join_recordings, one_lead

S, V = CLASSES.index("S"), CLASSES.index("V")

_SECONDS = (20.0, 60.0)
"""How long a stretch lasts."""

HALF_MINUTE = 30 * WORKING_RATE
"""Working samples of what is labelled by itself in `score_short`."""

_FEWEST = 10
"""A stretch with fewer beats is not taken."""

_ECTOPIC = 0.5
"""Share of the stretches that are laid around an S or V beat, where there are such."""

_ALONE = 0.75
"""Share of the stretches of which one lead is left."""

_SURROUNDED = 0.5
"""Share of the stretches that keep the usual rate and the jumps of the whole recording."""


def short_recordings(
    table: Beats, rows: NDArray[np.integer], how: Preprocessing, count: int, length: int
) -> list[Recording]:
    """Prepare short stretches of recordings.

    Parameters
    ----------
    table, rows, how
        As of `ecgtune.training.sequences.prepare`.
    count
        Stretches of each recording.
    length
        Beats that a training sees at once; see `ecgtune.training.weak.join_recordings`.
    """
    label = labels_of(table, rows)
    found: list[Recording] = []
    for key in table.records() if count else ():
        name, own = "/".join(key), table.of(*key)
        draw = np.random.default_rng([2, *name.encode()])
        windows, at, labels = table.windows[own], table.at[own], label[own]
        whole = how.rr_features(at)[:, len(FEATURES) :]
        for some in _stretches(at, labels, count, draw):
            beats, rhythm = how.inputs(_some_leads(windows[some], how, draw), at[some])
            of_s, of_v = ((labels[some] == each).mean() > 0.5 for each in (S, V))
            # Where V prevails nothing tells in so short a time, and where S does the usual rate alone.
            if of_v or (of_s and not how.usual):
                continue
            if of_s or draw.random() < _SURROUNDED:
                rhythm[:, len(FEATURES) : len(FEATURES) + whole.shape[1]] = whole[some]
            found.append(Recording(name, *map(torch.from_numpy, (beats, rhythm, labels[some]))))
    return join_recordings(found, length)


def score_short(
    model: Model, table: Beats, index: Beats, rows: NDArray[np.integer]
) -> dict[RecordKey, NDArray[np.int64]]:
    """Confusion matrix of each record, its first lead cut into half minutes that are labelled one by one.

    Arguments as of `ecgtune.training.run.score`.
    """
    label = labels_of(table, rows_of(table, index, rows))
    matrices = {}
    for key in table.records():
        own = table.of(*key)
        at, windows = table.at[own], table.windows[own].copy()
        windows[:, 1:] = 0
        edges = np.searchsorted(at, np.arange(HALF_MINUTE, at[-1] + 1, HALF_MINUTE))
        said = [
            model.predict(*piece).argmax(axis=1)
            for piece in zip(np.split(windows, edges), np.split(at, edges), strict=True)
        ]
        matrices[key] = known_confusion(label[own], np.concatenate(said))
    return matrices


def _stretches(
    at: NDArray[np.integer], label: NDArray[np.int64], count: int, draw: np.random.Generator
) -> Iterator[slice]:
    """Draw stretches of a recording's beats at working samples."""
    ectopic = at[np.isin(label, (S, V))]
    for _ in range(count):
        lasts = draw.uniform(*_SECONDS) * WORKING_RATE
        around = len(ectopic) > 0 and draw.random() < _ECTOPIC
        begin = draw.choice(ectopic) - lasts * draw.random() if around else draw.uniform(at[0], at[-1])
        some = slice(*np.searchsorted(at, (begin, begin + lasts)))
        if some.stop - some.start >= _FEWEST and (label[some] != IGNORED).any():
            yield some


def _some_leads(
    windows: NDArray[np.float32], how: Preprocessing, draw: np.random.Generator
) -> NDArray[np.float32]:
    """All leads of a stretch, or one of them, which may stand for two."""
    if how.leads == 1 or draw.random() >= _ALONE:
        return windows
    lead = draw.integers(windows.shape[1])
    windows = np.concatenate([windows[:, lead : lead + 1], np.zeros_like(windows[:, 1:])], axis=1)
    return one_lead(windows, draw)
