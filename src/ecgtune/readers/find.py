"""From what a user names (files, folders, patterns) to records."""

import glob
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ecgtune.errors import RecordError
from ecgtune.readers.sidecar import SIDECAR_KEYS
from ecgtune.readers.wfdb_header import read_header, segment_names

WFDB = ".hea"
EDF = (".edf",)
TABLES = (".csv", ".tsv", ".npy", ".npz")
SUFFIXES = (WFDB, *EDF, *TABLES)
"""Extensions of the files that stand for a record."""


def find_record(path: str | Path) -> Path:
    """Find the file that stands for one record.

    Parameters
    ----------
    path
        ``mitdb/208``, ``208.hea``, ``208.dat`` or ``208.atr`` give ``208.hea``; ``rec`` gives ``rec.edf``,
        ``rec.csv``, ... where it is the only one; an EDF, CSV, TSV, NPY or NPZ file stands for itself.

    Raises
    ------
    RecordError
        Where there is no such record, or several.
    """
    path = Path(path)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return path
    header = path.with_name(path.name + WFDB)
    if path.name and header.is_file():
        return header
    if path.is_dir():
        raise RecordError(f"{path}: is a folder; name one record in it")
    if path.suffix and path.with_suffix(WFDB).is_file():
        return path.with_suffix(WFDB)
    if path.is_file():
        if path.suffix in (".dat", ".mat"):
            raise RecordError(f"{path}: no {path.stem}.hea beside it; a WFDB record needs its header")
        known = ", ".join(SUFFIXES)
        raise RecordError(f"{path}: unknown format {path.suffix or '(no extension)'}; known: {known}")
    others = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
    others = [other for other in others if path.name and other.is_file()]
    if len(others) > 1:
        raise RecordError(
            f"{path}: stands for {', '.join(other.name for other in others)}; name one with its extension"
        )
    if not others:
        raise RecordError(
            f"{path}: no such record; check the path (a WFDB record is named like 208 or 208.hea)"
        )
    return others[0]


def record_files(path: Path) -> list[Path]:
    """Name every file that a record's samples and description come from, annotations left out.

    Parameters
    ----------
    path
        What stands for the record, as `find_record` gives it: its header or file comes first. Of a damaged
        header, itself alone.
    """
    if path.suffix.lower() in TABLES:
        return [path, path.with_suffix(".json")]
    headers = [path]
    if path.suffix == WFDB:
        headers += [path.parent / f"{name}{WFDB}" for name in segment_names(path)]
    files = dict.fromkeys(headers)
    for header in headers:
        if header.suffix == WFDB:
            with suppress(RecordError):
                signals = read_header(header).signals
                files.update(dict.fromkeys(header.parent / signal.file for signal in signals))
    return list(files)


def find_records(paths: Iterable[str | Path]) -> list[Path]:
    """Expand files, folders and patterns into records.

    A folder stands for the records in it and below it: every WFDB header but those of segments of a
    multi-segment record, every EDF file, and the CSV, TSV, NPY and NPZ files with a JSON file beside them
    that tells their rate. In a pattern (``mitdb/1*``) files of other kinds are passed over. Headers are
    not checked: a broken one is listed, and reading it says what is wrong.

    Parameters
    ----------
    paths
        What the user names; see `find_record` for single records.

    Returns
    -------
    list of Path
        Each record once, in the order given, and sorted inside a folder or pattern.

    Raises
    ------
    RecordError
        Where a path names no record. Give paths one by one to go on with the others.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_expand(path)))
    return list(found)


def _expand(path: str | Path) -> list[Path]:
    literal = Path(path)
    if literal.is_dir():
        return _in_folder(literal)
    if not glob.has_magic(str(path)) or literal.exists():
        return [find_record(literal)]
    records: list[Path] = []
    for match in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        try:
            records += _expand(Path(match))
        except RecordError:
            continue
    if not records:
        raise RecordError(f"{path}: no record matches; check the pattern")
    members = _segments(records)
    return [record for record in dict.fromkeys(records) if record not in members]


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    members = _segments(files)
    records = [
        path
        for path in files
        if path not in members and (path.suffix.lower() not in TABLES or _is_described(path))
    ]
    if not records:
        raise RecordError(
            f"{folder}: no record in this folder (WFDB, EDF, or CSV/NPY/NPZ with a JSON file that tells fs); "
            "name the files themselves"
        )
    return records


def _segments(files: Iterable[Path]) -> set[Path]:
    """Headers that are segments of another header in the list."""
    return {
        header.with_name(f"{name}{WFDB}")
        for header in files
        if header.suffix == WFDB
        for name in segment_names(header)
    }


def _is_described(path: Path) -> bool:
    """Tell whether the JSON file beside a table describes it as a recording, and is not a report on it."""
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "fs" in content and content.keys() <= SIDECAR_KEYS
