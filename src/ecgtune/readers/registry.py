"""Which reader opens which file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ecgtune.errors import RecordError
from ecgtune.readers.array import read_npy, read_npz
from ecgtune.readers.edf import read_edf
from ecgtune.readers.sidecar import checked_units
from ecgtune.readers.text import read_table
from ecgtune.readers.wfdb import read_wfdb
from ecgtune.record import Record

Reader = Callable[[Path, float | None, Sequence[str] | None, str | None], Record]
"""Opens a file, given rate, leads and units where the caller told them."""


def _self_describing(read: Callable[[Path, str | None], Record]) -> Reader:
    """Reader of a format that tells rate, leads and, mostly, units itself; options may only agree."""

    def reader(path: Path, fs: float | None, leads: Sequence[str] | None, units: str | None) -> Record:
        record = read(path, checked_units(units, path))
        if fs is not None and not np.isclose(fs, record.fs):
            raise RecordError(f"{path}: fs {fs:g} Hz asked for, the file says {record.fs:g} Hz; leave fs out")
        if leads is not None:
            raise RecordError(f"{path}: the file tells its leads itself; leave leads out")
        return record

    return reader


READERS: dict[str, Reader] = {
    ".hea": _self_describing(read_wfdb),
    ".edf": _self_describing(read_edf),
    ".csv": read_table,
    ".tsv": read_table,
    ".npy": read_npy,
    ".npz": read_npz,
}
"""Readers by extension, in lower case."""
