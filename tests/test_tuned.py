"""A model that was tuned to one recording says so of every other, and of no copy of that one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecgtune.classification import classify
from ecgtune.model import Model, load_model
from ecgtune.readers import read_record
from ecgtune.record import Record
from ecgtune.report import render_html
from ecgtune.signals.simulate import simulate
from ecgtune.tuned import name_and_patient, other_recording_note, signal_hash
from ecgtune.writers.json import encode_json

READ = 3000


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def record() -> Record:
    return replace(simulate(30, seed=1), name="p7", patient="p7")


def tuned_to(model: Model, record: Record, **changes: Any) -> Model:
    """A card as ``personalize`` writes it, of a model tuned to the beginning of a recording."""
    name, patient = name_and_patient(record)
    personal = {
        "parent": {"name": "tiny", "version": "0"},
        "record": name,
        "patient": patient,
        "signal_samples": READ,
        "signal_sha256": signal_hash(record, READ),
        "tuned": True,
        **changes,
    }
    return replace(model, card=model.card | {"personal": personal})


def test_the_note_is_in_the_notes_the_report_and_the_json(model: Model, record: Record) -> None:
    other = replace(simulate(30, seed=2), name="p8", patient="p8")
    labelled = classify(other, tuned_to(model, record))
    assert labelled.notes == (
        "the model was tuned to another recording, p7: for another patient take its parent, tiny 0; "
        "for the same patient with other electrodes that may be better too",
    )
    assert json.loads(encode_json(labelled))["notes"] == list(labelled.notes)
    assert "tuned to another recording, p7" in render_html(labelled)


def test_the_recording_itself_is_not_flagged_whatever_it_is_called(model: Model, record: Record) -> None:
    tuned = tuned_to(model, record)
    assert classify(record, tuned).notes == ()
    copy = Record.from_array(record.signal, record.fs, record.leads, name="copy")
    assert other_recording_note(tuned, copy) is None


def test_another_recording_of_the_same_name_is_flagged(model: Model, record: Record) -> None:
    tuned = tuned_to(model, record)
    for other in (simulate(30, seed=2), simulate(5, seed=1), simulate(30, leads=("MLII",), seed=1)):
        assert other_recording_note(tuned, replace(other, name="p7", patient="p7")) is not None


def test_a_record_of_a_public_database_is_known_wherever_it_lies(
    model: Model, mitdb: Path, tmp_path: Path
) -> None:
    of_202 = tuned_to(model, read_record(mitdb / "202"))
    for suffix in (".hea", ".dat"):
        (tmp_path / f"202{suffix}").write_bytes((mitdb / f"202{suffix}").read_bytes())
    assert other_recording_note(of_202, read_record(tmp_path / "202")) is None
    # The same patient's other recording is another recording all the same.
    assert "mitdb/202" in str(other_recording_note(of_202, read_record(mitdb / "201")))


def test_a_card_without_the_number_of_samples_goes_by_the_name(model: Model, record: Record) -> None:
    tuned = tuned_to(model, record)
    del tuned.card["personal"]["signal_samples"]
    assert other_recording_note(tuned, record) is None
    assert other_recording_note(tuned, replace(record, name="p8")) is not None


def test_a_model_that_was_left_as_its_parent_is_of_no_recording(model: Model, record: Record) -> None:
    other = replace(simulate(30, seed=2), name="p8")
    assert other_recording_note(tuned_to(model, record, tuned=False), other) is None
    assert other_recording_note(model, other) is None
