"""The comparison that the tuning's options were chosen by, on one record of DS1."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Beats
from ecgtune.databases import DS2
from ecgtune.evaluation.result_tables import markdown
from ecgtune.splits import Split, make_folds
from ecgtune.training import personal_choice
from ecgtune.training.personal_choice import ALWAYS, BASE, VARIANTS, Way, compare
from ecgtune.training.personal_tuning import Tuning
from ecgtune.training.tables import index_database

KEEN = Tuning(steps=60, lr=0.02, hold=0.0, frozen=())


def test_variants_differ_from_the_default_and_from_each_other() -> None:
    assert VARIANTS["the default"] == Way(Tuning(), itself=True)
    assert len(set(VARIANTS.values())) == len(VARIANTS)


@pytest.mark.usefixtures("mitdb")
def test_the_folds_hold_no_record_of_ds2() -> None:
    for split in make_folds(index_database("mitdb"), "leave-patients-out", seed=0, k=4):
        used = {record for side, _ in split.sides() for _, record in split.records(side)}
        assert not used & set(DS2)


def test_each_way_is_scored_on_the_beats_after_the_labelled_minutes(
    mitdb: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fold(index: Beats, *_: object, **__: object) -> list[Split]:
        rows = {name: np.flatnonzero(index.record == name) for name in ("106", "119")}
        return [Split("leave-patients-out", index, rows["106"], rows["119"], rows["119"][:0], fold=0)]

    monkeypatch.setattr(personal_choice, "make_folds", fold)
    model = tmp_path / "seed-3" / "fold-0" / "model"
    shutil.copytree(tiny_model, model)
    (tmp_path / "seed-3" / "metrics.json").write_text("{}")
    variants = {"keen": Way(KEEN), "idle": Way(Tuning(steps=0)), "idle alone": Way(Tuning(steps=0), False)}
    result = compare(tmp_path, config_name="strict", seeds=(3,), variants=variants)
    ways = [BASE, *variants, ALWAYS]
    assert list(result.figures) == [*(f"mitdb: {name}" for name in ways), "base kept"]
    # 119 has 1,987 beats, of which 1,657 have all that is read of them after 300 s.
    assert all(np.sum(result.matrices[name]["mitdb/119 (seed 3)"]) == 1657 for name in ("keen", "idle"))
    assert result.figures["mitdb: keen"]["better"].value == 1
    assert result.figures["base kept"]["keen"].value == 0
    base, idle = (
        {k: f.value for k, f in result.figures[f"mitdb: {name}"].items()} for name in (BASE, "idle")
    )
    # This base does without self-training anyway.
    assert result.matrices["idle alone"] == result.matrices["idle"]
    assert (idle["accuracy"], idle["better"], idle["worse"]) == (base["accuracy"], 0, 0)
    assert result.data["mitdb"].records == 1
    assert "| keen" in markdown(result)
