"""The study of confidence: known temperatures, what is rejected, folds; small, on recordings of DS1."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from command import Command
from ecgtune.errors import ModelError
from ecgtune.evaluation.calibration import fit_temperature, tempered
from ecgtune.evaluation.results import Result, load_result
from ecgtune.explain import confidence_measure
from ecgtune.explain.confidence import measure_confidence
from ecgtune.explain.confidence_measure import Said, folds_in, said_by, said_out_of_fold
from ecgtune.explain.confidence_result import AFTER, BEFORE, WITHOUT_232, figures_of, limit_row
from ecgtune.explain.study import index_for, studied_model
from ecgtune.model import load_model
from ecgtune.training.export import load_network, save_model
from ecgtune.training.tables import reference_table


def softmax(logits: np.ndarray) -> np.ndarray:
    exp = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exp / exp.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def said() -> Said:
    """Beats whose classes are drawn with probabilities that the network says half as loud."""
    rng = np.random.default_rng(0)
    honest = softmax(rng.normal(scale=2, size=(12_000, 5)))
    true = (rng.uniform(size=(12_000, 1)) > honest.cumsum(1)).sum(1)
    record = np.repeat([f"mitdb/{name}" for name in (100, 101, 102, 232)], 3000)
    before = tempered(honest, 2.0)
    fold = np.zeros(12_000, dtype=np.int64)
    return Said(record, true, before, tempered(before, 0.5), np.full(12_000, 0.5), fold)


def test_the_right_temperature_takes_the_calibration_error_away(said: Said) -> None:
    figures, tables = figures_of(said, seed=0)
    before, after = figures[BEFORE], figures[AFTER]
    assert before["ECE"].value > 0.1
    assert after["ECE"].value < 0.015
    assert after["ECE"].high < before["ECE"].low
    assert after["NLL"].value < before["NLL"].value
    assert after["Brier score"].value < before["Brier score"].value
    # The most probable class stays what it is.
    assert after["accuracy"].value == before["accuracy"].value
    assert after["mean confidence"].value == pytest.approx(after["accuracy"].value, abs=0.015)
    assert (before["temperature"].value, after["temperature"].value) == (1.0, 0.5)
    for name in "NSVFQ":
        assert figures[f"class {name}"]["ECE after"].value < figures[f"class {name}"]["ECE before"].value
    assert figures[WITHOUT_232]["ECE"].n == 3
    assert list(tables["calibration"].rows) == [BEFORE, AFTER, WITHOUT_232]


def test_what_is_rejected_and_what_is_left(said: Said) -> None:
    figures, tables = figures_of(said, seed=0)
    best, right = said.best.max(1), ~said.wrong
    for limit in (0.0, 0.6, 0.9):
        row, kept = figures[limit_row(limit)], best >= limit
        assert row["coverage"].value == pytest.approx(kept.mean())
        assert row["accuracy"].value == pytest.approx(right[kept].mean())
        assert row["V kept"].value == pytest.approx(kept[said.true == 2].mean())
    # Honest probabilities: the surer, the better; but what is rejected is missed.
    accuracy = [figures[row]["accuracy"].value for row in tables["selective"].rows]
    assert accuracy == sorted(accuracy)
    assert figures[limit_row(0.9)]["macro-F1, Q counted"].value < figures[limit_row(0.0)]["macro-F1"].value
    risk = figures["risk after"]
    assert risk["least possible"].value < risk["AURC"].value < risk["by chance"].value


def test_without_a_temperature_there_is_one_way(said: Said) -> None:
    plain = Said(said.record, said.true, said.before, None, np.ones(12_000), said.fold)
    figures, tables = figures_of(plain, seed=0)
    assert AFTER not in figures
    assert tables["classes"].columns == ("beats", "ECE before")
    assert figures[limit_row(0.5)]["coverage"].value == pytest.approx((said.before.max(1) >= 0.5).mean())


@pytest.fixture(scope="module")
def warm_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a temperature."""
    card = json.loads((tiny_model / "card.json").read_text()) | {"temperature": 0.5}
    return save_model(load_network(tiny_model), card, tmp_path_factory.mktemp("warm") / "tiny").folder


