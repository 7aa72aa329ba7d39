"""The leaderboard: what stands in it, where it comes from, and what it says of what is not there."""

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgtune.errors import ResultError
from ecgtune.evaluation.bootstrap import bootstrap, pooled
from ecgtune.evaluation.leaderboard import IMPOSSIBLE, NOT_MEASURED, Board, Row, Value, boards, to_plain
from ecgtune.evaluation.leaderboard_entries import BEATS, BINARY, ENTRIES, NOT_POSSIBLE, TASKS, TELLS
from ecgtune.evaluation.leaderboard_tables import markdown, plain
from ecgtune.evaluation.metrics import accuracy, macro_f1
from ecgtune.evaluation.result_tables import documents, update_text
from ecgtune.evaluation.results import (
    Code,
    Figure,
    Result,
    load_results,
    plain_matrices,
    save_result,
)
from ecgtune.splits import PROTOCOLS

ROOT = Path(__file__).parents[2]
STORED = ROOT / "results"
RECORDS = [("mitdb", name) for name in ("100", "103", "105", "232")]

Plain = dict[str, tuple[tuple[int, ...], ...]]


def made_up(name: str, matrices: dict[str, Plain]) -> Result:
    return Result(
        name=name,
        title=name,
        created=date(2026, 1, 31),
        command=f"ecgtune reproduce {name}",
        protocol="beat-split",
        figures={"row": {"accuracy": Figure(1.0)}},
        code=Code("0.1.0"),
        machine="2 cores x86_64",
        wall_s=1.0,
        matrices=matrices,
    )


def drawn(seed: int, errors: float, records: list[tuple[str, str]] = RECORDS, classes: int = 5) -> Plain:
    """Matrices with some share of wrong labels."""
    random = np.random.default_rng(seed)
    shares = (1 - errors) * np.eye(classes) + errors / classes
    return plain_matrices({record: random.multinomial(200, shares) for record in records})


def board(results: Mapping[str, Result], protocol: str, task: str = BEATS.name) -> Board:
    (found,) = [each for each in boards(results, [protocol]) if each.task.name == task]
    return found


def row(found: Board, label: str) -> Row:
    (one,) = [each for each in found.rows if each.entry.label == label]
    return one


