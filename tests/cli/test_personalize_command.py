"""``ecgtune personalize`` as a user runs it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import Command, Ended
from ecgtune.signals.simulate import simulate


def store(folder: Path, name: str) -> Path:
    """A simulated patient as CSV with its sidecar: three minutes, one lead, N and V."""
    record = simulate(180, 250, ["MLII"], seed=8, ectopy={"V": 0.2})
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["MLII"])
        writer.writerows([[f"{value:.4f}"] for value in record.signal[:, 0]])
    path.with_suffix(".json").write_text(json.dumps({"fs": 250, "units": "mV"}))
    labels = next(iter(record.annotations.values())).beats()
    rows = zip(labels.sample.tolist(), labels.symbol.tolist(), strict=True)
    text = "".join(f"{sample},{symbol}\n" for sample, symbol in rows if symbol in "NV")
    (folder / f"{name}-labels.csv").write_text("sample,label\n" + text)
    return path


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("patient"), "p7")


@pytest.fixture
def personalized(ecgtune: Command, patient: Path, tiny_model: Path, tmp_path: Path) -> Ended:
    return ecgtune(
        *("personalize", patient, "--reference", patient.with_name("p7-labels.csv")),
        *("--until", 100, "--model", tiny_model, "--out", tmp_path / "m7", "--threads", 1),
    )


def test_the_new_model_is_described_and_labels_the_patient_apart_from_others(
    personalized: Ended, ecgtune: Command, patient: Path, tmp_path: Path
) -> None:
    assert personalized.status == 0, personalized.err
    lines = personalized.out.splitlines()
    assert lines[0].startswith("N: ")
    assert ", V: " in lines[0]
    assert lines[0].endswith("S: none, F: none, Q: none")
    assert any("held-out beats tiny 0 gets" in line for line in lines)
    assert any(line.startswith("on the rest, ") for line in lines)
    assert lines[-1] == f"model: {tmp_path / 'm7'}"
    shown = json.loads(ecgtune("models", "show", tmp_path / "m7").out)
    assert shown["name"] == "tiny-p7"
    assert shown["personal"]["reference"] == "p7-labels.csv"
    assert str(patient.parent) not in json.dumps(shown)

    labelled = ecgtune("classify", patient, "--model", tmp_path / "m7", "--out", tmp_path / "labels")
    assert labelled.status == 0
    written = json.loads((tmp_path / "labels" / "p7.json").read_text())
    assert written["model"]["name"] == "tiny-p7 0"
    assert written["model"]["trained_on_this_record"] is True


def test_a_corrected_csv_of_classify_teaches_and_its_unchecked_rows_measure_nothing(
    ecgtune: Command, patient: Path, tiny_model: Path, tmp_path: Path
) -> None:
    assert (
        ecgtune("classify", patient, "--model", tiny_model, "--out", tmp_path, "--write", "csv").status == 0
    )
    table = tmp_path / "p7.csv"
    rows = table.read_text().splitlines()
    label = {row.split(",")[2] for row in rows[1:]}
    other = "N" if "N" not in label else "S"
    fixed = [",".join([*row.split(",")[:2], other, *row.split(",")[3:]]) for row in rows[1:80]]
    table.write_text("\n".join([rows[0], *fixed, *rows[80:]]) + "\n")
    arguments = ("personalize", patient, "--reference", table, "--model", tiny_model, "--json")
    ended = ecgtune(*arguments, "--until", 60, "--out", tmp_path / "m")
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert found["rest"] is None
    assert found["beats"][other] > 30
    assert found["notes"][-1].endswith(" labels after the last change are a model's own: not compared with")
    hint = json.loads(ecgtune(*arguments, "--out", tmp_path / "all").out)["notes"][-1]
    assert hint.endswith("s was changed by hand; if only the beginning was checked, give --until")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--reference", "atr"), "p7: no annotator 'atr' beside it; there is none: give a file"),
        (("--reference", "gone.csv"), "gone.csv: cannot be read: no such file"),
        (
            ("--reference", "{labels}", "--until", "999"),
            "p7: labels until 999 s asked for; it is 180.0 s long",
        ),
        (("--reference", "{labels}", "--lead", "V1"), "p7: no lead V1; choose by index from 0: MLII"),
        (("--reference", "{labels}", "--model", "none"), "none: no such model"),
        ((), "missing option '--reference'; see ecgtune personalize --help"),
    ],
)
def test_wrong_use_is_one_line(
    ecgtune: Command, patient: Path, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    labels = str(patient.with_name("p7-labels.csv"))
    given = [argument.replace("{labels}", labels) for argument in arguments]
    ended = ecgtune("personalize", patient, *given, "--out", tmp_path / "m")
    assert ended.status == 2
    assert len(ended.lines) == 1
    assert ended.lines[0].startswith(f"ecgtune: {line}")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("package", ["torch", "safetensors", "onnx"])
def test_without_the_training_packages_the_pip_line_is_given(package: str, patient: Path) -> None:
    code = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
from ecgtune import cli
sys.argv = ["ecgtune", "personalize", {str(patient)!r}, "--reference", "x.csv", "--out", "m"]
cli.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f'ecgtune: ecgtune personalize needs {package}: pip install "ecgtune[train]"'
    ]


def test_a_killed_run_leaves_no_model_and_the_same_command_makes_it(
    patient: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    code = f"""
import os, signal
from ecgtune import cli
from ecgtune.training import export
export._check = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
import sys
sys.argv = ["ecgtune", "personalize", {str(patient)!r}, "--reference",
    {str(patient.with_name("p7-labels.csv"))!r}, "--until", "100", "--model", {str(tiny_model)!r},
    "--out", {str(folder / "m7")!r}]
cli.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ})
    assert ended.returncode < 0
    assert not (folder / "m7").exists()
    assert shutil.which("ecgtune", path=str(Path(sys.executable).parent))
    code = code.replace("export._check = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n", "")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (folder / "m7").iterdir()} >= {"card.json", "model.onnx"}


def test_a_real_record_by_its_own_annotator_and_evaluate_shows_it_apart(
    ecgtune: Command, mitdb: Path, tiny_model: Path, tmp_path: Path
) -> None:
    model, labels = tmp_path / "m109", tmp_path / "labels"
    ended = ecgtune(
        *("personalize", mitdb / "109", "--reference", "atr", "--until", 120, "--model", tiny_model),
        *("--out", model, "--threads", 1),
    )
    assert ended.status == 0, ended.err
    assert ecgtune("classify", mitdb / "109", "--model", model, "--out", labels).status == 0
    shown = ecgtune("evaluate", mitdb / "109", "--test", labels).out
    assert "No headline: the model was trained on every record here." in shown