def test_said_is_what_the_runtime_says_before_and_after(
    warm_model: Path, tiny_model: Path, mitdb: Path, one_thread: None
) -> None:
    studied = studied_model(warm_model)
    said = said_by(studied, index_for(studied, "mitdb", ["119"]))
    table = reference_table([("mitdb", "119")], load_model(warm_model).preprocessing)
    np.testing.assert_array_equal(said.true, table.label)
    for folder, probability in ((warm_model, said.after), (tiny_model, said.before)):
        expected = load_model(folder).predict(table.windows, table.at)
        np.testing.assert_allclose(probability, expected, atol=1e-4)


@pytest.fixture(scope="module")
def result(
    warm_model: Path, mitdb: Path, tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("studies") / "confidence-tiny"
    return measure_confidence(warm_model, out, records=["119", "208"]), out


def test_the_result_is_stored_and_drawn(result: tuple[Result, Path]) -> None:
    made, out = result
    assert load_result(out / "result.json").to_json() == made.to_json()
    assert made.command == "ecgtune confidence tiny --records 119,208 --out confidence-tiny"
    assert made.scorings == ()
    assert "WAS TRAINED on mitdb/208" in made.notes[0]
    assert made.figures["class V"]["beats"].value == 444 + 992
    for name in ("reliability.png", "classes.png", "risk.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def folds(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], Path]:
    """Make a run folder of folds, each trained on one of DS1's records (as far as this test sees)."""

    def make(trained: dict[str, str]) -> Path:
        for fold, record in trained.items():
            model = tmp_path / "run" / f"fold-{fold}" / "model"
            shutil.copytree(tiny_model, model)
            card = json.loads((model / "card.json").read_text())
            card["training"] = {"patients": [f"mitdb/{each}" for each in record.split()]}
            (model / "card.json").write_text(json.dumps(card))
        monkeypatch.setattr(confidence_measure, "DS1", ("119", "208", "201"))
        return tmp_path / "run"

    return make


def test_folds_label_who_was_left_out(folds: Callable[..., Path], mitdb: Path, one_thread: None) -> None:
    run = folds({"1": "119", "0": "208"})
    assert [path.parent.name for path in folds_in(run)] == ["fold-0", "fold-1"]
    said, index = said_out_of_fold(run)
    assert index.keys == (("mitdb", "119"), ("mitdb", "208"))
    assert dict(zip(said.record.tolist(), said.fold.tolist(), strict=True)) == {
        "mitdb/119": 0,
        "mitdb/208": 1,
    }
    # Each fold has the temperature that suits the other one's beats.
    for own in (0, 1):
        mine = said.fold == own
        temperature = said.temperature[mine][0]
        np.testing.assert_allclose(said.after[mine], tempered(said.before[mine], temperature))
        suits = fit_temperature(np.log(said.before[~mine]), said.true[~mine])
        assert temperature == pytest.approx(suits)


def test_the_command_takes_folds(
    folds: Callable[..., Path], ecgtune: Command, mitdb: Path, tmp_path: Path
) -> None:
    run = folds({"0": "208", "1": "119"})
    ended = ecgtune("confidence", run, "--out", tmp_path / "out")
    assert ended.status == 0, ended.err
    assert "2 folds of tiny 0" in ended.err
    assert "each fold's temperature is fitted to the beats of the other folds" in ended.out
    ended = ecgtune("confidence", run, "--records", "119", "--out", tmp_path / "out")
    assert ended.status == 2
    assert "take no --data, no --records" in ended.lines[-1]


def test_folds_that_cannot_be_used_are_named(folds: Callable[..., Path], mitdb: Path) -> None:
    run = folds({"0": "208", "1": "119 208"})
    with pytest.raises(ModelError, match="its card names all of DS1; a fold leaves patients out"):
        said_out_of_fold(run)
    shutil.rmtree(run / "fold-1")
    with pytest.raises(ModelError, match="fewer than two folds are finished"):
        said_out_of_fold(run)
