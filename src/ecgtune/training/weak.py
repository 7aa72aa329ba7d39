"""Recordings that teach without labels of beats: their rhythm says what their beats are not."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from ecgtune.beats import Preprocessing, stream_windows
from ecgtune.databases import find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.errors import ModelError
from ecgtune.model import preferred_leads
from ecgtune.readers import read_record
from ecgtune.signals.stream import probe
from ecgtune.training.sequences import NOT_S, Recording

FIBRILLATION = "A"
"""Label of cinc2017's recordings of atrial fibrillation. Those of sinus rhythm teach nothing new."""

_FEWEST_BEATS = 8


def weak_recordings(names: Iterable[str], how: Preprocessing, length: int) -> list[Recording]:
    """Prepare recordings of atrial fibrillation; every beat is labelled `NOT_S`.

    The atria of such a heart do not beat, so that none of its beats is an early beat of theirs, however early
    it comes.

    Parameters
    ----------
    names
        Of the databases: ``cinc2017``.
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
    for name in names:
        if name != "cinc2017":
            raise ModelError(f"[data] weak: {name} labels no rhythms of whole recordings; known: cinc2017")
        database = find_database(name)
        labels = recording_labels(database)
        for record_name in database.records():
            if labels.get(record_name) != FIBRILLATION:
                continue
            record = replace(read_record(database.path(record_name)), patient=database.patient(record_name))
            usable = probe(record, tuple(range(len(record.leads))))
            if not usable:
                continue
            cut = [usable.index(lead) for lead in preferred_leads(record, usable, how.leads)]
            found = [(at, windows) for _, at, windows in stream_windows(record, usable, cut, how)]
            at = np.concatenate([beats for beats, _ in found])
            if len(at) < _FEWEST_BEATS:
                continue
            beats, rhythm = how.inputs(np.concatenate([windows for _, windows in found]), at)
            label = torch.full((len(at),), NOT_S)
            made.append(
                Recording(f"{name}/{record_name}", torch.from_numpy(beats), torch.from_numpy(rhythm), label)
            )
    return join_recordings(made, length)


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
