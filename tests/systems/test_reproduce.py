"""`ecgtune reproduce` through the program and as a function, on two records with two epochs."""

import csv
import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from ecgtune.errors import DataError, ModelError, SplitError
from ecgtune.evaluation.results import load_results
from ecgtune.systems import SYSTEMS, reproducer
from ecgtune.systems.patient_transfer_study import _with_stack_mates, reproduce
from ecgtune.training import stacks

RECORDS = ["119", "203"]


@pytest.fixture(scope="module")
def study(mitdb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "patient-transfer-quick"
    reproduce(out, quick=True, records=RECORDS, parts=["scarcity"], jobs=1)
    return out


def toml(folder: Path, *changes: tuple[str, str]) -> Path:
    text = (files("ecgtune.systems") / "patient_transfer.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.toml"
    path.write_text(text)
    tomllib.loads(text)
    return path


def test_every_system_can_be_found() -> None:
    assert all(callable(reproducer(name)) for name in SYSTEMS)


def test_an_unknown_system_is_told_the_known_ones() -> None:
    with pytest.raises(ModelError, match="no system 'resnet'; there are patient-transfer"):
        reproducer("resnet")


def test_the_study_leaves_a_result_of_the_store(study: Path) -> None:
    result = load_results(study.parent)["patient-transfer-quick"]
    assert result.parameters == 67_169
    assert set(result.tables) == {"headline", "by-seed", "by-patient", "fewer-labels"}
    assert result.figures["paper: individual"]["mean balanced accuracy"].value == 0.946
    assert result.figures["patient 203"]["paper, validation"].value == 0.966
    assert result.notes[0].startswith("a quick run")
    # Two records, 240 windows each; a fifth of 120 + 120 tests.
    for network in ("individual", "reused", "fine-tuned", "frozen", "table1"):
        matrices = result.matrices[f"{network}, seed 0"]
        assert set(matrices) == {"mitdb/119", "mitdb/203"}
        assert [sum(map(sum, matrix)) for matrix in matrices.values()] == [48, 48]


def test_the_study_leaves_tables_and_figures(study: Path) -> None:
    rows = list(csv.DictReader((study / "patients.csv").read_text().splitlines()))
    assert len(rows) == 2 * 5
    assert {row["network"] for row in rows} == {"individual", "reused", "fine-tuned", "frozen", "table1"}
    table1 = next(row for row in rows if row["network"] == "table1" and row["record"] == "119")
    assert (table1["lr"], table1["batch"], table1["weighted"]) == ("0.01", "4", "True")
    histories = json.loads((study / "histories.json").read_text())
    assert [len(history) for history in histories.values()] == [2, 2, 2]
    drawn = sorted(path.stem for path in (study / "figures").iterdir())
    wanted = ["fewer-labels", "histogram-fine-tuned", "histogram-individual", "patient-203", "patients"]
    assert drawn == [*wanted, "pre-training"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (study / "figures").iterdir())


def test_the_same_command_trains_nothing_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_results(study.parent)["patient-transfer-quick"]
    monkeypatch.setattr(stacks, "train_stack", None)
    reproduce(study, quick=True, records=RECORDS, parts=["scarcity"], jobs=2)
    again = load_results(study.parent)["patient-transfer-quick"]
    assert again.figures == before.figures
    assert again.matrices == before.matrices


def test_five_classes_and_augmentation_are_options(mitdb: Path, tmp_path: Path) -> None:
    config = toml(
        tmp_path,
        ('classes = "binary"', 'classes = "aami"'),
        ("noise = 0.0 ", "noise = 0.02 "),
        ("stretch = 0.0 ", "stretch = 0.05 "),
        ("screen_epochs = 2", "screen_epochs = 1"),
        ("lr = [0.001, 0.01, 0.1]", "lr = [0.001]"),
        ("batch = [4, 16, 32]", "batch = [16]"),
    )
    result = reproduce(
        tmp_path / "out", quick=True, records=["203", "213"], parts=["paper"], config=config, jobs=1
    )
    assert result.parameters == 67_169 + 4 * 161
    assert len(result.matrices["individual, seed 0"]["mitdb/213"]) == 5


def test_a_record_that_is_not_in_the_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="record 118 is not in the study; choose of 100 102 104"):
        reproduce(tmp_path, records=["118"])
    assert not list(tmp_path.iterdir())


def test_a_part_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no part 'pictures'; there are paper, scarcity, adapted, images"):
        reproduce(tmp_path, parts=["pictures"])


@pytest.mark.parametrize(
    ("text", "says"),
    [("= 1", "cannot be read"), ("title = 'x'", "lacks records; start from a copy of patient_transfer.toml")],
)
def test_a_configuration_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match=f"mine.toml: {says}"):
        reproduce(tmp_path / "out", config=path)


def test_a_patient_with_one_class_only(mitdb: Path, tmp_path: Path) -> None:
    config = toml(
        tmp_path,
        ('records = ["106", "119"', 'records = ["115", "119"'),
        ("[paper.settings]", "[paper.settings]\n115 = [4, 0.001, true, 1.0]"),
    )
    with pytest.raises(SplitError, match=r"mitdb/115: one class only to train on \(\d+ normal, 0 abnormal\)"):
        reproduce(tmp_path / "out", quick=True, records=["115", "119"], config=config, jobs=1)


def test_the_command_prints_the_papers_figures_beside_ours(ecgtune, study: Path) -> None:
    done = ecgtune(
        *("reproduce", "patient-transfer", "--quick", "--patients", ",".join(RECORDS)),
        *("--parts", "scarcity", "--jobs", "1", "--out", str(study)),
    )
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert any(line.startswith("paper: individual") and " 0.946 " in line for line in lines)
    assert any(line.startswith("119") and " 1.000 " in line for line in lines)
    assert lines[-1] == f"all of it: {study}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody"], "ecgtune: no system 'nobody'; there are patient-transfer"),
        (["patient-transfer", "--seeds", "one"], "--seeds one: give whole numbers by comma"),
        (["patient-transfer", "--patients", "1"], "ecgtune: patient-transfer: record 1 is not in the study"),
    ],
)
def test_wrong_use_is_one_line(ecgtune, tmp_path: Path, arguments: list[str], says: str) -> None:
    done = ecgtune("reproduce", *arguments, "--out", str(tmp_path / "out"))
    assert done.status == 2
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_seeds_are_pre_trained_with_those_that_share_their_stack() -> None:
    configured = [0, 1, 2, 3, 4]
    assert _with_stack_mates([1], configured) == [0, 1, 2]
    assert _with_stack_mates([0, 3], configured) == configured
    assert _with_stack_mates([7], configured) == [7]