@pytest.fixture(scope="module")
def stored() -> dict[str, Result]:
    return load_results(STORED)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Two studies as their workers leave them, read back from files."""
    folder = tmp_path_factory.mktemp("studies")
    ft_cnn = {f"ft-cnn, beat-split, seed {seed}": drawn(seed, 0.1 + 0.02 * seed) for seed in (2, 0, 1)}
    ft_cnn["gru, beat-split, seed 0"] = drawn(7, 0.3)
    ft_cnn["cnn, beat-split, seed 0"] = drawn(8, 0.01)
    ft_cnn["ft-cnn, inter-patient, seed 0"] = drawn(9, 0.4)
    ft_cnn["ft-cnn without dropout, beat-split, seed 0"] = drawn(10, 0.0)
    focal = {f"two-fold-focal, {name}, seed 0": drawn(3, 0.2) for name in ("beat-split", "patient-adapted")}
    for name, matrices in (("ft-cnn", ft_cnn), ("two-fold-focal", focal)):
        (folder / name).mkdir()
        save_result(made_up(name, matrices), folder / name / "result.json")
    return load_results(folder)


@pytest.mark.parametrize("protocol", TELLS)
def test_the_sentence_that_says_what_a_protocol_tells_stands_above_its_table(
    protocol: str, studies: dict[str, Result]
) -> None:
    for text in (
        markdown(studies, protocol),
        " ".join(plain(studies, [protocol]).split()),
        (ROOT / "docs" / "leaderboard.md").read_text().split(f"\n## {protocol}\n")[1],
    ):
        before = text.index(TELLS[protocol])
        assert all(before < text.index(task.title) for task in TASKS if protocol in task.protocols)
    assert protocol in PROTOCOLS
    if protocol in ("beat-split", "k-fold"):
        assert "the same patient is on both sides" in TELLS[protocol]
        assert "says nothing of how a new patient fares" in TELLS[protocol]


def test_rows_are_sorted_by_macro_f1_and_ablations_are_not_among_them(studies: dict[str, Result]) -> None:
    found = board(studies, "beat-split")
    labels = [each.entry.label for each in found.rows]
    assert labels == ["ft-cnn: cnn", "ft-cnn", "two-fold-focal", "ft-cnn: gru"]
    values = [each.values["macro-F1"].figure.value for each in found.rows]
    assert values == sorted(values, reverse=True)


def test_several_seeds_show_their_mean_their_range_and_the_first_ones_interval(
    studies: dict[str, Result],
) -> None:
    shown = row(board(studies, "beat-split"), "ft-cnn")
    seeds = [studies["ft-cnn"].matrices[f"ft-cnn, beat-split, seed {seed}"] for seed in range(3)]
    each = [float(macro_f1(pooled(matrices))) for matrices in seeds]
    value = shown.values["macro-F1"]
    assert value.figure.value == pytest.approx(np.mean(each))
    assert (value.lowest, value.highest) == pytest.approx((min(each), max(each)))
    interval = bootstrap(seeds[0], macro_f1)
    assert (value.figure.low, value.figure.high) == (interval.low, interval.high)
    assert (shown.seeds, shown.records) == (3, 4)
    text = f"{np.mean(each):.3f} ({interval.low:.3f} to {interval.high:.3f}) [{min(each):.3f} to"
    assert text in markdown(studies, "beat-split")
    lines = plain(studies, ["beat-split"]).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("ft-cnn  "))
    assert f"{min(each):.3f}-{max(each):.3f}".replace("0.", ".") in lines[place + 1]


def test_one_seed_has_no_range(studies: dict[str, Result]) -> None:
    shown = row(board(studies, "beat-split"), "ft-cnn: gru")
    value = shown.values["accuracy"]
    matrices = studies["ft-cnn"].matrices["gru, beat-split, seed 0"]
    assert value.figure.value == bootstrap(matrices, accuracy).value
    assert (shown.seeds, value.lowest, value.highest) == (1, None, None)


def test_the_paper_stands_beside_its_method_under_its_own_protocol_only(studies: dict[str, Result]) -> None:
    shown = row(board(studies, "beat-split"), "ft-cnn")
    assert shown.paper == pytest.approx(
        {"accuracy": 0.9851, "macro-F1": 0.91, "V F1": 0.95, "S F1": 0.79}, abs=1e-9
    )
    assert not row(board(studies, "inter-patient"), "ft-cnn").paper
    assert "accuracy 0.985, macro-F1 0.910, V F1 0.950, S F1 0.790" in markdown(studies, "beat-split")


def test_published_figures_are_those_of_the_systems(stored: dict[str, Result]) -> None:
    def paper(system: str) -> dict[str, Any]:
        text = (files("ecgtune.systems") / f"{system}.toml").read_text(encoding="utf-8")
        return tomllib.loads(text)["paper"]

    def label_of(method: str) -> str:
        return method if method == "ft-cnn" else f"ft-cnn: {method}"

    published = {entry.label: entry.paper["beat-split"] for entry in ENTRIES if "beat-split" in entry.paper}
    focal, theirs = published["two-fold-focal"], paper("two_fold_focal")
    by_class = {name: figures[2] for name, figures in theirs["classes"].items()}
    assert (focal["accuracy"], focal["V F1"], focal["S F1"]) == (
        theirs["accuracy"],
        by_class["V"],
        by_class["S"],
    )
    assert focal["macro-F1"] == pytest.approx(np.mean([by_class[name] for name in "NSV"]))
    ft_cnn = paper("ft_cnn")
    assert {name: published[label_of(name)]["accuracy"] for name in ft_cnn["accuracy"]} == ft_cnn["accuracy"]
    one, f1 = published["ft-cnn"], ft_cnn["f1"]
    assert (one["V F1"], one["S F1"]) == (f1["V"], f1["S"])
    assert one["macro-F1"] == pytest.approx(np.mean([f1[name] for name in "NSV"]))
    theirs = paper("patient_transfer")
    assert published["patient-transfer: individual"] == {"balanced, mean": theirs["individual"]}
    assert published["patient-transfer: fine-tuned, the paper's way"] == {
        "balanced, mean": theirs["fine_tuned"]
    }
    (kiranyaz,) = [entry for entry in ENTRIES if entry.system == "Kiranyaz 2016"]
    figures = {
        name: figure.value
        for name, figure in stored["patient-transfer"].figures["patient-adapted-24, Kiranyaz 2016"].items()
    }
    for name in "VS":
        se, predictivity = figures[f"{name} Se"], figures[f"{name} +P"]
        assert se is not None
        assert predictivity is not None
        assert kiranyaz.paper["patient-adapted-24"][f"{name} F1"] == pytest.approx(
            2 / (1 / se + 1 / predictivity)
        )


@pytest.mark.parametrize("system", ["ft-cnn", "two-fold-focal"])
def test_the_methods_are_those_of_the_study(system: str) -> None:
    text = (files("ecgtune.systems") / f"{system.replace('-', '_')}.toml").read_text(encoding="utf-8")
    methods = {entry.method for entry in ENTRIES if entry.system == system} - {"untuned"}
    assert methods == set(tomllib.loads(text)["methods"])


def test_s_without_record_232(studies: dict[str, Result]) -> None:
    shown = row(board(studies, "inter-patient"), "ft-cnn")
    matrices = studies["ft-cnn"].matrices["ft-cnn, inter-patient, seed 0"]
    total = pooled(matrices, without=["mitdb/232"])
    s = 2 * total[1, 1] / (total[1].sum() + total[:, 1].sum())
    assert shown.values["S F1 less 232"].figure.value == pytest.approx(s)
    assert shown.values["S F1 less 232"].figure.value != shown.values["S F1"].figure.value
    assert shown.values["S F1 less 232"].figure.n == 3
    assert "232" not in markdown(studies, "beat-split")


def test_a_result_of_record_232_alone_has_nothing_without_it() -> None:
    matrices = {"ft-cnn, inter-patient, seed 0": drawn(0, 0.1, [("mitdb", "232")])}
    results = {"ft-cnn": made_up("ft-cnn", matrices)}
    assert row(board(results, "inter-patient"), "ft-cnn").values["S F1 less 232"].figure.value is None
    assert "–" in markdown(results, "inter-patient")
    json.dumps(to_plain(results), allow_nan=False)


def test_what_has_no_result_is_not_measured_and_no_error() -> None:
    for protocol in TELLS:
        for found in boards({}, [protocol]):
            assert [each for each in found.rows if each.values] == []
            systems = {entry.system for entry in ENTRIES if entry.task == found.task and entry.result}
            assert systems <= {each.system for each in found.missing}
    assert "not measured: strict (version 0.1.0), 1-NN memoriser, two-fold-focal (5 methods)" in plain({})
    assert markdown({}, "overview").count(NOT_MEASURED) > 20
    assert markdown({}).count("## ") == len(TELLS)


def test_methods_that_are_not_measured_yet_are_named_beside_those_that_are(
    studies: dict[str, Result],
) -> None:
    unmeasured = {each.system: each for each in board(studies, "beat-split").missing}
    assert len(unmeasured["ft-cnn"].methods) == 12
    assert not {"ft-cnn", "cnn", "gru"} & set(unmeasured["ft-cnn"].methods)
    assert unmeasured["ft-cnn"].status == NOT_MEASURED
    assert "ft-cnn (12 methods)" in markdown(studies, "beat-split")
    (later,) = [each for each in board(studies, "chronological").missing if each.system == "ft-cnn"]
    assert (later.methods, later.status) == ((), NOT_MEASURED)


@pytest.mark.parametrize(("who", "task", "protocol"), NOT_POSSIBLE)
def test_what_cannot_be_measured_says_why(who: str, task: str, protocol: str) -> None:
    found = board({}, protocol, task)
    (missing,) = [each for each in found.missing if each.system == who and each.status == IMPOSSIBLE]
    assert missing.why
    assert f"n/a for {who}: {missing.why}" in markdown({}, protocol)
    assert f"n/a for {who}: {missing.why}" in " ".join(plain({}, [protocol]).split())
    names = {each.system for each in found.missing if each.status == NOT_MEASURED}
    assert who not in names


def test_rhythms_are_not_possible_among_new_patients() -> None:
    (missing,) = [
        each for each in board({}, "inter-patient").missing if each.system == "spectrogram-features"
    ]
    assert missing.why.startswith("DS2 has no ventricular flutter or fibrillation")


def test_two_classes_never_stand_beside_five(stored: dict[str, Result]) -> None:
    of_two = {"patient-transfer", "ecg-image-resnet"}
    for protocol in ("beat-split", "chronological", "patient-adapted"):
        assert not of_two & {each.entry.system for each in board(stored, protocol).rows}
        binary = board(stored, protocol, BINARY.name)
        assert {"patient-transfer"} <= {each.entry.system for each in binary.rows} <= of_two
        assert "macro-F1" not in [column.name for column in binary.columns]


def test_balanced_accuracy_is_the_mean_over_records_that_test_both_classes() -> None:
    both, one = ((90, 10), (0, 50)), ((10, 90), (0, 0))
    matrices: dict[str, Plain] = {
        "chronological, fine-tuned": {"mitdb/100": both, "mitdb/101": both, "mitdb/103": one}
    }
    found = board({"patient-transfer": made_up("patient-transfer", matrices)}, "chronological", BINARY.name)
    values = row(found, "patient-transfer: fine-tuned").values
    assert values["balanced, mean"].figure.value == pytest.approx(0.95)
    assert values["balanced, mean"].figure.n == 2
    assert values["balanced, pooled"].figure.value == pytest.approx((190 / 300 + 1) / 2)


def test_figures_are_those_that_the_results_have(stored: dict[str, Result]) -> None:
    def same(value: Value, result: str, where: str, name: str) -> None:
        theirs = stored[result].figures[where][name]
        figure = value.figure
        assert (figure.value, figure.low, figure.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high), abs=1e-6
        )

    shipped = row(board(stored, "inter-patient"), "default: as shipped").values
    for ours, theirs in (("accuracy", "accuracy"), ("macro-F1", "macro-F1 (N, S, V)"), ("V F1", "V F1")):
        same(shipped[ours], "default-inter-patient-open", "pooled", theirs)
    same(shipped["S F1 less 232"], "default-inter-patient-open", "without record 232", "S F1")
    tuned = row(board(stored, "patient-adapted-24"), "strict: personalized").values
    same(tuned["macro-F1"], "strict-patient-adapted-24", "pooled", "macro-F1 (N, S, V)")
    before = row(board(stored, "patient-adapted"), "default: not personalized").values
    same(before["S F1"], "default-patient-adapted-open", "before: pooled", "S F1")
    memory = row(board(stored, "beat-split"), "1-NN memoriser").values
    same(memory["S F1"], "leakage", "1-NN memoriser, beat-split", "S F1")
    adapted = row(board(stored, "patient-adapted", BINARY.name), "patient-transfer: fine-tuned").values
    same(adapted["balanced, mean"], "patient-transfer", "patient-adapted", "fine-tuned")
    alone = row(board(stored, "beat-split", BINARY.name), "patient-transfer: individual").values
    mean = stored["patient-transfer"].figures["individual"]["mean balanced accuracy"].value
    assert alone["balanced, mean"].figure.value == pytest.approx(mean, abs=1e-6)


def test_every_stored_figure_is_found_under_its_key(stored: dict[str, Result]) -> None:
    for found in boards(stored):
        lost = [
            method
            for each in found.missing
            for method in each.methods
            if each.system in ("default", "strict", "1-NN memoriser", "patient-transfer")
        ]
        assert not lost, f"{found.protocol}: {lost}"


def test_the_default_model_is_marked_and_its_note_says_that_ds2_was_not_blind(
    stored: dict[str, Result],
) -> None:
    marked = {
        found.protocol: [each.label for each in found.rows if each.entry.default]
        for found in boards(stored)
        if found.task == BEATS
    }
    assert marked["inter-patient"] == ["default: as shipped *"]
    assert marked["patient-adapted"] == ["default: personalized *"]
    assert not any(marked[protocol] for protocol in ("beat-split", "chronological", "patient-adapted-24"))
    page = (ROOT / "docs" / "leaderboard.md").read_text()
    for protocol in ("inter-patient", "patient-adapted"):
        section = page.split(f"\n## {protocol}\n")[1].split("\n## ")[0]
        assert section.index("| default: ") < section.index("DS2 was not blind")
    assert "No blind comparison" in page.split("\n## patient-adapted-24\n")[1]


def test_the_overview_has_each_system_once_and_every_protocol(studies: dict[str, Result]) -> None:
    lines = markdown(studies, "overview").splitlines()
    (head,) = [line for line in lines if "inter-patient" in line and "patient-adapted-24" in line]
    (ft_cnn,) = [line for line in lines if line.startswith("| ft-cnn ")]
    cells = dict(zip(*([cell.strip() for cell in line.split("|")] for line in (head, ft_cnn)), strict=True))
    shown = row(board(studies, "beat-split"), "ft-cnn").values["macro-F1"].figure.value
    assert cells["beat-split"].startswith(f"{shown:.3f} (")
    assert (cells["chronological"], cells["patient-adapted"]) == (NOT_MEASURED, NOT_MEASURED)
    assert cells["its paper"] == "0.910"
    assert any(
        "accuracy 0.735" in line and line.startswith("| ecg-image-resnet: fine-tuned") for line in lines
    )
    (patient,) = [line for line in lines if line.startswith("| patient-transfer |")]
    assert patient.count(IMPOSSIBLE) == 4


def test_lines_for_the_terminal_are_at_most_120_characters(
    stored: dict[str, Result], studies: dict[str, Result]
) -> None:
    wide = [line for line in plain(stored | studies).splitlines() if len(line) > 120]
    assert not wide, wide


def test_matrices_of_another_task_are_told_by_result_and_key() -> None:
    matrices = {"gru, beat-split, seed 0": drawn(0, 0.1, classes=2)}
    with pytest.raises(
        ResultError, match=r"ft-cnn: matrices\.gru, beat-split, seed 0\.mitdb/100: 2 .* beats have 5"
    ):
        boards({"ft-cnn": made_up("ft-cnn", matrices)}, ["beat-split"])


def test_an_unknown_protocol_lists_the_known_ones() -> None:
    with pytest.raises(
        ResultError, match="no protocol 'by-magic' in the leaderboard; there are beat-split, "
    ):
        boards({}, ["by-magic"])


def test_markers_in_documents(studies: dict[str, Result]) -> None:
    end = "<!-- /results -->\n"
    text = f"<!-- leaderboard:inter-patient -->\nstale text\n{end}\n<!-- leaderboard:overview -->\n{end}"
    updated = update_text(text, studies, "page.md")
    assert "stale text" not in updated
    assert updated.index(TELLS["inter-patient"]) < updated.index("| ft-cnn ") < updated.index(end)
    assert "## inter-patient" not in updated
    assert update_text(updated, studies, "page.md") == updated
    whole = update_text(f"<!-- leaderboard -->\n{end}", studies, "page.md")
    assert all(f"\n## {protocol}\n" in whole for protocol in TELLS)
    with pytest.raises(ResultError, match=r"page\.md:1: no protocol 'none' in the leaderboard"):
        update_text(f"<!-- leaderboard:none -->\n{end}", studies, "page.md")


def test_the_page_is_among_the_documents_whose_tables_are_checked() -> None:
    page = ROOT / "docs" / "leaderboard.md"
    assert page in documents(ROOT)
    assert {"<!-- leaderboard -->", "<!-- leaderboard:overview -->"} <= set(page.read_text().splitlines())


def test_plain_types_for_machines(stored: dict[str, Result], studies: dict[str, Result]) -> None:
    tables = json.loads(json.dumps(to_plain(stored | studies), allow_nan=False))
    assert list(dict.fromkeys(table["protocol"] for table in tables)) == list(TELLS)
    (table,) = [t for t in tables if (t["protocol"], t["task"]) == ("beat-split", BEATS.name)]
    (ft_cnn,) = [each for each in table["rows"] if each["method"] == "ft-cnn"]
    assert (ft_cnn["result"], ft_cnn["seeds"], ft_cnn["records"]) == ("ft-cnn", 3, 4)
    assert set(ft_cnn["figures"]) == set(table["columns"])
    figure = ft_cnn["figures"]["macro-F1"]
    assert figure["lowest"] <= figure["value"] <= figure["highest"]
    assert figure["low"] < figure["high"]
    assert table["tells"] == TELLS["beat-split"]
    assert {each["status"] for each in table["missing"]} == {NOT_MEASURED, IMPOSSIBLE}
