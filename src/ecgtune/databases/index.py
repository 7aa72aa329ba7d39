"""A database as an index of records and patients, and where it is found on this machine."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecgtune.databases.catalogue import Entry, entry_of
from ecgtune.errors import DataError


@dataclass(frozen=True)
class Database:
    """The records of a database that lie in a folder, and whose they are; reads no signal.

    Parameters
    ----------
    entry
        What the catalogue says of it.
    root
        The folder that holds it, flat or in PhysioNet's folders.
    """

    entry: Entry
    root: Path

    @property
    def name(self) -> str:
        """The database's short name."""
        return self.entry.name

    @cached_property
    def headers(self) -> dict[str, Path]:
        """Header file of each record whose header and signal files are there, in the order of names."""
        found: dict[str, Path] = {}
        for folder, names in _folders(self.root):
            there = set(names)
            for name in names:
                record = name.removesuffix(".hea")
                if record != name and all(record + signal in there for signal in self.entry.signals):
                    # The first in the order of folders wins where PhysioNet repeats records.
                    found.setdefault(record, folder / name)
        known = self.entry.record_set
        return {name: found[name] for name in sorted(found, key=natural_key) if not known or name in known}

    def records(self) -> tuple[str, ...]:
        """Names of the records that are there (header and signal), in natural order."""
        return tuple(self.headers)

    def path(self, record: str) -> Path:
        """Header file (``.hea``) of a record.

        Raises
        ------
        DataError
            Where the record, or one of its signal files, is not there.
        """
        if record not in self.headers:
            raise DataError(
                f"{self.name} {record}: not in {self.root} ({self.describe()}); "
                f"run `ecgtune data get {self.name}` or choose another record"
            )
        return self.headers[record]

    def patient(self, record: str) -> str:
        """Identity of a record's patient, comparable between databases; see `catalogue.patient_of`."""
        header = self.headers.get(record)
        # ptbdb tells patients by folder.
        where = header.relative_to(self.root).with_suffix("").as_posix() if header else record
        return self.entry.patient(where)

    def patients(self) -> dict[str, tuple[str, ...]]:
        """Records of each patient, in the order of first appearance."""
        found: dict[str, list[str]] = {}
        for record in self.records():
            found.setdefault(self.patient(record), []).append(record)
        return {patient: tuple(records) for patient, records in found.items()}

    @property
    def complete(self) -> bool:
        """Whether all its records are there."""
        return len(self.headers) >= self.entry.n_records

    def describe(self) -> str:
        """Say how much of it is there: ``39 of 78 records``."""
        return f"{len(self.headers)} of {self.entry.n_records} records"

    def __len__(self) -> int:
        """Count the records that are there."""
        return len(self.headers)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the records that are there."""
        return iter(self.headers)


def data_folder() -> Path | None:
    """Folder that `ECGTUNE_DATA` names, or None where it is not set."""
    folder = os.environ.get("ECGTUNE_DATA")
    return Path(folder).expanduser() if folder else None


def cache_folder() -> Path:
    """Folder of the user's cache that downloads go to where `ECGTUNE_DATA` is not set."""
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("ecgtune"))


def find_database(name: str, *, folder: Path | None = None) -> Database:
    """Find a database on this machine: in ``ECGTUNE_DATA/<name>``, else in the user's cache folder.

    Parameters
    ----------
    name
        A name of the catalogue, e.g. ``"mitdb"``.
    folder
        Look in this folder alone (the one that holds the records).

    Raises
    ------
    DataError
        On an unknown name, or where no record of it is found; the text says how to get it.
    """
    entry = entry_of(name)
    places = _places(name) if folder is None else [folder]
    for place in places:
        database = Database(entry, place)
        if len(database):
            return database
    raise DataError(
        f"{name}: no records in {' or '.join(map(str, places))}; run `ecgtune data get {name}` "
        "or set ECGTUNE_DATA to the folder that holds it"
    )


def _places(name: str) -> list[Path]:
    folder = data_folder()
    return [place / name for place in (folder, cache_folder()) if place is not None]


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Walk a folder and those below it in the order of names; empty where it is not there."""
    for folder, below, names in os.walk(root):
        below.sort()
        yield Path(folder), names


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which ``data_9_2`` comes before ``data_10_1``."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)
