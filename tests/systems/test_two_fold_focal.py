"""`ecgtune reproduce two-fold-focal`: a quick run of the whole, what its options train, and wrong use."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds1_alone import TESTED, inside_ds1

from ecgtune.errors import DataError, ModelError
from ecgtune.evaluation.results import load_result, load_results
from ecgtune.labels import CLASSES
from ecgtune.systems import two_fold_focal
from ecgtune.systems.beat_protocols import thinned
from ecgtune.systems.beat_result import Study
from ecgtune.systems.beat_study import Tried, methods_of
from ecgtune.systems.beat_tables import Divided, divide
from ecgtune.systems.config import load_config
from ecgtune.systems.two_fold_focal import (
    asked_sets,
    best_network,
    plan,
    quick_config,
    reproduce,
)
from ecgtune.systems.two_fold_focal_figures import sample_beats
from ecgtune.systems.two_fold_focal_infarction import load_set
from ecgtune.systems.two_fold_focal_paper import by_class, class_balanced
from ecgtune.systems.two_fold_focal_result import class_counts
from ecgtune.training import trials
from ecgtune.training.outcomes import Outcome

NAME = "two-fold-focal-quick"
METHODS = ["two-fold-focal", "cross-entropy", "one-focal-loss", "as-published", "three-pairs"]


@pytest.fixture(scope="module", autouse=True)
def ds1_alone() -> Iterator[None]:
    """Quick runs are inside DS1 but for the paced beats."""
    with pytest.MonkeyPatch.context() as patch:
        records = [*inside_ds1(patch), "217"]

        def inside(name: str, path: Path | None = None) -> dict[str, Any]:
            how = load_config(name, path)
            if path is None:
                how["quick"]["records"] = records
            return how

        patch.setattr(two_fold_focal, "load_config", inside)
        yield


@pytest.fixture(scope="module")
def study(mitdb: Path, ds1_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / NAME
    reproduce(out, quick=True, jobs=1)
    return out


@pytest.fixture
def config() -> dict[str, Any]:
    return load_config("two-fold-focal")


def toml(folder: Path, *changes: tuple[str, str]) -> Path:
    text = (files("ecgtune.systems") / "two_fold_focal.toml").read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    tomllib.loads(text)
    path = folder / "changed.toml"
    path.write_text(text)
    return path


def test_the_study_leaves_a_result_of_the_store(study: Path) -> None:
    result = load_results(study.parent)[NAME]
    assert list(result.tables)[:7] == [
        *("table-1", "table-1-balanced", "table-1-implies", "table-2", "goals", "methods", "seeds"),
    ]
    assert {"counts", "inter-patient", "patient-adapted"} < set(result.tables)
    assert {f"infarction-ptb-10-subjects-by-{by}" for by in ("subjects", "beats")} < set(result.tables)
    assert result.parameters == 391_589
    assert set(result.data) == {"mitdb", "ptb-10-subjects"}
    assert [each.protocol for each in result.divisions] == [
        *("beat-split", "inter-patient", "patient-adapted", "grouped-k-fold", "k-fold"),
    ]
    # A method under a protocol scores a test side once; so does a set under a division, all folds together.
    assert len(result.scorings) == 5 + 1 + 1 + 2
    assert result.notes[0].startswith("a quick run")
    assert result.command == f"ecgtune reproduce two-fold-focal --quick --jobs 1 --out {NAME}"


def test_matrices_are_named_as_the_leaderboard_wants_them(study: Path) -> None:
    matrices = load_result(study / "result.json").matrices
    for method in METHODS:
        assert len(next(iter(matrices[f"{method}, beat-split, seed 0"].values()))) == 5
    for protocol in ("inter-patient", "patient-adapted", "patient-adapted, seed 0, untuned"):
        protocol, _, behind = protocol.partition(", ")
        name = f"two-fold-focal, {protocol}, seed 0" + ", untuned" * bool(behind)
        assert set(matrices[name]) == {f"mitdb/{record}" for record in TESTED}
    infarction = matrices["infarction, ptb-10-subjects, grouped-k-fold, scratch"]
    assert sorted(map(len, infarction.values())) == [2] * 10
    beats = load_set("ptb-10-subjects", load_config("two-fold-focal")["transfer"]).beats
    assert sum(np.sum(matrix) for matrix in infarction.values()) == len(beats)


def test_tables_stand_beside_the_papers(study: Path) -> None:
    result = load_result(study / "result.json")
    pooled = np.sum(list(result.matrices["two-fold-focal, beat-split, seed 0"].values()), axis=0)
    for suffix, matrix in (("", pooled), (", class-balanced", class_balanced(pooled))):
        ours = by_class(matrix)
        for name in CLASSES:
            row = result.figures[f"class {name}{suffix}"]
            assert row["recall"].value == pytest.approx(ours[name]["recall"], abs=1e-6)
            assert row["accuracy"].value == pytest.approx(ours[name]["accuracy"], abs=1e-6)
    assert [result.figures["class F"][f"paper {c}"].value for c in ("precision", "F1")] == [0.89, 0.91]
    assert result.figures["paper"]["accuracy"].value == 0.998
    assert result.figures["paper, Kachuee 2018"]["accuracy"].value == 0.959
    labels = list(result.tables["table-2"].rows.values())
    assert labels[2:4] == [f"five classes, beat-split{t}" for t in ("", ", class-balanced test side")]
    assert labels[-1] == "infarction, ptb-10-subjects, by beats, fine-tuned"
    assert any("is not of beats in their natural frequencies" in note for note in result.notes)
    assert any("cannot give the 0.998 of its Table 2" in note for note in result.notes)
    assert any(note.startswith("goal accuracy 0.988: missed by 0.") for note in result.notes)


def test_the_study_leaves_figures_and_histories(study: Path) -> None:
    wanted = ["class-counts", "confusion", "infarction", "methods", "sample-beats", "training"]
    drawn = sorted((study / "figures").iterdir())
    assert [path.stem for path in drawn] == wanted
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    histories = json.loads((study / "histories.json").read_text())
    assert set(histories) == {
        *(f"{method}, beat-split, seed 0" for method in METHODS),
        "two-fold-focal, inter-patient, seed 0",
    }
    assert [row["epoch"] for row in histories["two-fold-focal, beat-split, seed 0"]] == [1, 2]


def test_the_same_command_trains_nothing_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_result(study / "result.json")
    monkeypatch.setattr(trials, "fit_windows", None)
    reproduce(study, quick=True, jobs=2)
    again = load_result(study / "result.json")
    assert again.figures == before.figures
    assert again.matrices == before.matrices


def test_options_say_what_is_trained_and_everything_finished_is_shown(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / NAME
    shutil.copytree(study, out)
    asked = []
    run = trials.fit_windows

    def watched(*arguments: Any, **options: Any) -> Any:
        asked.append((arguments[1], options["classes"]))
        return run(*arguments, **options)

    monkeypatch.setattr(trials, "fit_windows", watched)
    given = {"protocols": ["beat-split"], "methods": ["three-pairs"], "seeds": [1], "parts": ["mitdb"]}
    result = reproduce(out, quick=True, jobs=1, **given)
    assert asked == [({"pairs": 3}, CLASSES)]
    assert {"three-pairs, beat-split, seed 1", "two-fold-focal, beat-split, seed 0"} < set(result.matrices)
    assert "infarction, ptb-10-subjects, k-fold, frozen" in result.matrices
    assert result.figures["three-pairs, beat-split, mean of 2 seeds"]["accuracy"].n == 2


def test_a_part_of_the_study_says_what_is_not_measured(mitdb: Path, tmp_path: Path) -> None:
    given = {"protocols": ["inter-patient"], "parts": ["mitdb"]}
    result = reproduce(tmp_path / NAME, quick=True, jobs=1, **given)
    assert set(result.tables) == {
        *("table-2", "inter-patient", "inter-patient-ectopic", "inter-patient-patients"),
    }
    assert "not measured yet: beat-split, seed 0: all" in result.notes
    assert "not measured: infarction, ptb-10-subjects" in result.notes
    assert " --protocol inter-patient --parts mitdb " in result.command


def test_what_is_trained_by_default(config: dict[str, Any]) -> None:
    assert plan(config) == {
        ("beat-split", 0): list(config["methods"]),
        **{("beat-split", seed): ["two-fold-focal"] for seed in (1, 2)},
        **{(p, seed): ["two-fold-focal"] for p in ("inter-patient", "patient-adapted") for seed in (0, 1, 2)},
    }
    assert set(config["methods"]) == set(METHODS)
    assert plan(config, ["inter-patient"], seeds=[5]) == {("inter-patient", 5): ["two-fold-focal"]}
    # What is tuned to patients is trained without them first.
    adapted = plan(config, ["patient-adapted"], seeds=[0])
    assert list(adapted) == [("inter-patient", 0), ("patient-adapted", 0)]
    assert plan(config, ["inter-patient"], ["three-pairs"]) == {("inter-patient", 0): ["three-pairs"]}


def test_losses_and_depths_of_the_methods(config: dict[str, Any]) -> None:
    methods = methods_of(config, "beat-split")
    losses = {name: method.options.loss for name, method in methods.items()}
    assert losses == dict.fromkeys(METHODS, "two-fold-focal") | {
        "cross-entropy": "cross-entropy",
        "one-focal-loss": "focal",
    }
    assert [method.arguments["pairs"] for method in methods.values()] == [6, 6, 6, 6, 3]
    published = methods["as-published"].options
    assert (published.optimizer, published.lr, published.schedule) == ("adam", 0.0001, "none")
    assert (published.epochs, published.batch, published.alpha_power) == (25, 128, 1.0)
    assert {method.options.epochs for method in methods.values()} == {25}
    assert {method.options.gamma_m for method in methods.values()} == {1.0}


def with_history(scores: list[float], best: int) -> Outcome:
    history = tuple({"macro_f1": score} for score in scores)
    return Outcome(np.zeros(0, np.int64), None, history, best, 0, 0.0, "", Path())


def test_infarction_begins_with_the_seed_that_validates_best(config: dict[str, Any]) -> None:
    method = methods_of(config, "beat-split", ["two-fold-focal"])["two-fold-focal"]
    # The second seed's best epoch was not the one that it kept.
    outcomes = [with_history([0.1, 0.7], 2), with_history([0.9, 0.2], 2), with_history([0.8, 0.1], 1)]
    tried = {
        ("beat-split", seed): {"two-fold-focal": Tried(method, outcome, {}, None)}  # type: ignore[arg-type]
        for seed, outcome in enumerate(outcomes)
    }
    found = best_network(Study(config, tried))
    assert found is not None
    assert found.outcome is outcomes[2]
    assert best_network(Study(config, {})) is None


@pytest.fixture(scope="module")
def few(mitdb: Path) -> Divided:
    how = quick_config(load_config("two-fold-focal"))
    return divide(how["windows"], "beat-split", ["208", "209", "217"], 0)


def test_sample_beats_are_of_their_class(few: Divided) -> None:
    found = sample_beats({"database": "mitdb", "leads": 1, "cut": "kachuee"}, few.split, 3)
    for place, name in enumerate(CLASSES):
        rows = few.rows["train"][few.beats.label[few.rows["train"]] == place]
        assert found[name].shape == (min(3, len(rows)), 187)
        own = few.beats.windows[rows, 0]
        assert all((own == window).all(1).any() for window in found[name])


def test_class_counts_before_and_after_augmentation(few: Divided, config: dict[str, Any]) -> None:
    method = methods_of(config, "beat-split", ["two-fold-focal"])["two-fold-focal"]
    more = replace(method.options.augmentation, targets=(0, 4000, 0, 100, 0))
    method = replace(method, options=replace(method.options, augmentation=more))
    before, after = class_counts(Tried(method, with_history([], 0), {}, few.split))
    assert before.tolist() == np.bincount(few.beats.label[few.rows["train"]], minlength=5).tolist()
    assert after.tolist() == [before[0], 4000, before[2], before[3], before[4]]
    plain = replace(method, options=replace(method.options, augmentation=None))
    assert class_counts(Tried(plain, with_history([], 0), {}, few.split))[1].tolist() == before.tolist()


def test_a_quick_run_thins_every_side_by_the_same_rule(few: Divided) -> None:
    every = {"N": 30, "S": 4, "V": 8, "F": 6, "Q": 1}
    found = thinned(every, few)
    for side, rows in found.rows.items():
        before, after = (np.bincount(few.beats.label[r], minlength=5) for r in (few.rows[side], rows))
        assert after[4] == before[4]
        assert after[0] == pytest.approx(before[0] / 30, rel=0.5)
        assert set(rows) <= set(few.rows[side])


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"parts": ["ptb"]}, ModelError, "no part 'ptb'; there are mitdb, transfer, ptb-10-subjects, "),
        ({"methods": ["resnet"]}, ModelError, "no method 'resnet'; there are two-fold-focal, "),
        ({"protocols": ["k-fold"]}, ModelError, "no protocol 'k-fold'; there are beat-split, "),
    ],
)
def test_wrong_options_train_nothing(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        reproduce(tmp_path / "out", jobs=1, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gamma_m = 1.0", "gamma_m = -1.0", "gamma_m -1.0 asked for; give 0 or more"),
        ('alpha = "inverse" ', "alpha = [1.0, 2.0] ", "alpha has 2 weights for 5 classes; give one for each"),
        ("pairs = 3", "pairs = 4", "4 pairs of convolutions asked for; give one of: 6, 3"),
        (
            'records = ["119", "208", "209", "217", "223", ',
            'records = ["119", ',
            "no beat of class Q on the training side; take a split or records that have one",
        ),
    ],
)
def test_a_configuration_that_cannot_be_trained(
    mitdb: Path, tmp_path: Path, old: str, new: str, says: str
) -> None:
    method = "three-pairs" if "pairs" in old else "two-fold-focal"
    with pytest.raises(ModelError, match=says):
        reproduce(
            tmp_path / "out",
            quick=True,
            protocols=["beat-split"],
            methods=[method],
            parts=["mitdb"],
            config=toml(tmp_path, (old, new)),
            jobs=1,
        )


def test_the_paper_s_infarction_set_is_asked_for_where_it_is_not_whole(data: Path, tmp_path: Path) -> None:
    config = toml(tmp_path, ('sets = ["ptb-10-subjects"]', 'sets = ["ptbdb"]'))
    with pytest.raises(
        DataError, match=r"ptbdb: incomplete, 2 of 549 records .*run `ecgtune data get ptbdb`"
    ):
        reproduce(tmp_path / "out", quick=True, parts=["ptbdb"], config=config, jobs=1)
    # Before anything is trained.
    assert not (tmp_path / "out").exists()


def test_no_set_of_infarction_is_at_hand(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_fold_focal, "at_hand", lambda _: False)
    assert asked_sets(config, None) == []
    with pytest.raises(DataError, match=r"no set of infarction is at hand .*run `ecgtune data get ptbdb`"):
        asked_sets(config, ["transfer"])
    assert asked_sets(config, ["ptbdb"]) == ["ptbdb"]


def test_the_command_prints_the_papers_figures_beside_ours(ecgtune, study: Path) -> None:  # type: ignore[no-untyped-def]
    done = ecgtune("reproduce", "two-fold-focal", "--quick", "--jobs", "1", "--out", str(study))
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert any(line.startswith("paper: proposed") and " 0.998 " in line for line in lines)
    assert any(line.startswith("F  ") and " 0.890 " in line for line in lines)
    assert lines[-1] == f"all of it: {study}"
