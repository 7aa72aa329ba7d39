"""Variants of a configuration, and their differences from the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgtune.errors import ModelError
from ecgtune.evaluation.results import Code, Figure, Result, Table, load_result, save_result
from ecgtune.training import ablation
from ecgtune.training.ablation import SEEDED, VARIANTS, WHOLE, assemble, changed, differing, measure
from ecgtune.training.config import Config, load_config


def matrix(s: int, missed: int, v: int) -> tuple[tuple[int, ...], ...]:
    made = np.zeros((5, 5), dtype=int)
    made[0, 0], made[1, 1], made[1, 0], made[2, 2] = 100, s, missed, v
    return tuple(map(tuple, made.tolist()))


def stored(missed: int) -> Result:
    return Result(
        name="x-leave-patients-out",
        title="x 1 under leave-patients-out: y",
        created="2026-01-01",
        command="x",
        protocol="leave-patients-out",
        figures={"svdb": {"beats": Figure(1)}},
        code=Code("0"),
        machine="x",
        wall_s=1.0,
        intervals="x",
        seeds=(0,),
        matrices={
            "out of fold": {
                "svdb/800": matrix(50, 0, 30),
                "svdb/801": matrix(30, missed, 30),
                "svdb/865": matrix(100, 900, 30),
            }
        },
    )


def test_a_variant_is_compared_with_the_whole_over_the_same_records() -> None:
    result = assemble({WHOLE: stored(0), "worse": stored(20)}, "command", 3.0)
    row = "worse: svdb without record 865"
    assert result.figures[row]["S F1"].value == pytest.approx(160 / 180)
    less = result.figures[f"{row}, less"]["S F1"]
    assert less.value == pytest.approx(160 / 180 - 1)
    assert less.low is not None
    assert less.low < less.value <= less.high
    assert less.n == 2
    assert f"{WHOLE}: svdb, less" not in result.figures
    assert result.name == "x-ablation"
    assert result.wall_s == 3.0
    assert set(result.matrices) == {WHOLE, "worse"}
    assert list(result.tables["svdb, less"].rows) == ["worse: svdb, less"]


def test_what_variants_call_s_in_fibrillation_stands_beside_each_other() -> None:
    row, columns = "false S: fibrillation of cinc2017", ("beats", "hours", "records")
    some = {name: stored(0) for name in (WHOLE, "worse")}
    for result, rate in zip(some.values(), (1.0, 9.0), strict=True):
        result.figures[row] = {"an hour": Figure(rate), **dict.fromkeys(columns, Figure(2))}
        result.tables["false-s"] = Table("Falsely called S", "of", {row: "cinc2017"}, ("an hour", *columns))
    result = assemble(some, "command", 3.0)
    assert result.figures[f"worse: {row}"]["an hour"].value == 9
    assert list(result.tables[row].rows.values()) == [WHOLE, "worse"]
    assert result.tables[row].title == "Falsely called S: cinc2017"


def test_each_variant_differs_from_a_shipped_configuration_and_makes_sense() -> None:
    default, strict = map(load_config, ("default", "strict"))
    for name, overrides in VARIANTS.items():
        alike = [changed(config, overrides) == config for config in (default, strict)]
        assert all(alike) == (name in (WHOLE, SEEDED)), name
    with pytest.raises(ModelError, match=r"\[training\] knows no epoch"):
        changed(default, {"training": {"epoch": 3}})


def test_what_a_configuration_lacks_is_not_left_out() -> None:
    asked = ("one network", "without sick sinus", "without short stretches")
    assert list(differing(load_config("default"), asked)) == [WHOLE, asked[0], asked[2]]
    assert list(differing(load_config("strict"), (SEEDED, *asked))) == [WHOLE, SEEDED, *asked[:2]]


def test_a_variant_that_is_done_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[int, int]] = []

    def cross_validate(config: Config, out: Path, *, folds: int, seed: int, **_: Any) -> None:
        trained.append((config.training.epochs, seed))
        save_result(stored(0), out / "result.json")

    monkeypatch.setattr(ablation, "cross_validate", cross_validate)
    config = load_config("default")
    variants = {WHOLE: {}, SEEDED: {}, "short": {"training": {"epochs": 1}}}
    found = measure(config, tmp_path, variants=variants)
    own = config.training.epochs
    assert trained == [(own, 0), (own, 1), (1, 0)]
    assert found["short"] == load_result(tmp_path / "short" / "result.json")
    measure(config, tmp_path, variants=variants)
    assert len(trained) == 3
