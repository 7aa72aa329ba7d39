"""Patients left out in turn."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_training import SIDES, small_config

from ecgtune.beats import Beats
from ecgtune.databases import find_database
from ecgtune.errors import SplitError
from ecgtune.evaluation.results import load_result
from ecgtune.model import Model, load_model
from ecgtune.training import by_rhythm, cross_validation, without_ectopy
from ecgtune.training.fibrillating import Fibrillating
from ecgtune.training.on_rhythms import Said, SaidOn
from ecgtune.training.sequences import Recording
from ecgtune.training.tables import RecordKey
from ecgtune.training.tachycardias import Tachycardia
from ecgtune.training.unlabelled import Unlabelled
from ecgtune.training.without_ectopy import WithoutEctopy

RECORDS = [*SIDES["train"], *SIDES["validate"]]


def fibrillating(name: str) -> Fibrillating:
    width = small_config().preprocessing.width
    draw = np.random.default_rng([*name.encode()])
    at = np.cumsum(draw.integers(60, 140, 30))
    windows = draw.standard_normal((30, 2, width)).astype(np.float32)
    return Fibrillating(("cinc2017", name), name, at, windows, 1, np.ones(30, dtype=bool))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, small_index: Beats, small_table: Beats) -> list[Fibrillating]:
    """Three records with beats, and four recordings as of fibrillation."""
    some = [fibrillating(name) for name in find_database("cinc2017").records()[:4]]
    index = small_index.select(np.isin(small_index.record, RECORDS))
    monkeypatch.setattr(cross_validation, "index_database", lambda *_, **__: index)
    monkeypatch.setattr(cross_validation, "training_table", lambda *_: small_table)
    monkeypatch.setattr(by_rhythm, "fibrillating_recordings", lambda *_: some)
    monkeypatch.setattr(by_rhythm, "tachycardia_recordings", lambda *_: [])
    monkeypatch.setattr(by_rhythm, "recordings_without_ectopy", lambda *_: [])
    return some


def kept_apart(monkeypatch: pytest.MonkeyPatch, prepares: str) -> list[set[str]]:
    """Names of the recordings that teach, by fold; they are kept from the training itself."""
    taught: list[set[str]] = []

    def prepared(found: list[Unlabelled], *_: object) -> list[Recording]:
        taught.append({one.key[1] for one in found})
        return []

    monkeypatch.setattr(by_rhythm, prepares, prepared)
    return taught


def test_every_record_is_scored_once_by_a_network_that_never_saw_it(tmp_path: Path) -> None:
    out = tmp_path / "folds"
    metrics = cross_validation.cross_validate(small_config(epochs=1), out, folds=2)
    assert json.loads((out / "metrics.json").read_text())["matrix"] == metrics["matrix"]
    assert sorted(metrics["records"]) == sorted(f"mitdb/{record}" for record in RECORDS)
    lowest, *_, highest = sorted(metrics["temperature_of_folds"])
    assert 0.05 <= lowest <= metrics["temperature"] <= highest <= 20
    left_out = []
    for fold in range(2):
        card = load_model(out / f"fold-{fold}" / "model").card
        left_out += sorted(set(metrics["records"]) - set(card["training"]["records"]))
    assert sorted(left_out) == sorted(metrics["records"])
    result = load_result(out / "result.json")
    assert result.name == "small-leave-patients-out"
    assert len(result.divisions) == 2
    stored = sum(np.array(matrix) for matrix in result.matrices["out of fold"].values())
    assert stored.tolist() == metrics["matrix"]
    of_short = sum(np.array(matrix) for matrix in result.matrices["half minutes"].values())
    np.testing.assert_array_equal(of_short.sum(axis=1), stored.sum(axis=1))
    assert of_short.tolist() != metrics["matrix"]
    assert set(result.tables["short"].rows.values()) == set(result.tables["databases"].rows.values())
    assert not result.scorings


def test_what_is_called_s_in_fibrillation_is_counted_by_networks_that_were_not_taught_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: list[Fibrillating]
) -> None:
    config = small_config(epochs=1)
    config = replace(config, data=replace(config.data, weak=("cinc2017",)))
    taught = kept_apart(monkeypatch, "weak_recordings")
    counted: list[set[str]] = []

    def false_s(_: object, found: list[Fibrillating]) -> dict[tuple[str, str], np.ndarray]:
        some = list(found)
        counted.append({one.key[1] for one in some})
        return {one.key: np.array([3.0, 0.5]) for one in some}

    monkeypatch.setattr(cross_validation, "false_s", false_s)
    metrics = cross_validation.cross_validate(config, tmp_path / "folds", folds=2)
    assert metrics["false_s_an_hour"] == 6
    everyone = {one.key[1] for one in few}
    for taught_by, left_out in zip(taught, counted, strict=True):
        assert len(left_out) == 2
        assert taught_by == everyone - left_out
    assert set.union(*counted) == everyone
    for fold, teachers in enumerate(taught):
        model = load_model(tmp_path / "folds" / f"fold-{fold}" / "model")
        assert set(model.card["training"]["patients_by_rhythm"]) == teachers
        assert teachers < model.trained_on
    result = load_result(tmp_path / "folds" / "result.json")
    row = result.figures["false S: fibrillation of cinc2017"]
    assert [row[name].value for name in ("an hour", "beats", "hours", "records")] == [6, 12, 2, 4]
    assert list(result.tables["false-s"].rows.values()) == ["cinc2017"]


def test_what_is_said_in_tachycardia_is_counted_by_networks_that_were_not_taught_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.zeros(0)
    everyone = [
        Tachycardia(("vfdb", name), name, nothing, nothing, 2, *[nothing] * 3)
        for name in ("418", "419", "422", "426")
    ]
    monkeypatch.setattr(by_rhythm, "tachycardia_recordings", lambda *_: everyone)
    taught = kept_apart(monkeypatch, "taught_by")
    asked: list[set[str]] = []

    def said_on(_: object, keys: list[RecordKey]) -> SaidOn:
        asked.append({record for _, record in keys})
        return {"VT": {key: Said(np.array([1, 0, 9, 0, 0]), 0.5, 2, 1, 3) for key in keys}}

    monkeypatch.setattr(cross_validation, "said_on", said_on)
    config = small_config(epochs=1)
    config = replace(config, data=replace(config.data, ventricular=("vfdb",)))
    cross_validation.cross_validate(config, tmp_path / "folds", folds=2)
    for teachers, tested in zip(taught, asked, strict=True):
        assert len(tested) == 2
        assert teachers == {"418", "419", "422", "426"} - tested
    result = load_result(tmp_path / "folds" / "result.json")
    row = result.figures["VT"]
    expected = {"records": 4, "hours": 2, "beats": 40, "V": 0.9, "episodes": 8, "found": 4}
    assert {name: row[name].value for name in expected} == pytest.approx(expected)
    assert row["runs of V an hour"].value == 6
    assert list(result.tables["rhythms"].rows) == ["VT"]


def test_recordings_that_do_not_train_are_counted_too(tmp_path: Path, few: list[Fibrillating]) -> None:
    assert small_config().data.weak == ()
    cross_validation.cross_validate(small_config(epochs=1), tmp_path / "folds", folds=2)
    row = load_result(tmp_path / "folds" / "result.json").figures["false S: fibrillation of cinc2017"]
    assert row["records"].value == 4


def test_what_is_called_ectopic_without_ectopy_is_counted_by_networks_that_were_not_taught_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: list[Fibrillating]
) -> None:
    everyone = [
        WithoutEctopy(one.key, one.patient, one.at, one.windows, 1, what)
        for one, what in zip(few, ("normal rhythm", "noise", "noise", "noise"), strict=True)
    ]
    monkeypatch.setattr(by_rhythm, "fibrillating_recordings", lambda *_: [])
    monkeypatch.setattr(by_rhythm, "recordings_without_ectopy", lambda *_: everyone)
    taught = kept_apart(monkeypatch, "calm_recordings")
    counted: list[set[str]] = []

    def false_ectopy(model: Model, found: Iterable[WithoutEctopy]) -> dict[str, dict[RecordKey, np.ndarray]]:
        some = list(found)
        counted.append({one.key[1] for one in some})
        return without_ectopy.false_ectopy(model, some)

    monkeypatch.setattr(cross_validation, "false_ectopy", false_ectopy)
    config = small_config(epochs=1)
    config = replace(config, data=replace(config.data, without_ectopy=("cinc2017",)))
    cross_validation.cross_validate(config, tmp_path / "folds", folds=2)
    names = {one.key[1] for one in everyone}
    assert [len(teachers) for teachers in taught] == [2, 2]
    assert [names - teachers for teachers in taught] == counted
    result = load_result(tmp_path / "folds" / "result.json")
    rows = {row: result.figures[row]["records"].value for row in result.tables["without-ectopy"].rows}
    in_noise = {"false S in noise of cinc2017": 3, "false V in noise of cinc2017": 3}
    assert rows == {
        **in_noise,
        "false S in normal rhythm of cinc2017": 1,
        "false V in normal rhythm of cinc2017": 1,
    }
    for fold, teachers in enumerate(taught):
        card = load_model(tmp_path / "folds" / f"fold-{fold}" / "model").card
        assert set(card["training"]["patients_by_rhythm"]) == teachers


def test_a_patient_with_recordings_of_two_kinds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: list[Fibrillating]
) -> None:
    one = few[0]
    twice = WithoutEctopy(one.key, one.patient, one.at, one.windows, 1, "noise")
    monkeypatch.setattr(by_rhythm, "recordings_without_ectopy", lambda *_: [twice])
    with pytest.raises(SplitError, match="recordings of several kinds"):
        cross_validation.cross_validate(small_config(epochs=1), tmp_path / "folds", folds=2)
