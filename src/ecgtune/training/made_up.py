"""What is made up of training recordings and trains beside them: episodes, and stretches with faults."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ecgtune.beats import Preprocessing
from ecgtune.splits import Split
from ecgtune.splits.beat_index import Rows, record_codes
from ecgtune.training.config import DataOptions
from ecgtune.training.episodes import episode_recordings
from ecgtune.training.faulty import faulty_recordings
from ecgtune.training.sequences import Recording
from ecgtune.training.tables import RecordKey

Until = Mapping[RecordKey, float]
Kinds = TypeVar("Kinds", bound=Sequence[object])
Make = Callable[[RecordKey, Preprocessing, Kinds, float], list[Recording]]


def undivided(split: Split, rows: Rows, until: Until) -> list[RecordKey]:
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
        self._made: dict[tuple[object, RecordKey, float], list[Recording]] = {}

    def episodes(self, keys: Iterable[RecordKey], until: Until | None = None) -> list[Recording]:
        """Prepare episodes of recordings, as `undivided` gives them, up to the seconds given."""
        return self._once(episode_recordings, self._data.episodes, keys, until or {})

    def faults(self, keys: Iterable[RecordKey], until: Until | None = None) -> list[Recording]:
        """Prepare stretches with faults, likewise."""
        return self._once(faulty_recordings, self._data.faults, keys, until or {})

    def _once(
        self, make: Make[Kinds], kinds: Kinds, keys: Iterable[RecordKey], until: Until
    ) -> list[Recording]:
        found: list[Recording] = []
        for key in sorted(keys):
            limit = until.get(key, np.inf)
            if (make, key, limit) not in self._made:
                self._made[make, key, limit] = make(key, self._how, kinds, limit)
            found += self._made[make, key, limit]
        return found
