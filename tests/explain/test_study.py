"""Whom a model may be studied on, by its card, and how its results are named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgtune.databases import DS2, find_database
from ecgtune.errors import ModelError
from ecgtune.explain import study
from ecgtune.explain.beats_of import Index
from ecgtune.explain.study import (
    Studied,
    command_of,
    index_for,
    result_name,
    scorings_of,
    studied_model,
    whose,
)
from ecgtune.training.tables import RecordKey


@pytest.fixture
def studied(tiny_model: Path) -> Studied:
    return studied_model(tiny_model)


@pytest.fixture
def without_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes of records that are not read."""

    def index(keys: tuple[RecordKey, ...]) -> Index:
        nothing = np.empty(0, dtype=np.int64)
        return Index(
            tuple(keys),
            {key: "/".join(key) for key in keys},
            dict.fromkeys(keys, nothing),
            dict.fromkeys(keys, nothing),
        )

    monkeypatch.setattr(study, "index_records", index)


def names(index: Index) -> list[str]:
    return [record for _, record in index.keys]


@pytest.mark.usefixtures("without_reading")
def test_the_test_side_of_its_protocol_is_what_a_model_is_studied_on(studied: Studied, mitdb: Path) -> None:
    assert len(index_for(studied, "mitdb", None).keys) == 43
    inter_patient = replace(studied, training={"protocol": "inter-patient"})
    assert sorted(names(index_for(inter_patient, "mitdb", None))) == sorted(DS2)
    fold = replace(studied, training={"protocol": "leave-patients-out"})
    left = names(index_for(fold, "mitdb", None))
    assert not set(left) & set(DS2)
    assert "208" not in left
    # Another database has no sides, and named records are taken as they are.
    assert names(index_for(inter_patient, "nstdb", None)) == list(find_database("nstdb").records())
    assert names(index_for(inter_patient, "mitdb", ["208"])) == ["208"]


@pytest.mark.usefixtures("without_reading")
def test_whose_beats_they_are_is_said(studied: Studied, mitdb: Path) -> None:
    unseen, both = (index_for(studied, "mitdb", records) for records in (["119"], ["119", "208"]))
    assert whose(studied, unseen) == "1 records of patients that the model was not trained on: mitdb/119"
    assert whose(studied, both).endswith("; the model WAS TRAINED on mitdb/208")


@pytest.mark.usefixtures("without_reading")
def test_scorings_of_the_test_side_are_logged(studied: Studied, mitdb: Path, tmp_path: Path) -> None:
    tested = replace(studied, training={"protocol": "inter-patient", "split_hash": "abc"})
    (entry,) = scorings_of(tested, "mitdb", index_for(tested, "mitdb", None), tmp_path / "result.json")
    assert (entry.protocol, entry.split_hash, entry.model_hash) == ("inter-patient", "abc", studied.hash)
    for model, records in ((tested, ["119"]), (studied, None)):
        index = index_for(model, "mitdb", records)
        assert scorings_of(model, "mitdb", index, tmp_path / "result.json") == ()


def test_commands_have_no_path_of_a_machine(studied: Studied, tmp_path: Path) -> None:
    options = {"data": "", "records": ["1", "2"], "quick": True, "seed": 0, "again": False}
    command = command_of("robustness", str(tmp_path / "runs" / "x"), options, tmp_path / "out")
    assert command == "ecgtune robustness x --records 1,2 --quick --out out"
    assert command_of("confidence", "default", {"seed": 3}, Path("results/a")) == (
        "ecgtune confidence default --seed 3 --out results/a"
    )


def test_results_are_named_after_their_folder_or_their_model(studied: Studied) -> None:
    name = studied.subject.name
    assert result_name(Path("results/robustness-default"), "robustness", name) == "robustness-default"
    assert result_name(Path("My Results"), "confidence", name) == "confidence-tiny-0"


def test_models_that_do_not_label_beats_by_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        studied_model(tmp_path / "nothing")
