"""Recordings that teach without labels of beats: their rhythm says what their beats are not."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing, jumps, stream_windows
from ecgtune.beats.segments import rhythm_runs
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.databases.index import Database
from ecgtune.errors import ModelError
from ecgtune.model import preferred_leads
from ecgtune.readers import read_record
from ecgtune.record import Record
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.signals.stream import probe
from ecgtune.training.sequences import IGNORED, NOT_S, Recording

FIBRILLATION = {"cinc2017": "A", "cpsc2021": "AFIB"}
"""What a recording of atrial fibrillation, or a part of one, is called in each database."""

_FEWEST_BEATS = 8

_COPIED = 0.6
"""Share of the recordings with one lead whose lead also stands for a second one."""

_BELOW_USUAL = (-0.2, 0.7)
"""How much shorter than usual, as a logarithm, the intervals of a recording that fibrillates may be."""

Ints = NDArray[np.int64]
Fibrillates = Callable[[Record, Ints], NDArray[np.bool_]]
"""Tells of which working samples of a recording it is known that the atria fibrillate."""


def weak_recordings(names: Iterable[str], how: Preprocessing, length: int) -> list[Recording]:
    """Prepare recordings of atrial fibrillation; every beat of it is labelled `NOT_S`.

    The atria of such a heart do not beat, so that none of its beats is an early beat of theirs, however early
    it comes. A share of the recordings with one lead get it for a second one too, at random upside down, else
    two leads would hardly be seen in fibrillation.

    Parameters
    ----------
    names
        Of the databases, keys of `FIBRILLATION`.
    how
        Preprocessing of the model.
    length
        Beats that a training sees at once. The recordings are joined to sequences of so many beats, since
        most are shorter, and the zeros that would fill them up tell in every layer that normalises a batch.

    Raises
    ------
    ModelError
        On another database.
    DataError
        Where it is not there.
    """
    made = []
    draw = np.random.default_rng(0)
    for name in names:
        if name not in FIBRILLATION:
            raise ModelError(
                f"[data] weak: {name} labels no rhythms of recordings; known: {', '.join(FIBRILLATION)}"
            )
        database = find_database(name)
        kept, fibrillates = _known_rhythms(database)
        for record_name in kept:
            recording = _prepared(database, record_name, how, fibrillates, draw)
            if recording is not None:
                made.append(recording)
    return join_recordings(made, length)


def _known_rhythms(database: Database) -> tuple[list[str], Fibrillates]:
    """Names of the records that may fibrillate, and what tells where."""
    wanted = FIBRILLATION[database.name]
    if database.name == "cinc2017":
        labels = recording_labels(database)
        return [name for name in database.records() if labels.get(name) == wanted], _everywhere
    return list(database.records()), _by_annotations


def _everywhere(_: Record, at: Ints) -> NDArray[np.bool_]:
    return np.ones(len(at), dtype=bool)


def _by_annotations(record: Record, at: Ints) -> NDArray[np.bool_]:
    sample = at / WORKING_RATE * record.fs
    inside = np.zeros(len(at), dtype=bool)
    for run in rhythm_runs(record.annotations["atr"], record.n_samples):
        if run.rhythm == FIBRILLATION["cpsc2021"]:
            inside |= (sample >= run.start) & (sample < run.stop)
    return inside


def _prepared(
    database: Database,
    name: str,
    how: Preprocessing,
    fibrillates: Fibrillates,
    draw: np.random.Generator,
) -> Recording | None:
    """Prepare a recording; None where too few of its beats fibrillate."""
    record = replace(read_record(database.path(name)), patient=database.patient(name))
    usable = probe(record, tuple(range(len(record.leads))))
    if not usable:
        return None
    leads = preferred_leads(record, usable, how.leads)
    found = [
        (at, windows)
        for _, at, windows in stream_windows(record, usable, [usable.index(lead) for lead in leads], how)
    ]
    at = np.concatenate([beats for beats, _ in found])
    inside = fibrillates(record, at)
    if inside.sum() < _FEWEST_BEATS:
        return None
    windows = np.concatenate([windows for _, windows in found])
    if len(leads) == 1 and how.leads > 1 and draw.random() < _COPIED:
        windows[:, 1] = draw.choice([-1, 1]) * windows[:, 0]
    beats, rhythm = how.inputs(windows, at)
    if how.usual:
        # Of a recording that lasts a minute nobody knows the usual rate: any may lie around it.
        first = how.rhythm_features.index(jumps.FEATURES[0])
        own = slice(first, first + len(jumps.FEATURES))
        below, began, ends = draw.uniform(*_BELOW_USUAL), draw.random() < 0.5, draw.random() < 0.5
        rhythm[:, own] = jumps.in_other_surroundings(rhythm[:, own], below, began, ends)
    label = np.where(inside, NOT_S, IGNORED)
    return Recording(
        f"{database.name}/{name}", torch.from_numpy(beats), torch.from_numpy(rhythm), torch.from_numpy(label)
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
