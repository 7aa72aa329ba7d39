"""Recordings without an ectopic beat: of people in normal rhythm, and of noise.

Nobody has labelled their beats, but what is called S or V there is false. The recordings are short, of people
who hold a device in their hands. What its first seconds, a movement or a loose finger look like is in no
database with labels of beats.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.labels import CLASSES
from ecgtune.model import Model
from ecgtune.training.fibrillating import hours_of
from ecgtune.training.tables import RecordKey
from ecgtune.training.unlabelled import Unlabelled, databases_of, read_unlabelled

WITHOUT_ECTOPY: Mapping[str, Mapping[str, str]] = {"cinc2017": {"N": "normal rhythm", "~": "noise"}}
"""Which labels of recordings say so in each database, and what they mean."""


@dataclass(frozen=True)
class WithoutEctopy(Unlabelled):
    """A recording without an ectopic beat.

    Parameters
    ----------
    what
        What it holds: a value of `WITHOUT_ECTOPY`.
    """

    what: str


def recordings_without_ectopy(names: Iterable[str], how: Preprocessing) -> list[WithoutEctopy]:
    """Read recordings without an ectopic beat.

    Parameters
    ----------
    names, how
        Of the databases, keys of `WITHOUT_ECTOPY`, and preprocessing of the model. Errors as in
        `ecgtune.training.unlabelled.databases_of`.
    """
    found = []
    for database in databases_of(names, WITHOUT_ECTOPY, "without_ectopy"):
        meaning, labels = WITHOUT_ECTOPY[database.name], recording_labels(database)
        for name in database.records():
            if (what := meaning.get(labels.get(name, ""))) is None:
                continue
            read = read_unlabelled(database, name, how)
            if read is not None and len(read[1].at):
                found.append(WithoutEctopy(**vars(read[1]), what=what))
    return found


def false_ectopy(
    model: Model, recordings: Iterable[WithoutEctopy]
) -> dict[str, dict[RecordKey, NDArray[np.float64]]]:
    """Count the beats that a model calls S or V, and the hours: float64 [2] of each recording.

    Returns
    -------
    dict
        By class and what the recordings hold ("V in noise of cinc2017"), then by recording.
    """
    counted: dict[str, dict[RecordKey, NDArray[np.float64]]] = {}
    for one in recordings:
        said = model.predict(one.windows, one.at).argmax(axis=1)
        for class_ in "SV":
            beats = (said == CLASSES.index(class_)).sum()
            own = counted.setdefault(f"{class_} in {one.what} of {one.key[0]}", {})
            own[one.key] = np.array([beats, hours_of(one.at)])
    return counted
