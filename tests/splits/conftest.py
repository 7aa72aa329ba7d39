"""Beats without signals: made up, and mitdb's real annotations."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from made_up_beats import Index, make_database, stack

from ecgtune.databases import find_database
from ecgtune.labels import class_indices, is_beat


@pytest.fixture(scope="session")
def made_up() -> Index:
    """All records of mitdb, ten made-up minutes each."""
    return make_database("mitdb")


@pytest.fixture(scope="session")
def real(mitdb: Path) -> Index:
    """Every annotated beat of mitdb."""
    database = find_database("mitdb", folder=mitdb)
    tables = []
    for record in database:
        annotation = wfdb.rdann(str(database.path(record).with_suffix("")), "atr")
        symbols = np.array(annotation.symbol)
        beat = is_beat(symbols)
        n = int(beat.sum())
        tables.append(
            Index(
                np.full(n, "mitdb"),
                np.full(n, record),
                np.full(n, database.patient(record)),
                annotation.sample[beat].astype(np.int64),
                np.full(n, 360.0),
                class_indices(symbols[beat]),
            )
        )
    return stack(tables)
