"""``ecgtune train --protocol patient-adapted`` on four records of DS1; no test scores DS2."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_training import SIDES, small_config, split_by_record

from ecgtune.beats import Beats
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import load_result
from ecgtune.model import load_model
from ecgtune.splits import PROTOCOLS, Split
from ecgtune.splits.boundaries import divide_time
from ecgtune.training import personal_protocol, run
from ecgtune.training.personal_protocol import PUBLISHED
from ecgtune.training.summary import format_metrics
from ecgtune.training.tables import split_options

KEY = ("mitdb", SIDES["test"][0])


def adapted_split(index: Beats, protocol: str, seed: int = 0) -> Split:
    base = split_by_record(index, seed=seed)
    window = split_options(protocol, small_config().preprocessing)["window"]
    limits = {KEY: (240.0, 300.0)}
    tune, check, test = divide_time(index, base.test, limits, window)
    sides = {"tune": tune, "tune_validate": check, "test": test}
    return replace(base, protocol=protocol, window=window, boundaries=limits, **sides).check()


@pytest.fixture
def out(small_mitdb: None, small_index: Beats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        run, "make_split", lambda index, protocol, *, seed, **_: adapted_split(index, protocol, seed)
    )
    return tmp_path / "run"


def train(out: Path, protocol: str = "patient-adapted-24") -> run.TrainedModel:
    return run.train(small_config(epochs=1, refit=False), out, protocol=protocol, tell=lambda _: None)


def test_protocols_that_divide_in_time_are_told_what_a_beat_reads() -> None:
    how = small_config().preprocessing
    for protocol in PROTOCOLS:
        given = split_options(protocol, how)
        assert set(given) == (
            {"window"} if protocol == "chronological" or protocol.startswith("patient-adapted") else set()
        )
    before, after = split_options("patient-adapted", how)["window"]
    assert before == after == pytest.approx(3 + 19 / 128)


def test_the_base_is_tuned_to_each_test_record_and_both_are_scored_on_its_rest(
    out: Path, small_index: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(out)
    split = adapted_split(small_index, "patient-adapted-24")
    metrics = json.loads((out / "metrics.json").read_text())
    before, after = (np.array(metrics[side]["matrix"]) for side in ("before", "test"))
    assert before.sum() == after.sum() == len(split.test)
    assert after.trace() > before.trace()
    personal = load_model(out / "personal" / KEY[1])
    assert (
        personal.card["personal"]["parent"]["sha256"] == load_model(out / "model").hash == trained.model.hash
    )
    assert personal.card["personal"]["until_s"] == 300
    assert personal.card["personal"]["check_from_s"] == 240
    learnt = np.concatenate([split.tune, split.tune_validate])
    # Not every label meets a detected beat.
    assert 0.97 * len(learnt) < sum(personal.card["personal"]["beats"].values()) <= len(learnt)
    assert trained.model.card["metrics"] == {}
    shown = format_metrics(trained, "patient-adapted-24")
    assert shown.index("before tuning") < shown.index("patient-adapted-24, test side, annotated")

    result = load_result(out / "result.json")
    text = markdown(result)
    assert "pooled, before tuning" in text
    assert "published: Kiranyaz 2016, doi:10.1109/TBME.2015.2468589" in text
    published = result.figures["published: Kiranyaz 2016"]
    assert {name: figure.value for name, figure in published.items()} == {
        "V Se": 0.939,
        "V +P": 0.906,
        "S Se": 0.603,
        "S +P": 0.635,
    }
    assert result.figures["records"]["better"].value == 1
    assert result.figures["before: pooled"]["accuracy"].value == pytest.approx(
        before.trace() / before.sum(), abs=1e-6
    )
    assert set(result.matrices) == {"before", "test"}
    assert result.scorings[0].model_hash == trained.model.hash
    assert len(result.scorings) == 2
    assert any("tested records are of DS1 (109)" in note for note in result.notes)

    # The same command again neither tunes nor scores.
    monkeypatch.setattr(personal_protocol, "personalize", lambda *_, **__: pytest.fail("tuned again"))
    again = train(out)
    np.testing.assert_array_equal(again.matrices[KEY], trained.matrices[KEY])
    assert load_result(out / "result.json").scorings == result.scorings


def test_a_record_whose_figures_were_not_written_is_done_again_and_comes_out_the_same(out: Path) -> None:
    trained = train(out, "patient-adapted")
    weights = out / "personal" / KEY[1] / "weights.safetensors"
    first = weights.read_bytes()
    (out / "personal" / f"{KEY[1]}.json").unlink()
    shutil.rmtree(out / "personal" / KEY[1])
    (out / "personal" / KEY[1]).mkdir()
    again = train(out, "patient-adapted")
    assert weights.read_bytes() == first
    np.testing.assert_array_equal(again.matrices[KEY], trained.matrices[KEY])
    assert "patient-adapted" not in PUBLISHED
    assert len(load_result(out / "result.json").scorings) == 4
