from pathlib import Path

import numpy as np
import pytest
from small_training import split_by_record

from ecgtune.beats import Beats
from ecgtune.evaluation.results import load_result, save_result
from ecgtune.training.measured import earlier_scorings, groups, result_of, scoring


def matrix(n: int, s: int, s_as_n: int) -> np.ndarray:
    made = np.zeros((5, 5), dtype=np.int64)
    made[0, 0], made[1, 1], made[1, 0] = n, s, s_as_n
    return made


MATRICES = {("mitdb", "100"): matrix(90, 5, 5), ("mitdb", "232"): matrix(10, 100, 0)}


def test_figures_with_and_without_the_record_that_dominates() -> None:
    figures = groups(MATRICES)
    assert figures["pooled"]["beats"].value == 210
    assert figures["pooled: S"]["Se"].value == pytest.approx(105 / 110)
    assert figures["without record 232: S"]["Se"].value == pytest.approx(0.5)
    assert figures["mean over patients: S"]["Se"].value == pytest.approx(0.75)
    assert figures["mean over patients: V"]["F1"].value is None
    assert figures["pooled: S"]["Se"].n == 2
    assert not any(row.startswith("without") for row in groups({("mitdb", "100"): MATRICES["mitdb", "100"]}))


def test_two_records_of_one_patient_are_one_in_the_mean() -> None:
    figures = groups({("mitdb", "201"): matrix(10, 1, 1), ("mitdb", "202"): matrix(10, 3, 1)})
    assert figures["mean over patients"]["accuracy"].n == 1
    assert figures["pooled"]["accuracy"].n == 2


def test_result_keeps_every_scoring(small_index: Beats, tmp_path: Path) -> None:
    split = split_by_record(small_index)
    path = tmp_path / "result.json"
    assert earlier_scorings(path) == ()
    for times in (1, 2):
        result = result_of(
            "small",
            "small 0",
            {("mitdb", "109"): matrix(10, 1, 1)},
            split,
            command="ecgtune train small",
            wall_s=1.0,
            scorings=[*earlier_scorings(path), scoring(split, "0" * 64)],
            parameters=300,
        )
        save_result(result, path)
        assert len(load_result(path).scorings) == times
    assert result.name == "small-by-record"
    assert result.divisions[0].split_hash == split.hash
    assert result.data["mitdb"].records == 4
    assert result.command == "ecgtune train small --protocol by-record --seed 0 --out RUN"
