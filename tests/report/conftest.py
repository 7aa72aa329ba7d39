from collections.abc import Callable

import numpy as np
import pytest

from ecgtune.labelled import Labelled
from ecgtune.labels import CLASSES
from ecgtune.record import Annotations, Record

FS = 250.0


class Counting:
    """A source that counts the samples read; a spike at every whole second."""

    def __init__(self, n_samples: int, leads: int) -> None:
        self.n_samples, self.leads, self.read_samples = n_samples, leads, 0

    def read(self, start, stop):
        self.read_samples += stop - start
        at = np.arange(start, stop)
        lead = np.where(at % FS < 5, 1.0, 0.0) + 0.05 * np.sin(at / 40)
        return np.repeat(lead[:, np.newaxis], self.leads, axis=1).astype(np.float32)


Maker = Callable[..., Labelled]


@pytest.fixture
def make() -> Maker:
    """Make a labelled recording of one beat a second, first at 1 s, from a string of symbols."""

    def maker(
        symbols: str, *, leads: int = 2, seconds: float | None = None, sure: float = 0.9, **more
    ) -> Labelled:
        n = len(symbols)
        n_samples = int(FS * (n + 2 if seconds is None else seconds))
        probability = np.full((n, len(CLASSES)), (1 - sure) / 4, dtype=np.float32)
        for i, symbol in enumerate(symbols):
            probability[i, CLASSES.index(symbol)] = sure
        names = tuple(("MLII", "V1")[i] if i < 2 else f"L{i}" for i in range(leads))
        record = Record("r1", FS, names, n_samples, Counting(n_samples, leads))
        sample = (FS * (1 + np.arange(n))).astype(np.int64)
        given = {"leads": names[:2], "model": "test 1.0", **more}
        return Labelled(
            record, Annotations(sample, np.array(list(symbols)), probability=probability), **given
        )

    return maker
