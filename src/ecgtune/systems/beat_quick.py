"""What a quick run of a system of beats leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecgtune.labels import CLASSES
from ecgtune.systems.beat_tables import Divided, records_of


def few_records(chosen: Sequence[str], protocol: str, database: str = "mitdb") -> list[str]:
    """Those of some records that a protocol has."""
    every = records_of(protocol, database)
    return [record for record in chosen if record in every]


def thinned(every: Mapping[str, int], divided: Divided) -> Divided:
    """Keep one beat in so many of each class: the same ones on whatever side, under whatever protocol."""
    beats = divided.beats
    kept = beats.sample % np.array([every[name] for name in CLASSES])[beats.label] == 0
    return replace(divided, rows={side: rows[kept[rows]] for side, rows in divided.rows.items()})
