"""Tables of beats of public databases, for splitting, training and testing."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, annotated_beats, beat_index, concatenate, detected_beats
from ecgtune.beats.cut import MATCH
from ecgtune.beats.rhythm import LONGEST_S
from ecgtune.databases import PACED, find_database
from ecgtune.model import preferred_leads
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record

RecordKey = tuple[str, str]
"""Database and record."""


def open_record(key: RecordKey) -> tuple[Record, Annotations]:
    """Open a record of a database, with its patient, and its reference annotations.

    Raises
    ------
    DataError
        Where the database or the record is not there.
    """
    name, record_name = key
    database = find_database(name)
    record = read_record(database.path(record_name))
    return replace(record, patient=database.patient(record_name)), record.annotations["atr"]


def open_until(key: RecordKey, seconds: float) -> tuple[Record, Annotations]:
    """Open a record as `open_record` does, but only up to a second of it."""
    record, annotations = open_record(key)
    record = record_until(record, seconds)
    return record, annotations.select(annotations.sample < record.n_samples)


def index_database(*names: str, paced: bool = False) -> Beats:
    """Index of all annotated beats of databases, without signal.

    Parameters
    ----------
    names
        Of the databases.
    paced
        Whether mitdb's paced records are taken.

    Raises
    ------
    DataError
        Where a database is not there.
    """
    tables = []
    for name in names:
        for record_name in find_database(name).records():
            if not paced and (name, record_name) in _PACED:
                continue
            record, annotations = open_record((name, record_name))
            tables.append(beat_index(record, annotations, database=name))
    return concatenate(tables)


_PACED = {("mitdb", record) for record in PACED}


def split_options(protocol: str, how: Preprocessing) -> dict[str, Any]:
    """Options that `make_split` needs for a protocol: those that divide in time want what a beat reads.

    The medians over further beats are kept apart by cutting the records (see `training_table`).
    """
    return {"window": beat_reads(how)} if protocol in _IN_TIME else {}


_IN_TIME = ("chronological", "patient-adapted", "patient-adapted-open", "patient-adapted-24")


def beat_reads(how: Preprocessing) -> tuple[float, float]:
    """Seconds before and after an annotation that the inputs of its beat are read from.

    That is the window around the fiducial, wherever within `MATCH` of the annotation it lies, and the RR
    intervals before and after it up to the longest that the features tell apart.
    """
    before, after = (max(side / how.rate, LONGEST_S) + MATCH / how.rate for side in (how.before, how.after))
    return before, after


def training_table(
    keys: Iterable[RecordKey], how: Preprocessing, until: Mapping[RecordKey, float] | None = None
) -> Beats:
    """Beats as the detector finds them, with the labels of the annotations they match.

    Parameters
    ----------
    keys
        The records.
    how
        Preprocessing of the model.
    until
        Second after which nothing of a record is read: it is cut there before beats are detected, so that
        neither a filter nor a median nor a network sees beyond. A record that is not listed is read whole.
    """
    return concatenate(_cut(key, how, detected=True, until=(until or {}).get(key, np.inf)) for key in keys)


def record_until(record: Record, seconds: float) -> Record:
    """Cut a record's end off; what is left is read on demand as before."""
    if seconds * record.fs >= record.n_samples:
        return record
    # The sample that the instant falls on is the first of the later side, as in `ecgtune.splits`.
    n_samples = int(np.floor(seconds * record.fs + 1e-9))
    return replace(record, n_samples=n_samples, annotations={})


def reference_table(keys: Iterable[RecordKey], how: Preprocessing, *, most_leads: int | None = None) -> Beats:
    """Beats where the annotations have them, read in the model's leads or in ``most_leads`` of them."""
    return concatenate(_cut(key, how, detected=False, most_leads=most_leads) for key in keys)


def _cut(
    key: RecordKey,
    how: Preprocessing,
    *,
    detected: bool,
    until: float = np.inf,
    most_leads: int | None = None,
) -> Beats:
    record, annotations = open_until(key, until)
    # The same choice of leads as at prediction.
    leads = preferred_leads(record, tuple(range(len(record.leads))), min(how.leads, most_leads or how.leads))
    cut = detected_beats if detected else annotated_beats
    return cut(record, annotations, leads, how, database=key[0])


def rows_of(table: Beats, index: Beats, rows: NDArray[np.integer]) -> NDArray[np.intp]:
    """Rows of a table that hold the beats of some rows of an index (same record, same sample)."""
    wanted = set(
        zip(
            index.database[rows].tolist(),
            index.record[rows].tolist(),
            index.sample[rows].tolist(),
            strict=True,
        )
    )
    keys = zip(table.database.tolist(), table.record.tolist(), table.sample.tolist(), strict=True)
    return np.flatnonzero([key in wanted for key in keys] & (table.label >= 0))
