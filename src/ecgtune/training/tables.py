"""Tables of beats of public databases, for splitting, training and testing."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, annotated_beats, beat_index, concatenate, detected_beats
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


def index_database(name: str) -> Beats:
    """Index of all annotated beats of a database, without signal; mitdb without its paced records."""
    records = [record for record in find_database(name).records() if (name, record) not in _PACED]
    tables = []
    for record_name in records:
        record, annotations = open_record((name, record_name))
        tables.append(beat_index(record, annotations, database=name))
    return concatenate(tables)


_PACED = {("mitdb", record) for record in PACED}


def training_table(keys: Iterable[RecordKey], how: Preprocessing) -> Beats:
    """Beats as the detector finds them, with the labels of the annotations they match."""
    return concatenate(_cut(key, how, detected=True) for key in keys)


def reference_table(keys: Iterable[RecordKey], how: Preprocessing) -> Beats:
    """Beats where the annotations have them."""
    return concatenate(_cut(key, how, detected=False) for key in keys)


def _cut(key: RecordKey, how: Preprocessing, *, detected: bool) -> Beats:
    record, annotations = open_record(key)
    # The same choice of leads as at prediction.
    leads = preferred_leads(record, tuple(range(len(record.leads))), how.leads)
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
