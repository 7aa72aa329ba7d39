"""``ecgtune train ft-cnn``: one method of a system as a model folder, inside DS1."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ds1_alone import EVERY, TESTED, TRAINED, inside_ds1

from command import Command
from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import accuracy
from ecgtune.systems import beat_training, ft_cnn
from ecgtune.systems.beat_training import train_method
from ecgtune.systems.ft_cnn import quick_config
from ecgtune.training import trials
from ecgtune.training.window_model import WindowModel, load_window_model

pytestmark = pytest.mark.usefixtures("one_thread", "mitdb")


load_config = beat_training.load_config


def small(system: str) -> Mapping[str, Any]:
    """The system's quick configuration, with a small network beside its own."""
    how = quick_config(load_config(system))
    how["training"]["may_lack"] = ["Q"]
    how["quick"]["every"] = dict(EVERY)
    how["quick"]["records"] = [*TRAINED, *TESTED]
    how["methods"]["cnn"]["arguments"] = {"filters": [8]}
    return how


def few_beats(patch: pytest.MonkeyPatch) -> None:
    """Let a quick training take records of DS1 alone."""
    records = inside_ds1(patch)
    patch.setattr(beat_training, "load_config", small)
    patch.setattr(ft_cnn, "quick_config", lambda how: how)
    patch.setattr(beat_training, "few_records", lambda chosen, protocol: records)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    few_beats(monkeypatch)


def trained(out: Path, **options: Any) -> WindowModel:
    return train_method("ft-cnn", out, **{"method": "cnn", "quick": True, "test": False} | options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, mitdb: Path) -> Path:
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        few_beats(patch)
        trained(out)
    return out


def test_the_folder_holds_all_that_must_be_known(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == ["config.json", "model", "work"]
    assert sorted(path.name for path in (run / "model").iterdir()) == ["card.json", "weights.safetensors"]
    model = load_window_model(run)
    card = model.card
    assert (card["kind"], card["name"], card["system"]) == ("beat-windows", "cnn", "ft-cnn")
    assert card["network"] == {"name": "cnn", "filters": [8]}
    assert (card["leads"], card["fs"], card["width"], card["before"]) == (2, 32.0, 64, 32)
    assert card["windows"]["band_hz"] == [0.5, 40.0]
    training = card["training"]
    assert (training["protocol"], training["seed"], training["quick"]) == ("inter-patient", 0, True)
    assert sorted(training["records"]) == [f"mitdb/{name}" for name in TRAINED]
    assert model.trained_on == {f"mitdb/{name}" for name in TRAINED}
    assert len(training["split_hash"]) == 64
    assert set(card["metrics"]) == {"validate"}
    assert model.name == "cnn (inter-patient, seed 0)"
    assert not model.network.training


def test_the_weights_are_those_of_the_trial(run: Path) -> None:
    (folder,) = (run / "work").glob("cnn-inter-patient-seed-0-*")
    kept = torch.load(folder / "best.pt", weights_only=True)
    own = load_window_model(run).network.state_dict()
    assert all(torch.equal(kept[name], own[name]) for name in own)


def test_a_finished_training_is_read_and_its_test_side_scored_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "fit_windows", None)
    before = load_window_model(run).network.state_dict()
    told: list[str] = []
    model = trained(run, test=True, tell=told.append)
    assert any("scoring the test side, 2 records, once" in line for line in told)
    test = model.card["metrics"]["test"]
    assert sorted(test["records"]) == [f"mitdb/{name}" for name in TESTED]
    matrix = np.array(test["matrix"])
    assert test["pooled"]["accuracy"] == pytest.approx(float(accuracy(matrix)))
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    monkeypatch.setattr(beat_training, "predict_windows", None)
    told.clear()
    again = trained(run, test=True, tell=told.append)
    assert not any("scoring" in line for line in told)
    assert again.card == model.card


def test_a_folder_keeps_to_its_training(run: Path) -> None:
    with pytest.raises(ModelError, match="holds a training of another method, split or seed; choose another"):
        trained(run, seed=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "resnet50"}, "no method 'resnet50'; there are"),
        ({"method": "svm"}, "ft-cnn: svm is no network; networks are gru, bilstm, .*ann"),
        ({"protocol": "patient-adapted"}, "gives a network for each patient; train inter-patient"),
        ({"protocol": "k-fold"}, "no protocol 'k-fold'"),
    ],
)
def test_what_cannot_be_trained(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        trained(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_unknown_system(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no system 'patient-transfer' to train; there are ft-cnn, two-fold"):
        train_method("patient-transfer", tmp_path)


def test_the_command(ecgtune: Command, tmp_path: Path) -> None:
    arguments = (
        "--method",
        "cnn",
        "--quick",
        "--no-test",
        "--protocol",
        "beat-split",
        "--out",
        tmp_path / "run",
    )
    done = ecgtune("train", "ft-cnn", *arguments)
    assert done.status == 0, done.err
    assert "macro-F1 on the validation side" in done.out
    assert done.out.splitlines()[-1] == f"model: {tmp_path / 'run' / 'model'}"
    assert any(line.startswith("epoch   2") for line in done.lines)
    card = json.loads(ecgtune("train", "ft-cnn", *arguments, "--json").out)
    assert card["training"]["protocol"] == "beat-split"
    refused = ecgtune("classify", tmp_path, "--model", tmp_path / "run", "--out", tmp_path / "labels")
    assert refused.status == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ft-cnn", "--data", "svdb"), "ft-cnn takes no --data"),
        (("two-fold-focal", "--folds", "3"), "two-fold-focal takes no --folds"),
        (("ft-cnn", "--images", "scans"), "--images is for ecg-image-resnet"),
        (("default", "--method", "cnn"), "--method is for ft-cnn and two-fold-focal"),
    ],
)
def test_options_of_other_trainings(
    ecgtune: Command, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = ecgtune("train", *arguments, "--out", tmp_path / "run")
    assert (done.status, len(done.lines)) == (2, 1)
    assert says in done.err
