"""Reading recordings: WFDB, EDF, CSV/TSV, NPY/NPZ.

`read_record` opens one recording, whatever its format; `find_records` expands files, folders and patterns.
"""

from collections.abc import Sequence
from pathlib import Path

from ecgtune.readers.annotations import read_annotations
from ecgtune.readers.find import find_record, find_records, record_files
from ecgtune.readers.registry import READERS
from ecgtune.record import Record

__all__ = ["READERS", "find_record", "find_records", "read_annotations", "read_record", "record_files"]


def read_record(
    path: str | Path,
    *,
    fs: float | None = None,
    leads: Sequence[str] | None = None,
    units: str | None = None,
) -> Record:
    """Open a recording; its signal is read when asked for, in pieces.

    Parameters
    ----------
    path
        The record: a WFDB record with or without extension (``mitdb/208``, ``208.hea``, ``208.dat``), or an
        EDF, CSV, TSV, NPY or NPZ file.
    fs
        Sampling rate in Hz, where the file does not tell it (CSV, TSV, NPY, NPZ); it wins over the JSON
        file beside the recording.
    leads
        Lead names, likewise.
    units
        ``uV``, ``mV`` (default) or ``V``, likewise; of WFDB and EDF files, where no signal has a unit that is
        a voltage.

    Returns
    -------
    Record
        Leads in mV, names normalised, NaN where a sample is missing.

    Raises
    ------
    RecordError
        Where the recording is missing, damaged or of an unknown format, or the options contradict it. One
        line that names the file and the remedy.
    MissingExtraError
        Where the format needs a package that is not installed.
    """
    file = find_record(path)
    return READERS[file.suffix.lower()](file, fs, leads, units)
