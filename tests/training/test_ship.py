"""From a run folder to a model that ships, and its card."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_training import small_config

from ecgtune.errors import ModelError
from ecgtune.evaluation.results import load_result, save_result
from ecgtune.model import load_model
from ecgtune.training import run, ship


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folder in place of the models that ship."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    monkeypatch.setattr(ship, "pretrained_folder", lambda: folder)
    return folder


@pytest.fixture
def finished(tmp_path: Path, small_mitdb: None) -> Path:
    run.train(small_config(epochs=1, refit=False), tmp_path / "run")
    return tmp_path / "run"


def test_model_and_result_are_copied_and_the_card_has_the_figures(
    finished: Path, shelf: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    folder = ship.ship(finished, results)
    assert folder == shelf / "small"
    model, result = load_model(folder), load_result(results / "small-by-record.json")
    assert model.hash == load_model(finished / "model").hash
    save_result(replace(result, name="other-by-record"), results / "other-by-record.json")
    adapted = replace(result, name="small-patient-adapted", protocol="patient-adapted", scorings=())
    save_result(adapted, results / "small-patient-adapted.json")
    stale = replace(result, name="small-stale", scorings=(replace(result.scorings[0], model_hash="0"),))
    save_result(stale, results / "small-stale.json")

    assert ship.put_figures(folder, results) == ["small-by-record", "small-patient-adapted"]
    card = load_model(folder).card
    (value, low, high) = card["metrics"]["small-by-record"]["figures"]["pooled"]["V F1"]
    figure = result.figures["pooled"]["V F1"]
    assert (value, low, high) == pytest.approx((figure.value, figure.low, figure.high), rel=1e-3)
    assert card["metrics"]["small-by-record"]["figures"]["pooled"]["beats"] == 2532
    assert "one lead" in card["metrics"]["small-by-record"]["figures"]
    # Again, in place of what is there: the log keeps what was scored before.
    content = json.loads((finished / "result.json").read_text())
    content["scorings"][0] |= {"when": "2999-01-01T00:00:00+00:00"}
    (finished / "result.json").write_text(json.dumps(content))
    ship.ship(finished, results)
    assert len(load_result(results / "small-by-record.json").scorings) == 2
    assert sorted(path.name for path in shelf.iterdir()) == ["small"]


def test_what_must_not_ship_is_refused(
    finished: Path, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    monkeypatch.setattr(ship, "LARGEST", 10)
    with pytest.raises(ModelError, match="at most 10 may ship"):
        ship.ship(finished, results)
    monkeypatch.undo()
    monkeypatch.setattr(ship, "pretrained_folder", lambda: shelf)

    content = json.loads((finished / "result.json").read_text())
    content["scorings"][0]["model_hash"] = "0"
    (finished / "result.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="is of another model"):
        ship.ship(finished, results)
    (finished / "result.json").unlink()
    with pytest.raises(ModelError, match="finish the training, without --no-test"):
        ship.ship(finished, results)
    shutil.rmtree(finished / "model")
    with pytest.raises(ModelError, match="no such model"):
        ship.ship(finished, results)
    assert not list(shelf.iterdir())
    assert not results.exists()
