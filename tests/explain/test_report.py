"""A whole report, of few beats."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
from made_up_beats_explained import all_of, random_reading, small_network, subject_around

from ecgtune.errors import DataError, ModelError
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import load_result
from ecgtune.explain.report import learned_beats, report_on, write_report
from ecgtune.explain.report_plan import Plan
from ecgtune.training.networks.windows import build_window_network

pytestmark = pytest.mark.usefixtures("one_thread", "data")

TINY = Plan(
    per_class=3,
    few=1,
    steps=4,
    few_steps=3,
    shares=4,
    orders=1,
    pieces=2,
    noises=1,
    depths=2,
    dealings=1,
    learned=2,
    epochs=8,
)
RECORDS = ("207", "208", "223")


@pytest.fixture(scope="module")
def reported(tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "explain-tiny"
    return out, write_report(tiny_model, out, records=RECORDS, plan=TINY)


def test_it_leaves_a_result_a_page_and_a_picture(reported):
    out, result = reported
    assert load_result(out / "result.json") == load_result(out / "result.json")
    assert result.name == "explain-tiny"
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")
    text = (out / "report.html").read_text()
    page = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))
    # Nothing on the page needs a file or a network.
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    # The verdict comes before everything else.
    assert next(each.text for each in page.iter("strong")) == result.notes[0]
    assert text.index(result.notes[0][:40]) < text.index("<h2>")


def test_the_first_line_is_the_verdict_and_the_counts_agree(reported):
    _, result = reported
    assert re.match(r"(PASSED|FAILED): ", result.notes[0])
    counts = {label: result.figures[row] for row, label in result.tables["verdicts"].rows.items()}
    assert set(counts) == {"integrated-gradients", "grad-cam", "occlusion"}
    for method, row in counts.items():
        for question, figure in row.items():
            said = re.search(rf"{method} is ([^;]*)", result.notes[0])
            fails = said is not None and f"not {question}" in said[1]
            assert fails == (figure.value < 3), (method, question)


def test_it_says_that_the_model_was_trained_on_a_record(reported):
    _, result = reported
    assert any("the model WAS TRAINED on mitdb/208" in note for note in result.notes)
    assert any("patients mitdb/207, mitdb/208, mitdb/223" in note for note in result.notes)
    assert any("learned on beats of the model's training, records mitdb/208" in note for note in result.notes)


def test_every_method_has_figures_with_every_filling(reported):
    _, result = reported
    for filling in ("zero", "typical-beat", "noise"):
        for method in ("integrated-gradients", "grad-cam", "occlusion"):
            label = f"{method}, {filling}"
            assert {"area", "minus random", "minus edges"} <= set(result.figures[f"{label}, deletion"])
            assert {"infidelity", "sensitivity"} <= set(result.figures[f"{label}, infidelity"])
            assert "permuted labels" in result.figures[f"{label}, sanity-signed"]
        shares = result.figures[f"V, occlusion, regions-{filling}"]
        assert sum(figure.value for figure in shares.values()) == pytest.approx(1)
    assert result.figures["S, beats"]["beats"].value == 3
    assert markdown(result).count("**") > 10


@pytest.mark.slow
def test_the_seed_decides_every_figure(reported, tiny_model, tmp_path):
    _, result = reported
    again = write_report(tiny_model, tmp_path / "explain-tiny", records=RECORDS, plan=TINY)
    other = write_report(tiny_model, tmp_path / "other", records=RECORDS, plan=TINY, seed=1)

    def figures(one):
        return {row: named for row, named in one.figures.items() if not row.endswith(", seconds")}

    assert figures(again) == figures(result)
    assert figures(other) != figures(result)


def test_records_of_other_patients_are_said_to_be_such(tmp_path):
    torch.manual_seed(0)
    how = {"cut": "fixed", "leads": 2, "band_hz": [0.5, 40.0], "order": 3}
    how |= {"database": "mitdb", "seconds": 1.0, "width": 64, "scale_percent": 0.1}
    subject = replace(
        subject_around(
            build_window_network("ann", channels=2, width=64, classes=5).eval(),
            leads=2,
            width=64,
            classes="NSVFQ",
            trained_on=frozenset({"mitdb/208"}),
        ),
        windows=how,
    )
    options = {"command": "test", "data": "mitdb", "plan": TINY, "seed": 0}
    result = report_on(subject, tmp_path, records=["119", "124"], **options)
    assert any("mitdb/119, mitdb/124; the model was trained on none of them" in note for note in result.notes)
    # A network without convolutions has no Grad-CAM.
    assert "grad-cam: not measured, since the network has no convolution" in result.notes
    assert "grad-cam" not in result.notes[0]
    # Two records are too few for any verdict.
    assert result.notes[0].startswith("FAILED")


def test_without_its_training_data_the_network_learns_what_is_explained():
    subject = subject_around(small_network(), trained_on=frozenset({"nowhere/1"}))
    drawn = all_of(random_reading(n=30))
    learned, said = learned_beats(subject, "mitdb", drawn, TINY, seed=0)
    assert "since none of the model's training is at hand" in said
    assert [len(rows) for rows in learned.rows] == [6]


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(DataError, match="mitdb: no record 9999"):
        write_report("default", tmp_path, records=["9999"])
    with pytest.raises(ModelError, match="no such model"):
        write_report("nobody", tmp_path)
