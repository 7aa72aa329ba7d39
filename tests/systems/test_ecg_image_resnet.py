"""`ecgtune reproduce ecg-image-resnet` inside DS1, on a few strips and scans."""

import json
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds1_alone import TESTED, TRAINED, inside_ds1

from ecgtune.errors import ModelError
from ecgtune.evaluation.bootstrap import pooled
from ecgtune.evaluation.leaderboard_entries import ENTRIES
from ecgtune.evaluation.metrics import accuracy, f1
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import Result, load_results
from ecgtune.systems import ecg_image_resnet_trials
from ecgtune.systems.config import load_config
from ecgtune.systems.ecg_image_resnet import plan, quick_config, reproduce
from ecgtune.systems.ecg_image_resnet_data import make_strips
from ecgtune.systems.ecg_image_resnet_scans import measure_scans
from ecgtune.systems.ecg_image_resnet_trials import best_rate

pytestmark = pytest.mark.usefixtures("one_thread")

NAME = "ecg-image-resnet-quick"
EVERY = ["resnet18-random", "fine-tuned", "random-weights", "discriminative", "last-block", "frozen"]


def toml(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the system's own TOML with changes; its quick run is inside DS1."""
    text = (files("ecgtune.systems") / "ecg_image_resnet.toml").read_text()
    quick = re.search(r"(?<=\n)records = \[.*\]", text)[0]
    inside = ", ".join(f'"{name}"' for name in (*TRAINED, *TESTED))
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
        yield


@pytest.fixture(scope="module")
def study(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    reproduce(folder / NAME, quick=True, jobs=1, config=toml(folder))
    return folder / NAME


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return load_results(study.parent)[NAME]


def test_every_way_stands_beside_the_paper(result: Result) -> None:
    table = result.tables["ways-beat-split"]
    assert list(table.rows.values()) == [
        *("fine-tuned", "last-block", "frozen", "paper: frozen", "paper: fine-tuned"),
        "fine-tuned less frozen",
    ]
    papers = [result.figures[f"paper: {way}"]["accuracy"] for way in ("frozen", "fine-tuned")]
    assert [each.value for each in papers] == [0.666, 0.735]
    # About three points either way, on 1,000 images.
    assert [round(each.high - each.value, 3) for each in papers] == [0.029, 0.027]
    assert "paper: frozen" not in result.tables["ways-inter-patient"].rows
    for way in ("fine-tuned", "last-block", "frozen"):
        for protocol in ("beat-split", "inter-patient"):
            row = result.figures[f"{way}, {protocol}"]
            matrix = pooled(result.matrices[f"{way}, {protocol}, seed 0"])
            assert row["accuracy"].value == pytest.approx(float(accuracy(matrix)), abs=1e-6)
            assert row["accuracy"].low <= row["accuracy"].value <= row["accuracy"].high
            assert row["training"].value > 0
            assert (row["features"].value is None) == (way != "frozen")
    trained = [
        result.figures[f"{way}, beat-split"]["trained parameters"].value for way in ("fine-tuned", "frozen")
    ]
    assert trained == [723_522, 1_026]


def test_the_leaderboard_finds_the_matrices(result: Result) -> None:
    entries = [entry for entry in ENTRIES if entry.system == "ecg-image-resnet"]
    assert [entry.method for entry in entries] == ["frozen", "fine-tuned"]
    for entry in entries:
        for protocol in ("beat-split", "inter-patient"):
            records = result.matrices[entry.keys[protocol].format(seed=0)]
            assert all(record.startswith("mitdb/") for record in records)
            assert np.shape(pooled(records)) == (2, 2)
    assert {name.split("/")[1] for name in result.matrices["frozen, inter-patient, seed 0"]} == set(TESTED)


def test_the_report_and_the_epochs(result: Result) -> None:
    table = result.tables["report-beat-split"]
    assert list(table.rows.values())[:3] == ["frozen: normal", "frozen: abnormal", "frozen: mean of both"]
    row = result.figures["frozen, beat-split: abnormal"]
    matrix = pooled(result.matrices["frozen, beat-split, seed 0"])
    assert row["F1"].value == pytest.approx(float(f1(matrix)[1]), abs=1e-6)
    assert row["images"].value == matrix[1].sum() == 50
    assert row["paper's F1"].value == 0.6647
    first = result.figures["fine-tuned, beat-split, epoch 1"]
    assert first["paper's loss"].value == 1.0266
    assert 0 <= first["validation accuracy"].value <= 1
    rates = result.tables["rates-beat-split"].rows.values()
    assert sum(label.endswith(", chosen") for label in rates) == 3
    for name in result.tables:
        assert markdown(result, name)


def test_the_rate_is_chosen_by_the_validation_side_and_tested_alone(study: Path, result: Result) -> None:
    histories = json.loads((study / "histories.json").read_text())
    for way in ("fine-tuned", "last-block", "frozen"):
        rates = {
            float(name.rpartition(" ")[2]): history[-1]["valid_accuracy"]
            for name, history in histories.items()
            if name.startswith(f"{way}, beat-split")
        }
        assert len(rates) == 2
        chosen = result.figures[f"{way}, beat-split"]["rate x 1000"].value / 1000
        assert rates[chosen] == max(rates.values())
    tested = [path.parent.name for path in (study / "work").glob("*/outcome.npz")]
    assert len(tested) == len(result.scorings) == 3 * 2
    assert len(list((study / "work").glob("*/fitted.json"))) == 3 * 2 * 2


def test_the_scans_stand_beside_chance(result: Result) -> None:
    table = result.tables["scans"]
    assert list(table.rows.values())[:3] == ["logistic regression", "support vector machine", "head by Adam"]
    assert result.figures["scans: chance"]["accuracy"].value == pytest.approx(1 / 3, abs=1e-6)
    # P(15 or more of 30 by guessing) = 0.0435, of 14 0.0898.
    assert result.figures["scans: bound"]["accuracy"].value == 0.5
    for name in ("logistic regression", "head by Adam"):
        matrix = pooled(result.matrices[f"scans, {name}"])
        assert matrix.sum() == 2 * 30
        figure = result.figures[f"scans: {name}"]["accuracy"]
        assert figure.value == pytest.approx(float(accuracy(matrix)), abs=1e-6)
        assert figure.low < figure.value < figure.high
        assert figure.n == 30


def test_the_result_says_where_it_comes_from(study: Path, result: Result) -> None:
    assert result.notes[0].startswith("a quick run")
    assert any("squeezenet1_1 with ImageNet weights" in note for note in result.notes)
    assert [(each.protocol, each.seed) for each in result.divisions] == [
        *(("beat-split", 0), ("inter-patient", 0)),
    ]
    drawn = sorted(path.stem for path in (study / "figures").iterdir())
    assert drawn == [
        *("confusion-fine-tuned-beat-split", "confusion-fine-tuned-inter-patient"),
        *("confusion-frozen-beat-split", "confusion-frozen-inter-patient", "confusion-scans", "samples"),
        *("training-beat-split", "training-inter-patient"),
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (study / "figures").iterdir())


def test_the_same_command_trains_nothing(
    ecgtune: Any, study: Path, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / NAME
    shutil.copytree(study, out)
    monkeypatch.setattr(ecg_image_resnet_trials, "fit_image_network", None)
    monkeypatch.setattr(ecg_image_resnet_trials, "predict_image_table", None)
    done = ecgtune(
        *("reproduce", "ecg-image-resnet", "--quick", "--protocol", "beat-split", "--parts", "beats"),
        *("--config", study.parent / "own.toml", "--jobs", "1", "--out", out),
    )
    assert done.status == 0, done.err
    assert any(line.startswith("paper: frozen") and " 0.666 " in line for line in done.out.splitlines())
    again = load_results(tmp_path)[NAME]
    assert again.matrices.items() <= result.matrices.items()
    assert again.scorings == result.scorings
    assert "not measured yet: images by class (--images DIR)" in again.notes


def test_sides_are_balanced_and_patients_apart(mitdb: Path) -> None:
    how = quick_config(load_config("ecg-image-resnet"))
    strips = make_strips(how, "squeezenet1_1", "inter-patient", 0, [*TRAINED, *TESTED])
    labels = strips.table.labels
    for side, rows in strips.rows.items():
        assert np.bincount(labels[rows]).tolist() == [how["images"]["inter-patient"][side] // 2] * 2
    assert set(strips.record[strips.rows["test"]]) <= set(TESTED)
    learnt = {str(name) for side in ("train", "validate") for name in strips.record[strips.rows[side]]}
    assert learnt <= set(TRAINED)
    images = strips.table.draw(strips.table.stored[:5])
    assert images.shape == (5, 48, 48, 3)
    # The beat is in the middle: the tallest ink of most strips is near it.
    middle = np.abs(strips.table.stored[labels == 0][:, 118:138]).max(1)
    assert (middle > 0.2).mean() > 0.9


def test_a_folder_of_ones_own(ecgtune: Any, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("normal", "myocardial-infarction"):
        shutil.copytree(data / "ecg-images" / name, folder / name)
    done = ecgtune(
        *("reproduce", "ecg-image-resnet", "--quick", "--images", folder, "--jobs", "1"),
        *("--out", tmp_path / "out"),
    )
    assert done.status == 0, done.err
    assert "Images of mine (myocardial-infarction 10, normal 10), cross-validated" in done.out
    assert not (tmp_path / "out" / "work").joinpath("fit.json").exists()
    shutil.rmtree(folder / "normal")
    (folder / "normal").mkdir()
    done = ecgtune("reproduce", "ecg-image-resnet", "--images", folder, "--out", tmp_path / "none")
    assert (done.status, len(done.lines)) == (2, 1)
    assert f"{folder / 'normal'}: no image" in done.err
    assert not (tmp_path / "none").exists()


def test_labels_that_mean_nothing_are_at_chance(data: Path, tmp_path: Path) -> None:
    """The same images in both folders: nothing can tell them apart."""
    how = quick_config(load_config("ecg-image-resnet"))
    for name in ("a", "b"):
        shutil.copytree(data / "ecg-images" / "normal", tmp_path / "same" / name)
    scans = measure_scans(how, tmp_path / "same", "squeezenet1_1", tmp_path / "work")
    assert scans.accuracy["logistic regression"].value <= scans.bound
    assert scans.p > 0.05
    assert scans.chance == 0.5


def test_what_is_trained_by_default_and_by_options() -> None:
    how = load_config("ecg-image-resnet")
    assert plan(how) == {
        ("beat-split", 0): EVERY,
        ("beat-split", 1): ["fine-tuned", "frozen"],
        ("beat-split", 2): ["fine-tuned", "frozen"],
        ("inter-patient", 0): EVERY[1:],
        ("inter-patient", 1): ["fine-tuned", "frozen"],
        ("inter-patient", 2): ["fine-tuned", "frozen"],
    }
    assert plan(how, ["beat-split"], ["frozen"], [4]) == {("beat-split", 4): ["frozen"]}
    assert plan(how, parts=["scans"]) == {}


def test_the_first_of_equal_rates_is_chosen() -> None:
    from ecgtune.systems.ecg_image_resnet_trials import Fitted

    def at(lr: float, value: float) -> Fitted:
        return Fitted(lr, ({"valid_accuracy": value},), 1, 1, 1.0, 0.0, Path())

    assert best_rate([at(0.1, 0.5), at(0.01, 0.7), at(0.001, 0.7)]).lr == 0.01


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"protocols": ["k-fold"]}, "no protocol 'k-fold'; there are beat-split, inter-patient"),
        ({"methods": ["thawed"]}, "no method 'thawed'; there are resnet18-random, fine-tuned"),
        ({"parts": ["images"]}, "no part 'images'; there are beats, scans"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        reproduce(tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('network = "resnet18"', 'network = "resnet19"'), "no network 'resnet19'.*near it: resnet18"),
        (('way = "last-block"', 'way = "last"'), "way 'last' of training asked for; known: frozen"),
        (("decay = 0.7 ", "decay = 0.0 "), "decay 0.0 asked for; give more than 0"),
        (("[goals]", "[aims]"), "own.toml: lacks goals; start from a copy of ecg_image_resnet.toml"),
    ],
)
def test_a_toml_of_ones_own_is_checked_before_anything_is_made(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        reproduce(tmp_path / "out", config=toml(tmp_path, change))
    assert not (tmp_path / "out").exists()
