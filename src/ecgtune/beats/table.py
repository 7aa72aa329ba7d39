"""The table of beats that a dataset is: whose, where, which class, and the windows cut around them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.labels import CLASSES


@dataclass(frozen=True)
class Beats:
    """Beats of one or many recordings, in order of time within each recording.

    Parameters
    ----------
    database, record, patient
        Where a beat comes from, str [n].
    sample
        Native sample number of the beat's annotation (or of its detection where it has none), int64 [n].
    fs
        Native rate in Hz, float64 [n].
    label
        Index into `ecgtune.labels.CLASSES`, int8 [n]; -1 where a detected beat has no annotation.
    at
        Fiducial at the working rate, int64 [n]; windows are cut around it.
    windows
        mV at the working rate, 0.5-40 Hz, float32 [n, leads, samples]; zero where a lead is absent.
    """

    database: NDArray[np.str_]
    record: NDArray[np.str_]
    patient: NDArray[np.str_]
    sample: NDArray[np.int64]
    fs: NDArray[np.float64]
    label: NDArray[np.int8]
    at: NDArray[np.int64]
    windows: NDArray[np.float32]

    def __len__(self) -> int:
        """Count the beats."""
        return len(self.sample)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Beats":
        """Return the beats that a mask, an index array or a slice picks."""
        return Beats(*(getattr(self, field.name)[which] for field in fields(self)))

    def records(self) -> tuple[tuple[str, str], ...]:
        """Pairs of database and record, in order of first appearance."""
        return tuple(dict.fromkeys(zip(self.database.tolist(), self.record.tolist(), strict=True)))

    def of(self, database: str, record: str) -> NDArray[np.intp]:
        """Rows of one recording."""
        return np.flatnonzero((self.database == database) & (self.record == record))

    def counts(self) -> dict[str, int]:
        """Beats of each class."""
        return {name: int(np.sum(self.label == i)) for i, name in enumerate(CLASSES)}

    def without_windows(self) -> "Beats":
        """Return the index alone, for splitting."""
        return replace(self, windows=np.zeros((len(self), 0, 0), dtype=np.float32))


def concatenate(tables: Iterable[Beats]) -> Beats:
    """Put tables below each other.

    Raises
    ------
    RecordError
        Where there is none.
    """
    tables = list(tables)
    if not tables:
        raise RecordError("no beats: give at least one recording with beat annotations")
    return Beats(*(np.concatenate([getattr(t, field.name) for t in tables]) for field in fields(Beats)))
