"""`ecgtune reproduce ft-cnn`: what its options train, what is shown, and wrong use."""

import json
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds1_alone import TESTED, TRAINED, cut_once, inside_ds1

from ecgtune.errors import ModelError
from ecgtune.evaluation.bootstrap import compare_models
from ecgtune.evaluation.metrics import accuracy, f1, macro_f1
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import Result, load_result, load_results
from ecgtune.labels import CLASSES
from ecgtune.systems import SYSTEMS, ft_cnn
from ecgtune.systems.beat_result import Study, mean_of
from ecgtune.systems.config import load_config
from ecgtune.systems.ft_cnn import ablation_methods, plan, quick_config, reproduce
from ecgtune.systems.ft_cnn_result import in_the_papers_order
from ecgtune.training import trial_adaptation, trials

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "ft-cnn-quick"
FEW = ["ft-cnn", "svm"]
"""Methods that the test tries on new patients."""


def toml(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the system's own TOML with changes; its quick run is inside DS1 but for the paced beats."""
    text = (files("ecgtune.systems") / "ft_cnn.toml").read_text()
    quick = re.search(r"(?<=\n)records = \[.*\]", text)[0]
    inside = ", ".join(f'"{name}"' for name in (*TRAINED, *TESTED, "217"))
    for old, new in ((quick, f"records = [{inside}]"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "own.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module", autouse=True)
def ds1_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        inside_ds1(patch)
        cut_once(patch)
        yield


@pytest.fixture(scope="module")
def study(mitdb: Path, ds1_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick run in two calls."""
    folder = tmp_path_factory.mktemp("results")
    given: dict[str, Any] = {"quick": True, "jobs": 1, "config": toml(folder)}
    first = reproduce(folder / NAME, protocols=["beat-split"], **given)
    assert set(first.tables) == {"models", "differences", "classes", "ablation"}
    assert "not measured yet: inter-patient, seed 0: all" in first.notes
    reproduce(folder / NAME, protocols=["patient-adapted"], methods=FEW, **given)
    return folder / NAME


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return load_results(study.parent)[NAME]


def pooled(result: Result, name: str) -> np.ndarray:
    return np.sum(list(result.matrices[name].values()), axis=0)


def test_fifteen_models_stand_beside_the_papers_figures(result: Result) -> None:
    how = load_config("ft-cnn")
    rows = result.tables["models"].rows
    names = [row.removesuffix(", beat-split") for row in rows]
    assert len(names) == 15
    assert set(names) == set(how["methods"])
    assert names[:5] == ["ft-cnn", "cnn", "resnet", "lstm", "gru"]
    papers = [result.figures[row].get("paper's accuracy") for row in rows]
    assert [each and each.value for each in papers] == [98.51, 97.2, 96.88, 96.5, 96.3, *[None] * 10]
    for name, row in zip(names, rows, strict=True):
        figures = result.figures[row]
        matrix = pooled(result, f"{name}, beat-split, seed 0")
        assert figures["accuracy"].value == pytest.approx(100 * float(accuracy(matrix)), abs=1e-5)
        assert figures["accuracy"].low <= figures["accuracy"].value <= figures["accuracy"].high
        assert figures["accuracy"].n == 7
        expected = float(macro_f1(matrix, None))
        assert figures["macro-F1 (all)"].value == pytest.approx(expected, abs=1e-6)
        for place, class_ in enumerate(CLASSES):
            assert figures[f"{class_} F1"].value == pytest.approx(float(f1(matrix)[place]), abs=1e-6)
        assert figures["training"].value > 0
        assert ("parameters" in figures) == (load_config("ft-cnn")["methods"][name]["model"] in NETWORKS)


def test_other_models_are_compared_with_ft_cnn_over_the_same_records(result: Result) -> None:
    rows = result.tables["differences"].rows
    assert len(rows) == 14
    assert "ft-cnn" not in rows.values()
    for row, other in rows.items():
        ours, theirs = (result.figures[f"{name}, beat-split"] for name in ("ft-cnn", other))
        figures = result.figures[row]
        assert figures["accuracy, change"].value == pytest.approx(
            theirs["accuracy"].value - ours["accuracy"].value, abs=1e-5
        )
        assert figures["accuracy, change"].low <= figures["accuracy, change"].high


NETWORKS = ("ft-cnn", "cnn", "resnet", "lstm", "gru", "bilstm", "cnn-lstm", "transformer", "ann")


def test_all_are_scored_on_the_same_beats(result: Result) -> None:
    counts = {
        name: {record: np.sum(matrix, axis=1).tolist() for record, matrix in records.items()}
        for name, records in result.matrices.items()
    }
    for protocol, methods in (("beat-split", 15 + 10), ("inter-patient", 2), ("patient-adapted", 4)):
        same = [found for name, found in counts.items() if protocol in name]
        assert len(same) == methods
        assert all(found == same[0] for found in same)


def test_ft_cnn_by_class_beside_the_paper_and_the_goals(result: Result) -> None:
    table = result.tables["classes"]
    assert list(table.rows.values()) == ["seed 0", "paper: ft-cnn", "goal", "seed 0, less the goal"]
    paper = [result.figures["paper: ft-cnn"][f"{name} F1"].value for name in CLASSES]
    assert paper == [0.99, 0.79, 0.95, 0.7, 0.98]
    goal = result.figures["goal"]
    assert [goal[name].value for name in ("accuracy", "N F1", "F F1")] == [99.2, 0.995, 0.85]
    ours, beyond = (result.figures[row] for row in ("ft-cnn, beat-split, seed 0", "beyond the goal"))
    for name, figure in beyond.items():
        assert figure.value == pytest.approx(ours[name].value - goal[name].value, abs=2e-6)
        assert ours[name].low is not None
    (note,) = (note for note in result.notes if note.startswith("goals, ft-cnn, one seed: "))
    for name, said in zip(beyond, note.split(": ")[1].split("; "), strict=True):
        assert said.startswith(f"{name} {goal[name].value:g}")
        assert said.endswith("reached") == (beyond[name].value >= 0)


def test_the_ablation_is_against_the_whole_network_of_as_many_epochs(result: Result) -> None:
    table = result.tables["ablation"]
    *ours, paper, baseline = table.rows
    assert len(ours) == 10
    assert [table.rows[row] for row in (ours[0], ours[1], ours[-1])] == [
        *("all components", "without kernel adaptation", "without everything"),
    ]
    assert (result.figures[paper]["accuracy"].value, result.figures[baseline]["accuracy"].value) == (
        98.51,
        pytest.approx(92.34),
    )
    whole = result.matrices["ft-cnn whole, beat-split, seed 0"]
    assert "accuracy, change" not in result.figures["ft-cnn whole"]
    for row in ours[1:]:
        matrices = result.matrices[f"{row}, beat-split, seed 0"]
        change = compare_models(matrices, whole, accuracy).interval
        shown = result.figures[row]["accuracy, change"]
        assert [shown.value, shown.low, shown.high] == pytest.approx(
            [100 * each for each in (change.value, change.low, change.high)], abs=1e-5
        )
    assert "2 epochs" in table.title


def test_components_are_taken_out_one_at_a_time() -> None:
    how = load_config("ft-cnn")
    whole, *others = ablation_methods(how).values()
    assert whole["options"] == {**how["methods"]["ft-cnn"]["options"], "epochs": how["ablation"]["epochs"]}
    assert {each["model"] for each in (whole, *others)} == {"ft-cnn"}
    settings = [{**each["options"], **each["arguments"]} for each in (whole, *others)]
    changed = [
        sorted(name for name, value in each.items() if settings[0].get(name) != value) for each in settings
    ]
    assert changed[:-1] == [
        *([], ["kernel_adaptation"], ["batch_norm"], ["dropout"], ["weight_decay"], ["schedule"]),
        *(["alpha"], ["loss"], ["loss"]),
    ]
    assert set(changed[-1]) == {name for names in changed[:-1] for name in names} - {"alpha"}
    assert settings[-1]["loss"] == "cross-entropy"


def test_new_patients_untuned_and_tuned(result: Result) -> None:
    for protocol, labels in (
        ("inter-patient", FEW),
        ("patient-adapted", [f"{name}, {way}" for name in FEW for way in ("untuned", "tuned")]),
    ):
        for suffix in ("", "-ectopic", "-patients"):
            assert list(result.tables[protocol + suffix].rows.values()) == labels
        # The record with most S beats is not among these.
        assert f"{protocol}-without-232" not in result.tables
    row = result.figures["svm, patient-adapted, untuned"]
    matrix = pooled(result, "svm, patient-adapted, seed 0, untuned")
    assert row["V F1"].value == pytest.approx(float(f1(matrix)[2]), abs=1e-6)
    assert row["accuracy"].value == pytest.approx(float(accuracy(matrix)), abs=1e-6)
    assert "macro-F1 (N, S, V)" in result.tables["inter-patient-patients"].columns


def test_the_result_says_where_it_comes_from(result: Result) -> None:
    assert [(each.protocol, each.seed) for each in result.divisions] == [
        *(("beat-split", 0), ("inter-patient", 0), ("patient-adapted", 0)),
    ]
    hashes = {each.protocol: each.split_hash for each in result.divisions}
    assert len(result.scorings) == 25 + 2 + 2
    assert all(each.split_hash == hashes[each.protocol] for each in result.scorings)
    assert [each.when for each in result.scorings] == sorted(each.when for each in result.scorings)
    assert result.data["mitdb"].records == 7
    assert result.seeds == (0,)
    assert result.parameters == 210_757
    assert result.notes[0].startswith("a quick run")
    missing = "gru, bilstm, transformer"
    assert any(
        note.startswith(f"not measured yet: inter-patient, seed 0: {missing}") for note in result.notes
    )
    # As not all is there, the command is that of the last call.
    asked = "--quick --protocol patient-adapted --methods ft-cnn,svm --config own.toml --jobs 1"
    assert result.command == f"ecgtune reproduce ft-cnn {asked} --out {NAME}"
    for table in result.tables:
        assert markdown(result, table)


def test_the_study_leaves_figures_and_histories(study: Path) -> None:
    drawn = sorted((study / "figures").iterdir())
    assert [path.stem for path in drawn] == ["ablation", "confusion", "models", "training"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    histories = json.loads((study / "histories.json").read_text())
    networks = {*NETWORKS, *ablation_methods(load_config("ft-cnn"))}
    assert set(histories) == {f"{name}, beat-split, seed 0" for name in networks} | {
        "ft-cnn, inter-patient, seed 0"
    }
    assert [row["epoch"] for row in histories["cnn, beat-split, seed 0"]] == [1, 2]


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trials, trial_adaptation):
        monkeypatch.setattr(module, "fit_windows", None)
        monkeypatch.setattr(module, "fit_classical", None)


@pytest.mark.usefixtures("nothing_trains")
def test_the_same_command_trains_nothing_and_prints_all_that_is_finished(
    ecgtune: Any, study: Path, result: Result, tmp_path: Path
) -> None:
    out = tmp_path / NAME
    shutil.copytree(study, out)
    done = ecgtune(
        *("reproduce", "ft-cnn", "--quick", "--protocol", "patient-adapted", "--methods", "svm,ft-cnn"),
        *("--config", str(study.parent / "own.toml"), "--jobs", "1", "--out", str(out)),
    )
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert any(line.startswith("cnn ") and " 97.20 % " in line for line in lines)
    assert any(line.startswith("svm, tuned ") for line in lines)
    assert lines[-1] == f"all of it: {out}"
    again = load_result(out / "result.json")
    assert again.figures == result.figures
    assert again.matrices == result.matrices
    assert again.scorings == result.scorings


def test_further_seeds_are_added(study: Path, tmp_path: Path) -> None:
    out = tmp_path / NAME
    shutil.copytree(study, out)
    told: list[str] = []
    given = {"methods": ["decision-tree"], "protocols": ["beat-split"], "parts": ["table"], "seeds": [0, 4]}
    found = reproduce(out, quick=True, jobs=1, config=study.parent / "own.toml", tell=told.append, **given)
    assert [line.partition(":")[0] for line in told] == ["decision-tree, beat-split, seed 4"]
    assert found.seeds == (0, 4)
    row = found.figures["decision-tree, beat-split, mean of 2 seeds"]
    each = [100 * float(accuracy(pooled(found, f"decision-tree, beat-split, seed {s}"))) for s in (0, 4)]
    figure = row["accuracy"]
    assert [figure.value, figure.low, figure.high] == pytest.approx([sum(each) / 2, min(each), max(each)])
    labels = list(found.tables["models"].rows.values())
    assert labels.index("decision-tree, mean of 2 seeds") == labels.index("decision-tree") + 1
    assert len(labels) == 16


def test_what_is_trained_by_default_and_by_options() -> None:
    how = load_config("ft-cnn")
    every, ablation = list(how["methods"]), list(ablation_methods(how))
    assert plan(how) == {
        ("beat-split", 0): every + ablation,
        ("beat-split", 1): ["ft-cnn"],
        ("beat-split", 2): ["ft-cnn"],
        **{
            (protocol, seed): ["ft-cnn"] if seed else every
            for protocol in ("inter-patient", "patient-adapted")
            for seed in (0, 1, 2)
        },
    }
    assert plan(how, ["beat-split"], ["cnn"], [3, 4]) == {("beat-split", s): ["cnn"] for s in (3, 4)}
    assert plan(how, methods=["cnn"], parts=["table"]) == {
        (protocol, 0): ["cnn"] for protocol in ("beat-split", "inter-patient", "patient-adapted")
    }
    assert plan(how, parts=["ablation"]) == {("beat-split", 0): ablation}
    # What is tuned has to be trained.
    assert plan(how, ["patient-adapted"], ["svm"]) == {
        (protocol, 0): ["svm"] for protocol in ("inter-patient", "patient-adapted")
    }


def test_a_quick_run_changes_sizes_and_nothing_else() -> None:
    how = load_config("ft-cnn")
    quick = quick_config(how)
    assert how == load_config("ft-cnn")
    assert list(quick["methods"]) == list(how["methods"])
    assert quick["training"] == {**how["training"], "epochs": 2}
    assert (quick["ablation"]["epochs"], quick["adapted"]["network"]["epochs"]) == (2, 2)


def test_rows_are_in_the_papers_order_then_in_that_of_the_toml() -> None:
    how = load_config("ft-cnn")
    names = in_the_papers_order(Study(how, {}), ["svm", "gru", "ann", "cnn"])
    assert names == ["cnn", "gru", "svm", "ann"]


def test_a_mean_of_seeds_is_of_what_all_of_them_have() -> None:
    from ecgtune.evaluation.results import Figure

    rows = [{"a": Figure(0.5, 0.1, 0.9), "b": Figure(None)}, {"a": Figure(0.7), "b": Figure(0.2)}]
    assert mean_of(rows) == {"a": Figure(pytest.approx(0.6), 0.5, 0.7, 2)}


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What should be refused would run for hours."""
    monkeypatch.setattr(ft_cnn, "run_protocols", lambda *_, **__: pytest.fail("it ran"))


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"protocols": ["k-fold"]},
            "no protocol 'k-fold'; there are beat-split, inter-patient, patient-adapted",
        ),
        ({"methods": ["mlp"]}, "no method 'mlp'; there are gru, bilstm, .*decision-tree$"),
        ({"methods": ["ft-cnn whole"]}, "no method 'ft-cnn whole'; there are gru"),
        ({"parts": ["explain"]}, "ft-cnn: no part 'explain'; there are table, ablation"),
        (
            {"parts": ["ablation"], "seeds": [1]},
            "nothing to train; the ablation is of ft-cnn under",
        ),
        ({"parts": ["ablation"], "methods": ["svm"]}, "nothing to train; the ablation is of ft-cnn"),
    ],
)
def test_what_cannot_be_asked_for_is_told_before_anything_is_made(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        reproduce(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("gamma = 2.0", "gamma = -2.0"), r"gamma -2.0 asked for; give 0 or more"),
        (("alpha_power = 0.25", "alpha_power = 1.5"), r"alpha_power 1.5 asked for; give 0 to 1"),
        (('headline = "ft-cnn"', 'headline = "best"'), "ft-cnn: headline 'best' is no method; there are gru"),
        (('model = "svm"', 'model = "svc"'), "svm: unknown model 'svc'; known: ft-cnn, "),
        (
            ("dropout = { arguments", "dropout = { option = 1, arguments"),
            "unknown key 'option'; known: model, arguments, options",
        ),
        (("[goals]", "[aims]"), "own.toml: lacks goals; start from a copy of ft_cnn.toml"),
    ],
)
def test_a_toml_of_ones_own_is_checked_before_anything_is_made(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        reproduce(tmp_path / "out", config=toml(tmp_path, change))
    assert not (tmp_path / "out").exists()


def test_a_class_that_the_training_side_lacks_is_named(mitdb: Path, tmp_path: Path) -> None:
    config = toml(tmp_path, ('"203", "217"]', '"203"]'))
    with pytest.raises(ModelError, match="no beat of class Q on the training side"):
        reproduce(
            tmp_path / "out",
            quick=True,
            protocols=["beat-split"],
            methods=["decision-tree"],
            config=config,
            jobs=1,
        )


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["patient-transfer", "--protocol", "beat-split"],
            "patient-transfer takes no --protocol; it has ",
        ),
        (["patient-transfer", "--methods", "cnn"], "patient-transfer takes no --methods; it has --patients,"),
        (
            ["ft-cnn", "--patients", "100"],
            "ft-cnn takes no --patients; it has --protocol, --methods, ",
        ),
        (["ft-cnn", "--seeds", ","], "--seeds: give something, or leave it out for all"),
        (["ft-cnn", "--methods", "mlp"], "ecgtune: no method 'mlp'; there are gru, bilstm"),
    ],
)
def test_wrong_use_is_one_line(ecgtune: Any, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = ecgtune("reproduce", *arguments, "--out", str(tmp_path / "out"))
    assert done.status == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_help_lists_every_system(ecgtune: Any) -> None:
    done = ecgtune("reproduce", "--help")
    # Long lines are broken, after a hyphen too.
    named = "".join(done.out.partition("Arguments:")[2].partition("Options:")[0].split())
    assert all(name in named for name in SYSTEMS)
