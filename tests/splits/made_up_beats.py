"""Made-up tables of beats, without signals."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import CATALOGUE, patient_of


@dataclass(frozen=True)
class Index:
    database: NDArray[np.str_]
    record: NDArray[np.str_]
    patient: NDArray[np.str_]
    sample: NDArray[np.int64]
    fs: NDArray[np.float64]
    label: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.sample)

    def select(self, which) -> "Index":
        return Index(*(getattr(self, field.name)[which] for field in fields(self)))


def stack(tables: list[Index]) -> Index:
    return Index(*(np.concatenate([getattr(t, field.name) for t in tables]) for field in fields(Index)))


def make_record(
    database: str,
    record: str,
    *,
    seconds: float = 600.0,
    fs: float = 360.0,
    seed: int = 0,
    classes: tuple[float, ...] = (0.8, 0.08, 0.08, 0.02, 0.02),
    patient: str | None = None,
) -> Index:
    """A record with a beat about each second, and classes drawn with the given probabilities."""
    rng = np.random.default_rng([seed, *record.encode()])
    times = np.arange(1.0, seconds, 1.0) + rng.uniform(-0.3, 0.3, size=len(np.arange(1.0, seconds, 1.0)))
    n = len(times)
    return Index(
        np.full(n, database),
        np.full(n, record),
        np.full(n, patient or patient_of(database, record)),
        (times * fs).astype(np.int64),
        np.full(n, fs),
        rng.choice(len(classes), size=n, p=classes).astype(np.int8),
    )


def make_database(name: str, records: tuple[str, ...] = (), **options) -> Index:
    return stack([make_record(name, record, **options) for record in records or CATALOGUE[name].records])
