"""`BeatIndex`: what a split needs to know of each beat."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
RecordKey = tuple[str, str]
"""A record's database and name."""

NO_ROWS: Rows = np.empty(0, dtype=np.intp)


class BeatIndex(Protocol):
    """What a split needs to know of each beat; the Beats table has it, and reads no signal for it."""

    @property
    def database(self) -> NDArray[np.str_]:
        """Database of each beat, str [n]."""

    @property
    def record(self) -> NDArray[np.str_]:
        """Record of each beat, str [n]."""

    @property
    def patient(self) -> NDArray[np.str_]:
        """Patient of each beat as `databases.patient_of` names them, str [n]."""

    @property
    def sample(self) -> NDArray[np.int64]:
        """Sample number of each beat at its record's own rate, int64 [n]."""

    @property
    def fs(self) -> NDArray[np.float64]:
        """Sampling rate of each beat's record in Hz, float64 [n]."""

    @property
    def label(self) -> NDArray[np.int8]:
        """Index of each beat's class, int8 [n]; -1 where it has none."""

    def __len__(self) -> int:
        """Count the beats."""
        ...


def record_codes(beats: BeatIndex, rows: Rows) -> tuple[list[RecordKey], NDArray[np.intp]]:
    """Records of some beats, sorted, and the number of each beat's record among them, intp [rows]."""
    databases, database = np.unique(beats.database[rows], return_inverse=True)
    records, record = np.unique(beats.record[rows], return_inverse=True)
    pairs, codes = np.unique(database * len(records) + record, return_inverse=True)
    places = (divmod(int(pair), len(records)) for pair in pairs)
    return [(str(databases[i]), str(records[j])) for i, j in places], codes
