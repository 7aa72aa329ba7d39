"""From what a user names (files, folders, patterns) to records."""

import glob
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ecgtune.errors import RecordError
from ecgtune.readers.array import sniff_npy, sniff_npz
from ecgtune.readers.sidecar import tells_rate
from ecgtune.readers.text import sniff_table
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


class Found(NamedTuple):
    """Records, and tables and arrays of folders that were passed over because nothing tells their rate."""

    records: list[Path]
    without_rate: list[Path]


def find_records(paths: Iterable[str | Path], fs: float | None = None) -> list[Path]:
    """Expand files, folders and patterns into records.

    A folder stands for the records in it and below it: every WFDB header but those of segments of a
    multi-segment record, every EDF file, and the CSV, TSV, NPY and NPZ files whose rate is known: given here,
    told by a JSON file beside them or by themselves (a time column, ``fs`` in NPZ). Not among them are files
    named like a WFDB or EDF record beside them, which are about it, tables of labels as ``ecgtune classify``
    writes them, tables with text where samples are due, archives without ``signal``, and arrays of more than
    two dimensions, which hold many recordings. In a pattern (``mitdb/1*``) files of other kinds are passed
    over. Headers are not checked: a broken one is listed, and reading it says what is wrong.

    Parameters
    ----------
    paths
        What the user names; see `find_record` for single records.
    fs
        Rate in Hz of tables and arrays that do not tell it, where it is known.

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
        found.update(dict.fromkeys(expand(path, fs).records))
    return list(found)


def expand(path: str | Path, fs: float | None = None) -> Found:
    """Expand one file, folder or pattern into records as `find_records` does, and say what it passed over.

    Raises
    ------
    RecordError
        Where it names no record.
    """
    literal = Path(path)
    if literal.is_dir():
        return _in_folder(literal, fs)
    if not glob.has_magic(str(path)) or literal.exists():
        return Found([find_record(literal)], [])
    records: list[Path] = []
    without_rate: list[Path] = []
    for match in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
        try:
            found = expand(Path(match), fs)
        except RecordError:
            continue
        records += found.records
        without_rate += found.without_rate
    if not records:
        raise RecordError(f"{path}: no record matches; check the pattern")
    members = _segments(records)
    return Found([record for record in dict.fromkeys(records) if record not in members], without_rate)


def _in_folder(folder: Path, fs: float | None) -> Found:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    members = _segments(files)
    described = {path.with_suffix("") for path in files if path.suffix.lower() not in TABLES}
    records: list[Path] = []
    without_rate: list[Path] = []
    for path in files:
        if path.suffix.lower() not in TABLES:
            if path not in members:
                records.append(path)
        elif path.with_suffix("") not in described:
            told = _TELLS_RATE[path.suffix.lower()](path)
            if told is not None:
                known = told or fs is not None or tells_rate(path)
                (records if known else without_rate).append(path)
    if not records:
        what = "records are WFDB, EDF, and CSV, TSV, NPY or NPZ whose rate is known"
        raise RecordError(
            f"{folder}: no record in this folder; {rate_unknown(without_rate) if without_rate else what}"
        )
    return Found(records, without_rate)


def rate_unknown(paths: list[Path]) -> str:
    """Say what to do about tables and arrays whose rate is unknown, of which the first three are named."""
    names = ", ".join(path.name for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (
        f"nothing tells the rate of {names}{more}; give fs (--fs 250), or write it to a JSON "
        'file beside each, as {"fs": 250}'
    )


_TELLS_RATE: dict[str, Callable[[Path], bool | None]] = {
    ".csv": sniff_table,
    ".tsv": sniff_table,
    ".npy": sniff_npy,
    ".npz": sniff_npz,
}
"""Whether a table or array tells its rate itself, by extension; None where it is no recording."""


def _segments(files: Iterable[Path]) -> set[Path]:
    """Headers that are segments of another header in the list."""
    return {
        header.with_name(f"{name}{WFDB}")
        for header in files
        if header.suffix == WFDB
        for name in segment_names(header)
    }
