"""What is made up of training recordings and trains beside them: episodes, and stretches with faults."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ecgtune.beats import Preprocessing
from ecgtune.splits import Split
from ecgtune.splits.beat_index import Rows, record_codes
from ecgtune.training.config import DataOptions
from ecgtune.training.episodes import episode_recordings
from ecgtune.training.faulty import faulty_recordings
from ecgtune.training.sequences import Recording
from ecgtune.training.tables import RecordKey


def undivided(split: Split, rows: Rows, until: Mapping[RecordKey, float]) -> list[RecordKey]:
    """List the records of some rows of a split that no other side has a beat of, up to the seconds given.

    What is made up of a recording is made of any of its beats and lies among the others, so that all of them
    train.
    """
    other = np.concatenate([side for _, side in split.sides()])
    other = np.setdiff1d(other, rows)
    (own, _), (others, code) = (record_codes(split.beats, some) for some in (rows, other))
    limit = np.array([until.get(key, np.inf) for key in others])
    early = split.beats.sample[other] / split.beats.fs[other] < limit[code]
    shared = {others[i] for i in np.unique(code[early])}
    return [key for key in own if key not in shared]


Until = Mapping[RecordKey, float]
Make = Callable[[RecordKey, Until], list[Recording]]


class MadeUp:
    """What is made up of recordings, each recording's made once and kept.

    Parameters
    ----------
    how
        Preprocessing of the model.
    data
        Whose ``episodes`` and ``faults`` are made.
    """

    def __init__(self, how: Preprocessing, data: DataOptions) -> None:
        self._how, self._data = how, data
        self._made: dict[tuple[str, RecordKey, float], list[Recording]] = {}

    def episodes(self, keys: Iterable[RecordKey], until: Until | None = None) -> list[Recording]:
        """Prepare episodes of recordings, as `undivided` gives them, up to the seconds given."""

        def make(key: RecordKey, only: Until) -> list[Recording]:
            return episode_recordings([key], self._how, self._data.episodes, only)

        return self._kept("episodes", make, keys, until or {})

    def faults(self, keys: Iterable[RecordKey], until: Until | None = None) -> list[Recording]:
        """Prepare stretches with faults, likewise."""

        def make(key: RecordKey, only: Until) -> list[Recording]:
            return faulty_recordings([key], self._how, self._data.faults, only)

        return self._kept("faults", make, keys, until or {})

    def _kept(self, what: str, make: Make, keys: Iterable[RecordKey], until: Until) -> list[Recording]:
        found: list[Recording] = []
        for key in sorted(keys):
            limit = until.get(key, np.inf)
            if (what, key, limit) not in self._made:
                self._made[what, key, limit] = make(key, {key: limit})
            found += self._made[what, key, limit]
        return found
