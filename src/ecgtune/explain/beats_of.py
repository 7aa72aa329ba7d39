"""The beats that a report explains: some of each class, from as many recordings as possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import beat_index
from ecgtune.databases import PACED, find_database
from ecgtune.errors import DataError
from ecgtune.explain.subject import BeatSubject, Examples, Reading, concatenate
from ecgtune.training.tables import RecordKey, open_record

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Index:
    """Annotated beats of recordings, without signal.

    Parameters
    ----------
    keys
        Database and record.
    patient
        Of each record.
    sample, label
        Native samples and indices of classes of each record's beats, int64 [n].
    """

    keys: tuple[RecordKey, ...]
    patient: dict[RecordKey, str]
    sample: dict[RecordKey, Ints] = field(repr=False)
    label: dict[RecordKey, Ints] = field(repr=False)


@dataclass(frozen=True)
class Drawn:
    """Beats that were drawn, with the recordings around them.

    Parameters
    ----------
    readings
        Recordings as a model's preprocessing gives them.
    rows
        Of each recording, the drawn beats, int64, ascending.
    """

    readings: tuple[Reading, ...] = field(repr=False)
    rows: tuple[Ints, ...] = field(repr=False)

    @property
    def keys(self) -> tuple[RecordKey, ...]:
        """Database and record of each recording."""
        return tuple((reading.database, reading.record) for reading in self.readings)

    def examples(self, subject: BeatSubject) -> Examples:
        """Make the beats as a subject's network sees them."""
        pairs = zip(self.readings, self.rows, strict=True)
        return concatenate([subject.examples(reading, rows) for reading, rows in pairs if len(rows)])

    def thin(self, per_class: int, seed: int) -> "Drawn":
        """Draw fewer of the beats, dealt over classes and recordings as before."""
        every = dict(zip(self.keys, zip(self.readings, self.rows, strict=True), strict=True))
        labels = {key: reading.label[rows] for key, (reading, rows) in every.items()}
        kept = deal(labels, per_class, seed)
        return Drawn(self.readings, tuple(rows[kept[key]] for key, (_, rows) in every.items()))


def index_records(keys: Sequence[RecordKey]) -> Index:
    """Read the annotated beats of some records, without their signals.

    Raises
    ------
    DataError
        Where a record is not there.
    """
    patient, sample, label = {}, {}, {}
    for key in keys:
        record, annotations = open_record(key)
        table = beat_index(record, annotations, database=key[0])
        patient[key] = record.patient
        sample[key], label[key] = table.sample, table.label.astype(np.int64)
    return Index(tuple(keys), patient, sample, label)


def held_out(index: Index, trained_on: frozenset[str]) -> tuple[RecordKey, ...]:
    """Records of patients that a model was not trained on."""
    return tuple(key for key in index.keys if index.patient[key] not in trained_on)


def records_of(database: str, records: Sequence[str] | None = None) -> tuple[RecordKey, ...]:
    """Keys of some records of a database; of all where None, of mitdb without the paced ones.

    Raises
    ------
    DataError
        Where a record is not there.
    """
    there = find_database(database).records()
    if unknown := [name for name in records or () if name not in there]:
        raise DataError(f"{database}: no record {unknown[0]}; there are {', '.join(there)}")
    paced = PACED if database == "mitdb" and records is None else ()
    return tuple((database, name) for name in records or there if name not in paced)


def deal(labels: Mapping[RecordKey, Ints], per_class: int, seed: int) -> dict[RecordKey, Ints]:
    """Draw beats of each class, as evenly as possible over the records that hold the class.

    Parameters
    ----------
    labels
        Class of each beat of each record, int64 [n]; -1 is never drawn.
    per_class
        Beats of a class; all of them where there are fewer.
    seed
        Of the draw.

    Returns
    -------
    dict
        Rows of each record, int64, ascending.
    """
    chosen: dict[RecordKey, list[Ints]] = {key: [] for key in labels}
    classes = sorted({int(label) for own in labels.values() for label in own.tolist()} - {-1})
    for label in classes:
        rng = np.random.default_rng([seed, label])
        rows = {key: np.flatnonzero(own == label) for key, own in labels.items()}
        rows = {key: rng.permutation(own) for key, own in rows.items() if len(own)}
        counts = _even([len(own) for own in rows.values()], per_class, rng)
        for (key, own), count in zip(rows.items(), counts, strict=True):
            chosen[key].append(own[:count])
    empty = [np.empty(0, dtype=np.int64)]
    return {key: np.sort(np.concatenate(empty + parts)).astype(np.int64) for key, parts in chosen.items()}


def _even(there: Sequence[int], total: int, rng: np.random.Generator) -> list[int]:
    """Share out a total over places that hold so many each, as evenly as they allow."""
    given = np.zeros(len(there), dtype=np.int64)
    room = np.asarray(there, dtype=np.int64)
    left = min(total, int(room.sum()))
    while left:
        open_places = np.flatnonzero(given < room)
        if left < len(open_places):
            given[rng.choice(open_places, left, replace=False)] += 1
            break
        step = min(left // len(open_places), int((room - given)[open_places].min()))
        given[open_places] += step
        left -= step * len(open_places)
    return [int(count) for count in given]


def most_classes(index: Index, keys: Sequence[RecordKey], most: int, seed: int) -> tuple[RecordKey, ...]:
    """Choose a few records that hold many classes between them, the rarest classes first.

    Parameters
    ----------
    index
        Their beats.
    keys
        Records to choose from.
    most
        How many.
    seed
        Of the draw between records that are as good.
    """
    rng = np.random.default_rng(seed)
    left = [keys[i] for i in rng.permutation(len(keys)).tolist()]
    held = {key: frozenset(np.unique(index.label[key]).tolist()) - {-1} for key in left}
    times = {label: 0 for labels in held.values() for label in labels}
    found: list[RecordKey] = []
    while left and len(found) < most:
        # A class that two records hold already is worth half of one that one record holds.
        best = max(left, key=lambda key: sum(0.5 ** times[label] for label in held[key]))
        left.remove(best)
        found.append(best)
        for label in held[best]:
            times[label] += 1
    return tuple(sorted(found))


def read_drawn(subject: BeatSubject, index: Index, drawn: Mapping[RecordKey, Ints]) -> Drawn:
    """Read the recordings of beats that were drawn, as a subject's preprocessing gives them.

    Parameters
    ----------
    subject
        Its preprocessing.
    index
        The beats that ``drawn`` has rows of.
    drawn
        See `deal`; a record without beats is not read.
    """
    readings, rows = [], []
    for key, own in drawn.items():
        if not len(own):
            continue
        record, annotations = open_record(key)
        reading = subject.read(record, annotations, database=key[0])
        wanted = np.isin(reading.sample, index.sample[key][own]) & (reading.label >= 0)
        readings.append(reading)
        rows.append(np.flatnonzero(wanted).astype(np.int64))
    return Drawn(tuple(readings), tuple(rows))
