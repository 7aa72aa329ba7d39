"""Figures of patients who were left out: by database, without the largest record, by record."""

import numpy as np
import pytest

from ecgtune.evaluation.metrics import f1
from ecgtune.training.out_of_fold import database_figures, database_tables


def matrix(n: int, s: int, missed_s: int, false_s: int, v: int = 0) -> np.ndarray:
    made = np.zeros((5, 5), dtype=np.int64)
    made[0, 0], made[0, 1], made[1, 1], made[1, 0], made[2, 2] = n, false_s, s, missed_s, v
    return made


MATRICES = {
    ("svdb", "865"): matrix(100, 10, 900, 0, v=30),
    ("svdb", "800"): matrix(100, 40, 10, 5),
    ("svdb", "802"): matrix(100, 0, 0, 7, v=20),
    ("mitdb", "101"): matrix(100, 3, 0, 0),
}


def test_a_database_has_a_row_with_and_one_without_the_record_with_most_s() -> None:
    figures, rows = database_figures(MATRICES)
    # Of mitdb there is one record, without which nothing is left.
    assert rows == ["mitdb", "svdb", "svdb without record 865"]
    whole = sum(own for key, own in MATRICES.items() if key[0] == "svdb")
    assert figures["svdb"]["S F1"].value == pytest.approx(f1(whole)[1])
    assert figures["svdb without record 865"]["S F1"].value == pytest.approx(80 / (80 + 10 + 12))
    # 802 has too few S beats for an F1 of its own.
    mean = figures["svdb"]["S F1, mean of records with 20"]
    assert mean.value == pytest.approx(np.mean([20 / 920, 80 / 95]))
    assert mean.n == 2


def test_a_record_tells_what_is_missed_and_what_is_false() -> None:
    figures, rows = database_figures(MATRICES)
    assert figures["svdb/865"]["S beats"].value == 910
    assert figures["svdb/800"]["false S"].value == 5
    assert figures["svdb/802"]["S F1"].value is None
    assert figures["svdb/802"]["V F1"].value == 1
    tables = database_tables(figures, rows)
    assert list(tables["records"].rows) == ["mitdb/101", "svdb/800", "svdb/802", "svdb/865"]
    assert list(tables["databases"].rows) == rows
