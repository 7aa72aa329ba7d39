"""Whose recording a file is: recognised by its header's hash, else by the folder it lies in."""

import hashlib
from functools import cache
from pathlib import Path

from ecgtune.databases.catalogue import CATALOGUE, patient_of
from ecgtune.record import Record


@cache
def _headers() -> dict[str, tuple[str, str]]:
    """Database and record of every WFDB header whose SHA-256 ships with ecgtune."""
    return {
        digest: (name, path.removesuffix(".hea"))
        for name, entry in CATALOGUE.items()
        for path, digest in entry.hashes().items()
        if path.endswith(".hea")
    }


def identify(record: Record) -> str | None:
    """Tell the patient of a recording of a public database, wherever the file lies.

    A WFDB header holds the signals' checksums, so its hash stands for the recording.

    Returns
    -------
    str or None
        ``mitdb/208`` and the like, as `patient_of` gives; None where the recording is not known.
    """
    path = record.path
    if path is None or path.suffix != ".hea" or not path.is_file():
        return None
    known = _headers().get(hashlib.sha256(path.read_bytes()).hexdigest())
    if known is not None:
        return patient_of(*known)
    return _by_folder(path)


def _by_folder(path: Path) -> str | None:
    for parent in path.resolve().parents:
        entry = CATALOGUE.get(parent.name)
        if entry is not None and (not entry.records or path.stem in entry.record_set):
            return patient_of(entry.name, path.resolve().relative_to(parent).with_suffix("").as_posix())
    return None
