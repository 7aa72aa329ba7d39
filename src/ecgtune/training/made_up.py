"""What is made up of training recordings and trains beside them: episodes, and stretches with faults."""

from collections.abc import Iterable, Mapping

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
        self._made: dict[tuple[RecordKey, float], list[Recording]] = {}

    def of(
        self, keys: Iterable[RecordKey], until: Mapping[RecordKey, float] | None = None
    ) -> list[Recording]:
        """Prepare what is made up of recordings, as `undivided` gives them, up to the seconds given."""
        found: list[Recording] = []
        for key in sorted(keys):
            limit = (until or {}).get(key, np.inf)
            if (key, limit) not in self._made:
                only = {key: limit}
                self._made[key, limit] = [
                    *episode_recordings([key], self._how, self._data.episodes, only),
                    *faulty_recordings([key], self._how, self._data.faults, only),
                ]
            found += self._made[key, limit]
        return found
