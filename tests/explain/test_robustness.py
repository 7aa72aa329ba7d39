"""The study of robustness: its figures by hand, and the whole of it, small, on recordings of DS1."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command import Command
from ecgtune.errors import DataError, ModelError
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import Result, load_result
from ecgtune.explain.beats_of import index_records
from ecgtune.explain.robustness import measure_robustness, notes_of
from ecgtune.explain.robustness_measure import Found, Measured, fiducials
from ecgtune.explain.robustness_noise import stretch_of
from ecgtune.explain.robustness_plan import CLEAN, Plan
from ecgtune.explain.robustness_result import OTHER_BEAT, figures_of
from ecgtune.explain.study import studied_model
from ecgtune.readers import read_record

IG, CAM = "integrated-gradients", "grad-cam"

SMALL = Plan(
    minutes=(5.0, 5.5),
    snrs=(0.0,),
    noises=("em",),
    losses=("loss-first",),
    per_class=2,
    methods=(IG,),
    steps=4,
)


def found(right: int, missed: int, false: int, same: int, correlation: float) -> Found:
    """Forty V beats, some right and some missed, the others N; false beats that are called V."""
    detected = np.zeros((7, 7), dtype=np.int64)
    detected[2, 2], detected[2, 5], detected[2, 0] = right, missed, 40 - right - missed
    detected[5, 2] = false
    detected[0, 0] = 60
    reference = np.zeros((5, 5), dtype=np.int64)
    reference[2, 2], reference[2, 0], reference[0, 0] = same, 40 - same, 60
    return Found(detected, reference, (60 + same, 100), {IG: (10 * correlation, 10)})


def test_figures_by_hand() -> None:
    plan = Plan(snrs=(6.0,), noises=("ma",), losses=("loss-30",), methods=(IG,))
    noisy = {
        CLEAN: found(40, 0, 0, 40, 1.0),
        "ma 6 dB": found(20, 10, 20, 30, 0.5),
        "loss-30": found(30, 0, 0, 40, 0.8),
    }
    measured = {name: Measured(noisy, {IG: (3.0, 10)}) for name in ("a", "b", "c")}
    figures, tables = figures_of(measured, plan, seed=0)

    def value(row: str, column: str) -> float | int | None:
        return figures[row][column].value

    assert value("QRS Se: ma", "6 dB") == pytest.approx(0.9)
    assert value("QRS +P: ma", "6 dB") == pytest.approx(90 / 110)
    # A missed beat lowers Se of its class, a false one +P of the label that it gets.
    assert value("V Se: ma", "6 dB") == pytest.approx(20 / 40)
    assert value("V +P: ma", "6 dB") == pytest.approx(20 / 40)
    assert value("V F1: ma", "6 dB") == pytest.approx(0.5)
    assert value("N +P: ma", "6 dB") == pytest.approx(60 / 70)
    assert value("V Se (reference): ma", "6 dB") == pytest.approx(30 / 40)
    # No S beat anywhere: its F1 is undefined, and the mean is over the others.
    assert value("S F1: ma", "6 dB") is None
    f1_of_n = 120 / 130
    assert value("macro-F1: ma", "6 dB") == pytest.approx((f1_of_n + 0.5) / 2)
    assert value("labels kept: ma", "6 dB") == pytest.approx(0.9)
    name = "rank correlation, Integrated Gradients"
    assert value(f"{name}: ma", "6 dB") == pytest.approx(0.5)
    assert value(f"{name}: ma", CLEAN) == 1
    assert value("loss-30", name) == pytest.approx(0.8)
    assert value(OTHER_BEAT, name) == pytest.approx(0.3)
    assert value("loss-30", "V F1") == pytest.approx(2 * 30 / 70)
    # Records that are all alike leave no doubt.
    assert figures["V F1: ma"]["6 dB"].low == figures["V F1: ma"]["6 dB"].high == pytest.approx(0.5)
    assert tables["v-f1"].columns == (CLEAN, "6 dB")
    assert tables["qrs-ppv"].rows == {"QRS +P: ma": "muscle (nstdb ma)"}
    assert list(tables["loss"].rows) == [CLEAN, "loss-30", OTHER_BEAT]


def test_fiducials_are_where_clean_beats_were_detected(mitdb: Path) -> None:
    record = read_record(mitdb / "119")
    part = stretch_of(record, record.annotations["atr"], (5, 6), seed=0).record
    beats, annotated = fiducials(part)
    reference = part.annotations["atr"].beats()
    np.testing.assert_array_equal(annotated, reference.sample)
    assert beats.symbol.tolist() == reference.symbol.tolist()
    assert 0 < np.abs(beats.sample - annotated).max() <= 0.1 * record.fs


@pytest.fixture(scope="module")
def studied(
    tiny_model: Path, mitdb: Path, tmp_path_factory: pytest.TempPathFactory, one_thread: None
) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("studies") / "robustness-tiny"
    return measure_robustness(tiny_model, out, records=["119", "208"], plan=SMALL), out


def test_clean_recordings_keep_everything(studied: tuple[Result, Path]) -> None:
    figures = studied[0].figures
    for row in ("labels kept: em", "rank correlation, Integrated Gradients: em"):
        assert figures[row][CLEAN].value == 1
    assert figures["QRS Se: em"][CLEAN].value > 0.98
    assert figures["QRS +P: em"][CLEAN].value > 0.98


def test_noise_as_strong_as_the_beats_costs_beats_labels_and_reasons(studied: tuple[Result, Path]) -> None:
    figures = studied[0].figures
    assert figures["QRS Se: em"]["0 dB"].value < 0.99
    assert figures["labels kept: em"]["0 dB"].value < 0.95
    assert -0.5 < figures["rank correlation, Integrated Gradients: em"]["0 dB"].value < 0.9
    assert figures["loss-first"]["rank correlation, Integrated Gradients"].value < 0.9
    assert figures["loss-first"]["QRS Se"].value > 0.6


def test_the_result_says_how_it_was_measured(studied: tuple[Result, Path]) -> None:
    result, out = studied
    assert load_result(out / "result.json").to_json() == result.to_json()
    assert result.name == "robustness-tiny"
    assert result.command == "ecgtune robustness tiny --records 119,208 --jobs 1 --out robustness-tiny"
    notes = " ".join(result.notes)
    assert "the model WAS TRAINED on mitdb/208" in notes
    assert "won back from nstdb 118e_6" in notes or "em: nstdb em" in notes
    assert "the beat detector was trained with pieces of bw and ma" in notes
    assert "was trained with simulated faults" not in notes
    assert {"mitdb", "nstdb"} == set(result.data)
    # DS1 records are on no test side.
    assert result.scorings == ()
    assert "electrode motion (nstdb em)" in markdown(result, "qrs-se")


def test_noise_that_the_model_was_taught_is_told(tiny_model: Path, mitdb: Path) -> None:
    tiny = studied_model(tiny_model)
    taught = replace(tiny, training=tiny.training | {"faults": ["motion", "pop"]})
    notes = " ".join(notes_of(taught, index_records([("mitdb", "119")]), SMALL))
    assert "the model was trained with simulated faults of leads (motion, pop)" in notes


def test_figures_are_drawn(studied: tuple[Result, Path]) -> None:
    for name in ("curves.png", "loss.png"):
        content = (studied[1] / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


@pytest.mark.slow
def test_two_processes_measure_what_one_does(
    studied: tuple[Result, Path], tiny_model: Path, tmp_path: Path
) -> None:
    again = measure_robustness(tiny_model, tmp_path / "two", records=["119", "208"], plan=SMALL, jobs=2)
    assert again.figures == studied[0].figures
    assert json.loads(again.to_json())["command"].endswith("--jobs 2 --out two")


def test_a_model_of_every_patient_has_nobody_to_be_tested_on(
    tiny_model: Path, mitdb: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    card = json.loads((folder / "card.json").read_text())
    every = sorted({f"mitdb/{n}" for n in range(100, 235)})
    card["training"] = {"patients": every, "protocol": "beat-split"}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="was trained on every patient of mitdb; take one trained with"):
        measure_robustness(folder, tmp_path / "out", plan=SMALL)


def test_wrong_use_is_one_line(ecgtune: Command, tiny_model: Path, mitdb: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((tiny_model, "--records", "999"), "mitdb: no record 999"),
        ((tiny_model, "--records", ","), "--records: give names by comma"),
        (("nowhere",), "no such model"),
    ):
        ended = ecgtune("robustness", *arguments, "--out", tmp_path / "out")
        assert ended.status == 2
        assert message in ended.lines[-1]
    with pytest.raises(DataError, match="no record 999"):
        measure_robustness(tiny_model, tmp_path / "out", records=["999"], plan=SMALL)


def test_the_command_prints_tables(
    ecgtune: Command, tiny_model: Path, mitdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgtune.explain import robustness

    monkeypatch.setattr(robustness, "QUICK", replace(SMALL, noises=("mains60",), losses=(), per_class=1))
    ended = ecgtune(
        *("robustness", tiny_model, "--records", "119", "--quick", "--jobs", 1, "--out", tmp_path / "out")
    )
    assert ended.status == 0, ended.err
    assert "mains hum 60 Hz, simulated" in ended.out
    assert "mitdb/119 (1 of 1)" in ended.err
    assert not (tmp_path / "out" / "loss.png").exists()
