"""Recordings of which nobody has labelled the beats, read as the detector finds these."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing, stream_windows
from ecgtune.beats.segments import rhythm_runs, within
from ecgtune.databases import find_database
from ecgtune.databases.index import Database
from ecgtune.errors import DataError, ModelError
from ecgtune.model import preferred_leads
from ecgtune.readers import read_record
from ecgtune.record import Record
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.signals.stream import probe
from ecgtune.training.tables import RecordKey

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Unlabelled:
    """Beats of a recording, as the detector finds them.

    Parameters
    ----------
    key, patient
        Whose.
    at
        Fiducials at the working rate, int64 [n].
    windows
        mV, float32 [n, leads, width]; zero where a lead is absent.
    leads
        How many leads the recording has for the model.
    """

    key: RecordKey
    patient: str
    at: Ints
    windows: NDArray[np.float32]
    leads: int


def databases_of(names: Iterable[str], known: Iterable[str], option: str) -> Iterator[Database]:
    """Find databases whose rhythms are labelled.

    Parameters
    ----------
    names
        Of the databases.
    known
        Those that an option of ``[data]`` may name.
    option
        That option.

    Raises
    ------
    ModelError
        On another database.
    DataError
        Where it is not there.
    """
    for name in names:
        if name not in known:
            raise ModelError(
                f"[data] {option}: {name} labels no rhythms of recordings; known: {', '.join(known)}"
            )
        yield find_database(name)


def at_hand(databases: Iterable[str]) -> list[str]:
    """List those databases that are on this machine."""
    there = []
    for name in databases:
        try:
            find_database(name)
        except DataError:
            continue
        there.append(name)
    return there


def read_unlabelled(database: Database, name: str, how: Preprocessing) -> tuple[Record, Unlabelled] | None:
    """Find the beats of a recording; None where no lead shows anything."""
    patient = database.patient(name)
    record = replace(read_record(database.path(name)), patient=patient)
    usable = probe(record, tuple(range(len(record.leads))))
    if not usable:
        return None
    leads = preferred_leads(record, usable, how.leads)
    found = [
        (at, windows)
        for _, at, windows in stream_windows(record, usable, [usable.index(lead) for lead in leads], how)
    ]
    at, windows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return record, Unlabelled((database.name, name), patient, at, windows, len(leads))


def in_rhythm(rhythm: str, record: Record, at: Ints) -> NDArray[np.bool_]:
    """Tell which working samples of a recording lie in a rhythm by its annotations ``atr``, bool [n]."""
    runs = rhythm_runs(record.annotations["atr"], record.n_samples)
    return within((run for run in runs if run.rhythm == rhythm), at / WORKING_RATE * record.fs)


def left_out(recordings: Sequence[Unlabelled], folds: int, seed: int) -> list[set[RecordKey]]:
    """Deal recordings to folds, those of a patient to one; each is left out in its fold."""
    patients = sorted({(one.key[0], one.patient) for one in recordings})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold_of = {patients[which]: place % folds for place, which in enumerate(order)}
    return [
        {one.key for one in recordings if fold_of[one.key[0], one.patient] == fold} for fold in range(folds)
    ]
