"""What is there of each database, and whether its files are what PhysioNet published."""

import hashlib
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ecgtune.databases.catalogue import CATALOGUE, Entry, parse_sha256sums
from ecgtune.databases.index import Database, data_folder, find_database
from ecgtune.errors import DataError


@dataclass(frozen=True)
class Listed:
    """One line of `list_databases`.

    Parameters
    ----------
    name, title, licence
        From the catalogue.
    root
        Folder where it was found, or None.
    place
        ``"ECGTUNE_DATA"``, ``"cache"``, or ``""`` where it was not found.
    n_records, n_complete
        Records that are there, and records of the complete database.
    n_bytes
        Size of the folder.
    """

    name: str
    title: str
    licence: str
    root: Path | None
    place: str
    n_records: int
    n_complete: int
    n_bytes: int


@dataclass(frozen=True)
class Verification:
    """What `verify` found; files are relative to the folder.

    Parameters
    ----------
    name, root
        The database and its folder.
    ok
        Number of files whose hash is right.
    damaged
        Files whose hash is wrong.
    missing
        Files of which the record's other files are there.
    unknown
        Files of records whose hash is not known.
    n_records, n_complete
        Records that are there, and records of the complete database: fewer is a subset, not damage.
    """

    name: str
    root: Path
    ok: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    n_records: int
    n_complete: int

    @property
    def intact(self) -> bool:
        """Whether no file is damaged or missing; a subset may be intact."""
        return not self.damaged and not self.missing

    @property
    def partial(self) -> bool:
        """Whether whole records are missing."""
        return self.n_records < self.n_complete

    def __str__(self) -> str:
        """Say it in one line, with the remedy where one is needed."""
        subset = " (partial)" if self.partial else ""
        text = (
            f"{self.name}: {self.n_records} of {self.n_complete} records{subset} in {self.root}; files: "
            f"{self.ok} ok, {len(self.damaged)} damaged, {len(self.missing)} missing, "
            f"{len(self.unknown)} of unknown hash"
        )
        if not self.intact:
            first = (*self.damaged, *self.missing)
            text += f" ({', '.join(first[:5])}{', ...' if len(first) > 5 else ''}); "
            text += f"run `ecgtune data get {self.name}`"
        return text


def list_databases() -> list[Listed]:
    """List every database of the catalogue, and what is found of it on this machine."""
    return [_listed(entry) for entry in CATALOGUE.values()]


def verify(name: str, *, folder: Path | None = None) -> Verification:
    """Compare the files of a database with the hashes that PhysioNet published.

    Hashes are those that ship with ecgtune, then those of a ``SHA256SUMS.txt`` or ``SHA256SUMS`` beside the
    records.

    Parameters
    ----------
    name, folder
        As in `find_database`.

    Raises
    ------
    DataError
        On an unknown name, or where no record of it is found.
    """
    database = find_database(name, folder=folder)
    entry, root = database.entry, database.root
    known = _known_hashes(entry, root)
    there = _files_by_record(database)
    damaged: list[str] = []
    missing: list[str] = []
    unknown: list[str] = []
    ok = 0
    for record, paths in there.items():
        names = {path.name for path in paths}
        place = paths[0].parent.relative_to(root)
        missing += [(place / file).as_posix() for file in entry.record_files(record) if file not in names]
        for path in paths:
            relative = path.relative_to(root).as_posix()
            digest = known.get(relative) or known.get(path.name)
            if digest is None:
                unknown.append(relative)
            elif file_sha256(path) == digest:
                ok += 1
            else:
                damaged.append(relative)
    return Verification(
        name,
        root,
        ok,
        tuple(damaged),
        tuple(missing),
        tuple(unknown),
        len(database),
        entry.n_records,
    )


def wanted(entry: Entry, path: str) -> bool:
    """Whether a file of PhysioNet's folder belongs to the database: a record's file, or one of its extras."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts:
        return False
    if any(fnmatchcase(path, pattern) for pattern in entry.extras):
        return True
    folder = "" if str(place.parent) == "." else str(place.parent)
    return any(fnmatchcase(folder, pattern) for pattern in entry.folders) and is_of_record(entry, place.name)


def is_of_record(entry: Entry, name: str) -> bool:
    """Whether a file's name is that of a record's header, signals or annotations."""
    for suffix in (".hea", *entry.signals, *entry.annotations):
        record = name.removesuffix(suffix)
        if record != name:
            return not entry.records or record in entry.record_set
    return False


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_hashes(entry: Entry, root: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    for name in ("SHA256SUMS", "SHA256SUMS.txt"):
        if (root / name).is_file():
            known |= parse_sha256sums((root / name).read_text(errors="replace"))
    if entry.folders != ("",):
        # A flat copy of a database that PhysioNet keeps in folders.
        known |= {PurePosixPath(path).name: digest for path, digest in known.items() if wanted(entry, path)}
    return known | entry.hashes()


def _files_by_record(database: Database) -> dict[str, list[Path]]:
    """Files of each record that is there in part or whole."""
    found: dict[str, list[Path]] = {}
    for folder, below, names in os.walk(database.root):
        below.sort()
        for name in sorted(names):
            if is_of_record(database.entry, name):
                found.setdefault(name.rpartition(".")[0], []).append(Path(folder, name))
    return found


def _listed(entry: Entry) -> Listed:
    try:
        database = find_database(entry.name)
    except DataError:
        return Listed(entry.name, entry.title, entry.licence, None, "", 0, entry.n_records, 0)
    own = data_folder()
    place = "ECGTUNE_DATA" if own is not None and database.root == own / entry.name else "cache"
    n_bytes = sum(
        Path(folder, name).stat().st_size for folder, _, names in os.walk(database.root) for name in names
    )
    return Listed(
        entry.name,
        entry.title,
        entry.licence,
        database.root,
        place,
        len(database),
        entry.n_records,
        n_bytes,
    )
