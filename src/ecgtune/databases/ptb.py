"""Infarction or healthy: what the headers of the PTB Diagnostic ECG Database say of its patients."""

import re
from collections.abc import Iterator
from pathlib import Path

from ecgtune.databases.catalogue import parse_sha256sums
from ecgtune.databases.download import SUMS
from ecgtune.databases.index import Database
from ecgtune.errors import DataError

REASONS = ("Healthy control", "Myocardial infarction")
"""Reasons for admission that stand for healthy and for infarction, in this order."""

_REASON = re.compile(r"#\s*Reason for admission:\s*(.*?)\s*", re.IGNORECASE)
_PATIENT = re.compile(r"ptbdb/patient\d+")


def admissions(database: Database) -> dict[str, str]:
    """Reason for admission of each record of a complete copy, as the comments of its header give it.

    Parameters
    ----------
    database
        Of `find_database("ptbdb")`.

    Returns
    -------
    dict
        By record: one of `REASONS`, another diagnosis, or ``n/a``.

    Raises
    ------
    DataError
        Where a record or the patient of one is missing, or a header cannot be read or says nothing of the
        admission; the text names the first such record.
    """
    check_complete(database)
    return {record: _admission(database, record) for record in database}


def check_complete(database: Database) -> None:
    """Refuse a copy that lacks records, or tells of some not whose they are.

    Raises
    ------
    DataError
        Names a record where that is known.
    """
    if not database.complete:
        missing = next(_missing(database), "")
        raise DataError(
            f"{database.name}{missing}: incomplete, {database.describe()} in {database.root}; {_REMEDY}"
        )
    for record in database:
        # A copy without PhysioNet's folders would put records of one patient on both sides of a split.
        if not _PATIENT.fullmatch(database.patient(record)):
            raise DataError(
                f"{database.name} {record}: lies in no patient's folder, so its patient is not "
                f"known; {_REMEDY}"
            )


_REMEDY = "run `ecgtune data get ptbdb`"


def _missing(database: Database) -> Iterator[str]:
    """Yield records that are there in part, then records that lists beside them have and that are not."""
    here = set(database)
    for header in sorted(database.root.rglob("*.hea")):
        absent = [
            header.with_suffix(suffix).name
            for suffix in database.entry.signals
            if not header.with_suffix(suffix).exists()
        ]
        if absent and header.stem not in here:
            yield f" {header.stem} (without {absent[0]})"
    for path in _listed(database.root):
        if Path(path).name not in here:
            yield f" {path}"


def _listed(root: Path) -> list[str]:
    """Records that PhysioNet's own lists name, with their folders."""
    records, sums = root / "RECORDS", root / SUMS
    if records.is_file():
        return records.read_text(errors="replace").split()
    if sums.is_file():
        files = parse_sha256sums(sums.read_text(errors="replace"))
        return [path.removesuffix(".hea") for path in files if path.endswith(".hea")]
    return []


def _admission(database: Database, record: str) -> str:
    path = database.path(record)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{database.name} {record}: {path} cannot be read: {reason}; {_REMEDY}") from error
    for line in lines:
        if match := _REASON.fullmatch(line.strip()):
            return match[1] or "n/a"
    raise DataError(
        f"{database.name} {record}: {path} has no line `Reason for admission`, so it is not known whether "
        f"its patient is healthy; {_REMEDY}"
    )
