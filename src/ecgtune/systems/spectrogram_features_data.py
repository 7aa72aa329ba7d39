"""Segments of four rhythms from several databases: which there are, which are taken, and their signal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats.segments import Rows, Run, Segments, choose_segments, concatenate, rhythm_runs, segments_of
from ecgtune.beats.segments import cut_segments as cut
from ecgtune.databases import PACED, find_database
from ecgtune.databases.cinc2017 import recording_labels
from ecgtune.databases.index import Database
from ecgtune.errors import DataError
from ecgtune.readers import read_record
from ecgtune.record import Record

Tell = Callable[[str], None]

_CINC2017 = {"N": "N", "A": "AFIB"}
"""Its labels of whole recordings; of other rhythms and of noise there are no segments."""

_NO_FIBRILLATION = "# non atrial fibrillation"
"""How a header of cpsc2021 says that its record is of another rhythm than fibrillation throughout."""


@dataclass(frozen=True)
class Instances:
    """What is classified: leads of segments.

    Parameters
    ----------
    segments
        The segments, each a stretch of time.
    segment
        Row of each instance among the segments, intp [n].
    lead
        Index of its lead, int64 [n].
    signal
        mV at 128 Hz, float32 [n, samples].
    seconds
        Length of each.
    flat
        Leads of chosen segments that were left out: flat, or with missing samples.
    """

    segments: Segments
    segment: Rows
    lead: NDArray[np.int64]
    signal: NDArray[np.float32]
    seconds: float
    flat: int

    def __len__(self) -> int:
        """Count the instances."""
        return len(self.segment)

    @property
    def label(self) -> NDArray[np.int8]:
        """Index of the class of each instance."""
        return self.segments.label[self.segment]

    @property
    def patient(self) -> NDArray[np.str_]:
        """Patient of each instance."""
        return self.segments.patient[self.segment]

    @property
    def database(self) -> NDArray[np.str_]:
        """Database of each instance."""
        return self.segments.database[self.segment]

    @property
    def key(self) -> NDArray[np.str_]:
        """Database and record of each instance, ``mitdb/207``."""
        return np.char.add(np.char.add(self.database, "/"), self.segments.record[self.segment])

    def select(self, which: NDArray[np.bool_]) -> "Instances":
        """Return the instances that a mask picks, and the segments that they are of."""
        kept = np.unique(self.segment[which])
        return replace(
            self,
            segments=self.segments.select(kept),
            segment=np.searchsorted(kept, self.segment[which]),
            lead=self.lead[which],
            signal=self.signal[which],
        )


def load_instances(how: Mapping[str, Any], seconds: float, tell: Tell = lambda _: None) -> Instances:
    """Take segments of every class from the databases, and read them.

    Parameters
    ----------
    how
        ``segments`` of the configuration; ``records`` there, by database, limits whose segments are taken.
    seconds
        Length of a segment.
    tell
        Called with a line for each database.

    Raises
    ------
    DataError
        Where a database or its labels are not there, or a class has no segment.
    """
    options = how["segments"]
    patterns: Mapping[str, list[str]] = options["patterns"]
    tables: list[Segments] = []
    for name in options["databases"]:
        database = find_database(name)
        labels = recording_labels(database) if name == "cinc2017" else {}
        before = len(tables)
        for record_name in _records(database, options.get("records", {}).get(name), labels):
            record = _open(database, record_name)
            runs = _runs(database, record, labels)
            tables.append(segments_of(record, runs, seconds, database=name, patterns=patterns))
        tell(f"{name}: {sum(map(len, tables[before:])):,} segments of {seconds:g} s")
    if not tables:
        raise DataError("segments.databases names none; give some, ecgtune data list has their names")
    there = concatenate(tables)
    _check_classes(there, patterns, options["databases"], seconds)
    rows = choose_segments(there, options["per_class"], options["per_patient"], options["seed"])
    found = _read(there.select(rows), seconds, tuple(options["band_hz"]), options["order"])
    _check_classes(found.segments, patterns, options["databases"], seconds)
    tell(f"{len(found):,} leads of {len(found.segments):,} segments of {seconds:g} s are taken")
    return found


def _read(segments: Segments, seconds: float, band_hz: tuple[float, float], order: int) -> Instances:
    """Cut every lead of segments; those that show nothing are left out."""
    rows, leads, signals = [], [], []
    for key in sorted(set(zip(segments.database.tolist(), segments.record.tolist(), strict=True))):
        own = np.flatnonzero((segments.database == key[0]) & (segments.record == key[1]))
        record = _open(find_database(key[0]), key[1])
        for lead in range(len(record.leads)):
            rows.append(own)
            leads.append(np.full(len(own), lead, dtype=np.int64))
            signals.append(cut(record, lead, segments.sample[own], seconds, band_hz, order))
    # In the order of the segments, so that nothing depends on that of the records.
    every = np.concatenate(rows)
    order_ = np.lexsort((np.concatenate(leads), every))
    found = Instances(
        segments, every[order_], np.concatenate(leads)[order_], np.concatenate(signals)[order_], seconds, 0
    )
    shown: NDArray[np.bool_] = np.asarray(np.isfinite(found.signal).all(axis=1))
    return replace(found.select(shown), flat=int((~shown).sum()))


def _records(database: Database, asked: list[str] | int | None, labels: Mapping[str, str]) -> list[str]:
    """Records to take segments of: those asked for, so many of each label, or all."""
    if isinstance(asked, list):
        return asked
    there = [record for record in database if database.name != "mitdb" or record not in PACED]
    if asked is None:
        return there
    by_label = {name: [record for record in there if labels.get(record) == name] for name in _CINC2017}
    return [record for records in by_label.values() for record in records[: asked // len(by_label)]]


def _open(database: Database, record: str) -> Record:
    return replace(read_record(database.path(record)), patient=database.patient(record))


def _runs(database: Database, record: Record, labels: Mapping[str, str]) -> list[Run]:
    """Rhythms of a record, as its database labels them."""
    if database.name == "cinc2017":
        rhythm = _CINC2017.get(labels.get(record.name, ""))
        return [Run(rhythm, 0, record.n_samples)] if rhythm else []
    if "atr" not in record.annotations:
        raise DataError(
            f"{database.name} {record.name}: has no annotations; run `ecgtune data get {database.name}`"
        )
    runs = rhythm_runs(record.annotations["atr"], record.n_samples)
    if database.name == "cpsc2021" and not runs:
        header = database.path(record.name).read_text(encoding="utf-8", errors="replace")
        if _NO_FIBRILLATION in header.splitlines():
            return [Run("N", 0, record.n_samples)]
    return runs


def _check_classes(
    segments: Segments, patterns: Mapping[str, list[str]], databases: list[str], seconds: float
) -> None:
    for place, (name, rhythms) in enumerate(patterns.items()):
        if not (segments.label == place).any():
            raise DataError(
                f"no segment of {seconds:g} s of class {name} ({', '.join(rhythms)}) in "
                f"{', '.join(databases)}; add a database or records that hold it, or shorten segments.seconds"
            )
