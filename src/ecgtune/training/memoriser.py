"""The nearest-neighbour memoriser: it learns nothing, it looks up the most similar beat of the training side.

Where a protocol rates it high, the protocol rewards having seen the patient before. It reads what the network
reads of a beat: the window, the typical beat around it, and the RR features.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from ecgtune.beats import Beats, Preprocessing
from ecgtune.evaluation.results import Result, save_result
from ecgtune.files import make_folder
from ecgtune.labels import CLASSES
from ecgtune.splits import make_split
from ecgtune.training.measured import FILE, earlier_scorings, result_of, scoring
from ecgtune.training.tables import (
    RecordKey,
    index_database,
    reference_table,
    rows_of,
    split_options,
    training_table,
)

Floats = NDArray[np.float32]
Blocks = tuple[Floats, ...]
"""Inputs of some beats, by kind: window, typical beat and RR features, each float32 [n, numbers]."""


def blocks_of(table: Beats, how: Preprocessing) -> Blocks:
    """Inputs of every beat of a table, as the network reads them."""
    beats = np.zeros((len(table), how.channels, how.width), dtype=np.float32)
    rhythm = np.zeros((len(table), len(how.rhythm_features)), dtype=np.float32)
    for key in table.records():
        own = table.of(*key)
        beats[own], rhythm[own] = how.inputs(table.windows[own], table.at[own])
    window, typical = (part.reshape(len(table), -1) for part in np.split(beats, 2, axis=1))
    return window, typical, rhythm


def spreads(blocks: Blocks) -> tuple[float, ...]:
    """Root of each block's total variance: divided by it, all blocks weigh the same in a distance."""
    return tuple(float(np.sqrt(block.var(axis=0, dtype=np.float64).sum())) or 1.0 for block in blocks)


def features(blocks: Blocks, units: tuple[float, ...]) -> Floats:
    """Join blocks, each in its unit: float32 [n, numbers]."""
    joined: Floats = np.concatenate(
        [block / np.float32(unit) for block, unit in zip(blocks, units, strict=True)], axis=1
    )
    return joined


def memorise(
    how: Preprocessing,
    out: Path,
    *,
    data: str = "mitdb",
    protocol: str = "inter-patient",
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Keep the training (and validation) side's beats, and score the test side once.

    There is nothing to choose, so the validation side is remembered too, as the network is refitted on it.
    Units of the inputs come from the remembered side alone.

    Parameters
    ----------
    how
        Preprocessing, as the network's.
    out
        Folder of ``result.json``.
    data, protocol, seed
        As in `ecgtune.training.run.train`.
    tell
        Called with each line of progress.
    """
    began = time.perf_counter()
    index = index_database(data)
    split = make_split(index, protocol, seed=seed, **split_options(protocol, how))
    known_keys = {*split.records("train"), *split.records("validate")}
    tell(f"remembering {len(split.train) + len(split.validate)} beats of {len(known_keys)} records")
    table = training_table(sorted(known_keys), how, split.validate_until)
    rows = rows_of(table, index, np.concatenate([split.train, split.validate]))
    known = tuple(block[rows] for block in blocks_of(table, how))
    labels, units = table.label[rows], spreads(known)
    remembered = features(known, units)
    nearest = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(remembered, labels)
    digest = hashlib.sha256(remembered.tobytes() + labels.tobytes()).hexdigest()
    del table, known

    tell(f"scoring the test side, {len(split.records('test'))} records, once")
    matrices = {}
    for key in split.records("test"):
        matrices[key] = _score(nearest, reference_table([key], how), index, split.test, key, how, units)
    result = result_of(
        "memoriser",
        "1-NN memoriser",
        matrices,
        split,
        command="python -m ecgtune.training.leakage",
        wall_s=round(time.perf_counter() - began, 1),
        scorings=[*earlier_scorings(out / FILE), scoring(split, digest)],
        notes=["window, typical beat and RR features weigh the same; Euclidean distance; one neighbour"],
    )
    save_result(result, make_folder(out) / FILE)
    return result


def _score(
    nearest: KNeighborsClassifier,
    table: Beats,
    index: Beats,
    test: NDArray[np.intp],
    key: RecordKey,
    how: Preprocessing,
    units: tuple[float, ...],
) -> NDArray[np.int64]:
    own = test[(index.database[test] == key[0]) & (index.record[test] == key[1])]
    rows = rows_of(table, index, own)
    predicted = nearest.predict(features(tuple(block[rows] for block in blocks_of(table, how)), units))
    matrix = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(matrix, (table.label[rows], predicted), 1)
    return matrix
