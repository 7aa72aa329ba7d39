"""Recordings of which nobody has labelled the beats, but of which it is known where the atria fibrillate."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing
from ecgtune.beats.rhythm import LONGEST_S
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.databases.index import Database
from ecgtune.labels import CLASSES
from ecgtune.model import Model
from ecgtune.record import Record
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.training.tables import RecordKey
from ecgtune.training.unlabelled import Ints, Unlabelled, databases_of, in_rhythm, read_unlabelled

FIBRILLATION = {"cinc2017": "A", "cpsc2021": "AFIB"}
"""What a recording of atrial fibrillation, or a part of one, is called in each database."""

_FEWEST_BEATS = 8

Fibrillates = Callable[[Record, Ints], NDArray[np.bool_]]
"""Tells of which working samples of a recording it is known that the atria fibrillate."""


@dataclass(frozen=True)
class Fibrillating(Unlabelled):
    """A recording, and where its atria fibrillate.

    Parameters
    ----------
    inside
        Of which beats it is known that they do, bool [n].
    """

    inside: NDArray[np.bool_]


def fibrillating_recordings(names: Iterable[str], how: Preprocessing) -> list[Fibrillating]:
    """Read recordings of atrial fibrillation.

    Parameters
    ----------
    names, how
        Of the databases, keys of `FIBRILLATION`, and preprocessing of the model. Errors as in
        `ecgtune.training.unlabelled.databases_of`.
    """
    found = []
    for database in databases_of(names, FIBRILLATION, "weak"):
        kept, fibrillates = _known_rhythms(database)
        for record_name in kept:
            recording = _read(database, record_name, how, fibrillates)
            if recording is not None:
                found.append(recording)
    return found


def false_s(model: Model, recordings: Iterable[Fibrillating]) -> dict[RecordKey, NDArray[np.float64]]:
    """Count the beats of fibrillation that a model calls S, and its hours, float64 [2] of each recording.

    Beats of it that come early are no early beats of the atria, which do not beat.
    """
    counted = {}
    for one in recordings:
        said = model.predict(one.windows, one.at).argmax(axis=1) == CLASSES.index("S")
        counted[one.key] = np.array([said[one.inside].sum(), hours_of(one.at, one.inside)])
    return counted


def hours_of(at: Ints, wanted: NDArray[np.bool_] | slice = slice(None)) -> float:
    """Hours that beats at working samples [n] last, or the wanted ones; gaps count for `LONGEST_S`."""
    seconds = np.minimum(np.diff(at, append=at[-1]) / WORKING_RATE, LONGEST_S)
    return float(seconds[wanted].sum() / 3600)


def _known_rhythms(database: Database) -> tuple[list[str], Fibrillates]:
    """Names of the records that may fibrillate, and what tells where."""
    wanted = FIBRILLATION[database.name]
    if database.name == "cinc2017":
        labels: Mapping[str, str] = recording_labels(database)
        return [name for name in database.records() if labels.get(name) == wanted], _everywhere
    return list(database.records()), partial(in_rhythm, wanted)


def _everywhere(_: Record, at: Ints) -> NDArray[np.bool_]:
    return np.ones(len(at), dtype=bool)


def _read(database: Database, name: str, how: Preprocessing, fibrillates: Fibrillates) -> Fibrillating | None:
    """Read a recording; None where too few of its beats fibrillate."""
    found = read_unlabelled(database, name, how)
    if found is None:
        return None
    record, one = found
    inside = fibrillates(record, one.at)
    return Fibrillating(**vars(one), inside=inside) if inside.sum() >= _FEWEST_BEATS else None
