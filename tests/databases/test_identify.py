"""Whose recording a file is, wherever it lies."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ecgtune.classification import classify
from ecgtune.databases import identify
from ecgtune.databases.catalogue import DS1, DS2
from ecgtune.model import Model, load_model
from ecgtune.readers import read_record
from ecgtune.record import Record


def copy_record(source: Path, folder: Path, *suffixes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in suffixes or (".hea", ".dat"):
        shutil.copy(source.with_suffix(suffix), folder)
    return folder / f"{source.stem}.hea"


def test_a_copied_header_is_recognised_and_202_is_the_patient_of_201(mitdb: Path, tmp_path: Path) -> None:
    path = copy_record(mitdb / "202.hea", tmp_path / "downloads")
    assert identify(read_record(path)) == "mitdb/201"


def test_a_renamed_file_is_recognised_all_the_same(mitdb: Path, tmp_path: Path) -> None:
    path = tmp_path / "patient7.hea"
    shutil.copy(mitdb / "208.hea", path)
    assert identify(Record.from_array([0.0], 360)) is None
    assert identify(replace(Record.from_array([0.0], 360), path=path)) == "mitdb/208"


def test_every_record_of_mitdb_is_recognised_where_it_lies(mitdb: Path) -> None:
    for record in (*DS1, *DS2):
        expected = "mitdb/201" if record == "202" else f"mitdb/{record}"
        assert identify(read_record(mitdb / record)) == expected


def test_an_altered_header_is_recognised_by_its_folder(mitdb: Path, tmp_path: Path) -> None:
    for folder, patient in (("mitdb", "mitdb/201"), ("mitdb/deeper", "mitdb/201"), ("holter", None)):
        path = copy_record(mitdb / "202.hea", tmp_path / folder)
        path.write_text(path.read_text() + "# a remark\n")
        assert identify(read_record(path)) == patient


def test_a_name_that_the_database_does_not_have_is_nobodys(mitdb: Path, tmp_path: Path) -> None:
    path = copy_record(mitdb / "202.hea", tmp_path / "mitdb")
    other = path.with_name("mine.hea")
    other.write_text(path.read_text() + "# mine\n")
    assert identify(replace(Record.from_array([0.0], 360), path=other)) is None


@pytest.mark.parametrize("record", [Record.from_array([0.0], 360), Record.from_array([0.0], 360, name="208")])
def test_a_recording_without_a_file_is_nobodys(record: Record) -> None:
    assert identify(record) is None


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    """A model whose card says that it was trained on mitdb 201's patient."""
    loaded = load_model(tiny_model)
    return replace(loaded, card={**loaded.card, "training": {"patients": ["mitdb/201", "mitdb/208"]}})


def start_of(path: Path) -> Record:
    """Half a minute of a recording, the file it came from kept."""
    record = read_record(path)
    return replace(record, n_samples=int(30 * record.fs))


def test_labels_of_a_training_patients_recording_say_so_wherever_it_lies(
    mitdb: Path, tmp_path: Path, model: Model
) -> None:
    path = copy_record(mitdb / "202.hea", tmp_path / "elsewhere")
    labelled = classify(start_of(path), model)
    assert labelled.trained_on
    assert labelled.record.patient == "mitdb/201"


def test_labels_of_another_patients_recording_do_not(mitdb: Path, model: Model) -> None:
    labelled = classify(start_of(mitdb / "106.hea"), model)
    assert not labelled.trained_on
    assert labelled.record.patient == "mitdb/106"
