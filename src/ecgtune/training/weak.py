"""Recordings that teach without labels of beats: what rhythm they are of says what their beats are not."""

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

WITHOUT_S = ("N", "A")
"""Labels of cinc2017's recordings without S beats worth the name: sinus rhythm, and atrial fibrillation."""

_FEWEST_BEATS = 8


def weak_recordings(names: Iterable[str], how: Preprocessing) -> list[Recording]:
    """Prepare recordings of databases that label rhythms; every beat is labelled `NOT_S`.

    An early beat of a fibrillating atrium is no S, and in seconds of a recording that is called normal there
    is none, or nearly none.

    Parameters
    ----------
    names
        Of the databases: ``cinc2017``.
    how
        Preprocessing of the model.

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
            if labels.get(record_name) not in WITHOUT_S:
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
    return made
