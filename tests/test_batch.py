"""Batches: a broken recording stops no other, a stopped run goes on, no file is half-written."""

import errno
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgtune import files
from ecgtune.batch import Outcome, classify_files
from ecgtune.classification import classify
from ecgtune.errors import ModelError, OutputError
from ecgtune.labels import CLASSES
from ecgtune.model import Model, load_model
from ecgtune.readers import find_record, read_record, record_files
from ecgtune.record import Record
from ecgtune.signals.simulate import simulate
from ecgtune.writers import FORMATS

FS = 200


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def store(folder: Path, name: str, seed: int = 0, seconds: float = 12) -> Path:
    """Write a simulated WFDB record, format 16, its signal in a file of another name."""
    folder.mkdir(exist_ok=True)
    signal = simulate(seconds, FS, seed=seed).signal
    np.round(signal * 1000).astype("<i2").tofile(folder / f"{name}.signal")
    lines = "".join(f"{name}.signal 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in ("MLII", "V1"))
    header = folder / f"{name}.hea"
    header.write_text(f"{name} 2 {FS} {len(signal)}\n{lines}")
    return header


@pytest.fixture
def records(tmp_path: Path) -> list[Path]:
    return [store(tmp_path / "in", name, seed) for seed, name in enumerate(("a", "b", "c"))]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def written(out: Path) -> set[str]:
    """Names of the files of an output folder, the batch's own notebook left out."""
    return {path.name for path in out.iterdir()} - {".ecgtune.json"}


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in written(out)}


# What is done.


def test_each_recording_gives_its_files_and_its_counts(records: list[Path], out: Path, model: Model) -> None:
    outcomes = classify_files(records, out, model=model)
    assert [outcome.path for outcome in outcomes] == records
    for outcome in outcomes:
        assert outcome.error is None
        assert not outcome.skipped
        assert outcome.files == tuple(out / f"{outcome.name}.{kind}" for kind in FORMATS)
        labelled = classify(read_record(outcome.path), model)
        symbols = labelled.annotations.symbol.tolist()
        assert outcome.counts == {name: symbols.count(name) for name in CLASSES}
    assert written(out) == {file.name for outcome in outcomes for file in outcome.files}


def test_only_the_formats_asked_for_are_written(records: list[Path], out: Path, model: Model) -> None:
    classify_files(records[:1], out, model=model, formats=("csv",))
    assert written(out) == {"a.csv"}


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (("ecgt", "pdf"), "unknown output format 'pdf'; known: ecgt, csv, json, html"),
        ((), "no output format"),
    ],
)
def test_formats_that_are_none(
    records: list[Path], out: Path, model: Model, formats: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OutputError, match=message):
        classify_files(records, out, model=model, formats=formats)
    assert not out.exists()


def test_two_at_a_time_give_the_same_files_and_outcomes_as_one(
    records: list[Path], tmp_path: Path, model: Model
) -> None:
    (records[1].parent / "b.signal").write_bytes(b"short")
    one, two = tmp_path / "one", tmp_path / "two"
    alone = classify_files(records, one, model=model, jobs=1)
    told: list[Outcome] = []
    together = classify_files(records, two, model=model, jobs=2, done=told.append)
    assert contents(one) == contents(two)
    assert [replace(outcome, files=()) for outcome in alone] == [
        replace(outcome, files=()) for outcome in together
    ]
    assert sorted(told, key=lambda outcome: outcome.name) == together
    assert again([records[0], records[2]], two, model, jobs=2) == [True, True]


def test_a_process_that_is_ended_costs_its_own_recording_alone(
    records: list[Path], out: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], int, bool]] = []

    def ended(
        work: Any, job: Any, tasks: list[Path], jobs: int, *, apart: bool, waiting: Any
    ) -> Iterator[tuple[int, Outcome]]:
        """Do tasks until it is the turn of b, which ends its process."""
        asked.append(([path.stem for path in tasks], jobs, apart))
        for place, path in enumerate(tasks):
            if path.stem == "b":
                raise BrokenExecutor
            yield place, work(job, path)

    with monkeypatch.context() as patch:
        patch.setattr("ecgtune.batch.run_all", ended)
        first, lost, last = classify_files(records, out, model=model, jobs=2)
    assert asked == [(["a", "b", "c"], 2, False), (["b", "c"], 1, True), (["c"], 1, True)]
    assert first.error is None
    assert last.error is None
    assert lost.error == (
        f"{records[1]}: the process that labelled it was ended, most likely for want of memory; "
        "free some and try again"
    )
    assert again(records, out, model) == [True, False, True]


def test_outcomes_are_told_as_they_come(records: list[Path], out: Path, model: Model) -> None:
    told: list[Outcome] = []
    outcomes = classify_files(records, out, model=model, jobs=1, done=told.append)
    assert sorted(told, key=lambda outcome: outcome.name) == outcomes


def test_no_recording_is_no_work(out: Path, model: Model) -> None:
    assert classify_files([], out, model=model) == []


# What is broken.


def test_a_broken_recording_stops_no_other(records: list[Path], out: Path, model: Model) -> None:
    (records[1].parent / "b.signal").write_bytes(b"short")
    missing = records[1].parent / "none.hea"
    outcomes = classify_files([*records, missing], out, model=model)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, False]
    for broken in (outcomes[1], outcomes[3]):
        assert broken.error is not None
        assert "\n" not in broken.error
        assert broken.name in broken.error
        assert broken.files == ()
        assert broken.counts is None
    assert {name.split(".")[0] for name in written(out)} == {"a", "c"}


def test_a_defect_of_ours_is_one_line_and_stops_no_other(
    records: list[Path], out: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(record: Record, *arguments: Any, **options: Any) -> Any:
        if record.name == "b":
            raise ZeroDivisionError("division\nby zero")
        return classify(record, *arguments, **options)

    monkeypatch.setattr("ecgtune.batch.classify", broken)
    _, outcome, other = classify_files(records, out, model=model)
    assert outcome.error == f"{records[1]}: unexpected ZeroDivisionError: division by zero"
    assert other.error is None


def test_a_lead_that_one_recording_lacks_stops_no_other(records: list[Path], out: Path, model: Model) -> None:
    records[1].write_text(records[1].read_text().replace("V1", "V5"))
    outcomes = classify_files(records, out, model=model, leads=["V1"])
    assert [outcome.error for outcome in outcomes] == [
        None,
        f"{records[1]}: no lead V1; choose by index from 0: MLII, 1: V5",
        None,
    ]


def test_of_two_recordings_of_one_name_the_second_is_refused(tmp_path: Path, out: Path, model: Model) -> None:
    first, second = store(tmp_path / "x", "a", 1), store(tmp_path / "y", "a", 2)
    one, other = classify_files([first, second], out, model=model)
    assert one.error is None
    assert other.error == (
        f"{second}: another recording is named a too ({first}); label it into another --out"
    )


@pytest.mark.parametrize("fs", [50, 3000])
def test_a_rate_out_of_range_is_told(tmp_path: Path, out: Path, model: Model, fs: int) -> None:
    path = tmp_path / "odd.npy"
    np.save(path, simulate(10).signal)
    (outcome,) = classify_files([path], out, model=model, fs=fs)
    assert outcome.error == (
        f"{path}: sampled at {fs} Hz; ecgtune reads 100 to 2000 Hz: resample the recording"
    )


def test_a_network_that_cannot_be_loaded_is_told_once_before_anything_is_read(
    records: list[Path], out: Path, tiny_model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "model"
    shutil.copytree(tiny_model, broken)
    card = json.loads((broken / "card.json").read_text())
    card["preprocessing"]["leads"] = 1
    (broken / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="its card asks for"):
        classify_files(records, out, model=broken)
    assert not out.exists()


# Going on where it stopped.


def again(records: list[Path], out: Path, model: Model, **options: Any) -> list[bool]:
    """Which recordings were left alone."""
    outcomes = classify_files(records, out, model=model, **options)
    assert all(outcome.error is None for outcome in outcomes)
    return [outcome.skipped for outcome in outcomes]


def test_what_is_done_is_left_alone(records: list[Path], out: Path, model: Model) -> None:
    assert again(records[:2], out, model) == [False, False]
    times = {path: path.stat().st_mtime_ns for path in out.glob("a.*")}
    assert again(records, out, model) == [True, True, False]
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("a.*")}
    assert again(records, out, model, again=True) == [False] * 3


def test_a_missing_output_is_made_again(records: list[Path], out: Path, model: Model) -> None:
    again(records, out, model)
    (out / "b.csv").unlink()
    assert again(records, out, model) == [True, False, True]
    assert (out / "b.csv").exists()


@pytest.mark.parametrize("options", [{"leads": ["V1"]}, {"formats": ("ecgt", "csv")}])
def test_other_options_do_all_again(
    records: list[Path], out: Path, model: Model, options: dict[str, Any]
) -> None:
    again(records, out, model)
    assert again(records, out, model, **options) == [False] * 3
    assert again(records, out, model, **options) == [True] * 3


def test_another_model_does_all_again(
    records: list[Path], out: Path, model: Model, tiny_model: Path, tmp_path: Path
) -> None:
    again(records, out, model)
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    card = json.loads((other / "card.json").read_text()) | {"version": "1"}
    (other / "card.json").write_text(json.dumps(card))
    assert again(records, out, load_model(other)) == [False] * 3


def test_another_share_of_self_training_does_all_again(
    records: list[Path], out: Path, self_trained_model: Path, tmp_path: Path
) -> None:
    again(records, out, load_model(self_trained_model))
    other = tmp_path / "other"
    shutil.copytree(self_trained_model, other)
    card = json.loads((other / "card.json").read_text())
    card["self_training"]["ventricular"] = 0.7
    (other / "card.json").write_text(json.dumps(card))
    # The network is the same to the last bit, and its hash does not tell.
    assert load_model(other).hash == load_model(self_trained_model).hash
    assert again(records, out, load_model(other)) == [False] * 3
    assert again(records, out, load_model(other)) == [True] * 3


def test_another_version_of_ecgtune_does_all_again(
    records: list[Path], out: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(records, out, model)
    monkeypatch.setattr("ecgtune.batch.__version__", "99.0")
    assert again(records, out, model) == [False] * 3


def test_a_recording_that_changed_is_done_again(records: list[Path], out: Path, model: Model) -> None:
    again(records, out, model)
    store(records[1].parent, "b", seed=99)
    assert again(records, out, model) == [True, False, True]


def test_a_description_that_changed_does_a_table_again(tmp_path: Path, out: Path, model: Model) -> None:
    path = tmp_path / "rec.npy"
    np.save(path, simulate(15, FS).signal)
    path.with_suffix(".json").write_text(json.dumps({"fs": FS}))
    again([path], out, model)
    path.with_suffix(".json").write_text(json.dumps({"fs": 1.25 * FS}))
    assert again([path], out, model) == [False]


@pytest.mark.parametrize("notebook", ["", "[]", "{half", '{"a": 3}'])
def test_a_damaged_notebook_costs_no_more_than_time(
    records: list[Path], out: Path, model: Model, notebook: str
) -> None:
    again(records, out, model)
    (out / ".ecgtune.json").write_text(notebook)
    assert again(records, out, model) == [False] * 3
    assert again(records, out, model) == [True] * 3


def test_after_an_interruption_the_same_call_goes_on(
    records: list[Path], out: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    release = threading.Event()

    def slowly(record: Record, *arguments: Any, **options: Any) -> Any:
        if record.name != "a":
            release.wait(0.3)
        return classify(record, *arguments, **options)

    monkeypatch.setattr("ecgtune.batch.classify", slowly)
    with pytest.raises(KeyboardInterrupt):
        classify_files(records, out, model=model, jobs=1, done=interrupt)
    assert {"a.ecgt", "a.csv", "a.json", "a.html"} <= written(out)
    assert not any(name.endswith(".part") for name in written(out))
    skipped = again(records, out, model)
    assert skipped[0]
    assert not skipped[2]


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to itself")
def test_after_ctrl_c_recordings_that_were_waited_for_are_done(
    tmp_path: Path, out: Path, model: Model
) -> None:
    records = [store(tmp_path / "in", f"r{i}", i) for i in range(6)]
    waited, pressed = list[Path](), list[Outcome]()

    def interrupt(outcome: Outcome) -> None:
        if not pressed:
            pressed.append(outcome)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        classify_files(records, out, model=model, jobs=2, done=interrupt, waiting=waited.extend)
    labelled = {name.split(".")[0] for name in written(out)}
    assert {path.stem for path in waited} <= labelled
    assert again(records, out, model) == [path.stem in labelled for path in records]


# Whose files they are.


def edit(file: Path, content: str) -> None:
    """Replace a file's content a second after it was written."""
    time = file.stat().st_mtime_ns + 10**9
    file.write_text(content)
    os.utime(file, ns=(time, time))


def test_results_of_another_recording_are_not_replaced(tmp_path: Path, out: Path, model: Model) -> None:
    mine, its = store(tmp_path / "x", "a", 1), store(tmp_path / "y", "a", 2)
    other = store(tmp_path / "y", "b", 3)
    again([mine], out, model)
    before = contents(out)
    refused, done = classify_files([its, other], out, model=model)
    assert refused.error == (
        f"{its}: {out / 'a'}.* are the labels of another recording ({mine}); label it into another --out"
    )
    assert done.error is None
    assert before.items() <= contents(out).items()
    assert again([mine], out, model) == [True]
    for name in before:
        (out / name).unlink()
    assert again([its], out, model) == [False]


def test_a_recording_that_was_moved_is_the_same(records: list[Path], out: Path, model: Model) -> None:
    again(records, out, model)
    moved = shutil.move(records[0].parent, out.parent / "moved")
    assert again([moved / path.name for path in records], out, model) == [False] * 3


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_was_changed_is_not_replaced(
    records: list[Path], out: Path, model: Model, kind: str
) -> None:
    again(records[:2], out, model)
    file = out / f"a.{kind}"
    edited = "x" * file.stat().st_size
    edit(file, edited)
    refused, done, new = classify_files(records, out, model=model, min_confidence=0.7)
    assert refused.error == (
        f"{records[0]}: {file} was changed since ecgtune wrote it; move it away or label into another --out"
    )
    assert (done.error, new.error) == (None, None)
    assert file.read_text() == edited
    assert again(records[:1], out, model) == [True]
    file.unlink()
    assert again(records, out, model, min_confidence=0.7) == [False, True, True]


def test_a_file_that_was_merely_touched_is_replaced(records: list[Path], out: Path, model: Model) -> None:
    again(records, out, model)
    edit(out / "a.csv", (out / "a.csv").read_text())
    assert again(records, out, model, min_confidence=0.7) == [False] * 3


def test_a_changed_file_of_another_format_is_remembered(records: list[Path], out: Path, model: Model) -> None:
    again(records, out, model)
    edit(out / "a.csv", "mine")
    assert again(records, out, model, formats=("ecgt",)) == [False] * 3
    assert (out / "a.csv").read_text() == "mine"
    refused, *_ = classify_files(records, out, model=model)
    assert refused.error is not None


def test_a_file_changed_after_an_interruption_is_not_replaced(
    records: list[Path], out: Path, model: Model
) -> None:
    def interrupt(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    again(records, out, model)
    with pytest.raises(KeyboardInterrupt):
        classify_files(records, out, model=model, min_confidence=0.7, done=interrupt)
    edit(out / "c.csv", "mine")
    _, other, refused = classify_files(records, out, model=model, min_confidence=0.7)
    assert other.error is None
    assert refused.error is not None
    assert (out / "c.csv").read_text() == "mine"


def test_a_notebook_of_an_older_version_serves_as_before(
    records: list[Path], out: Path, model: Model
) -> None:
    again(records, out, model)
    notebook = out / ".ecgtune.json"
    entries = json.loads(notebook.read_text())
    for entry in entries.values():
        del entry["written"]
    notebook.write_text(json.dumps(entries))
    assert again(records, out, model) == [True] * 3
    edit(out / "a.csv", "mine")
    assert again(records, out, model, min_confidence=0.7) == [False] * 3


# Where it is written.


def test_a_recording_is_never_overwritten_by_its_labels(tmp_path: Path, model: Model) -> None:
    path = tmp_path / "rec.csv"
    np.savetxt(path, simulate(12, FS).signal, delimiter=",", header="MLII,V1", comments="")
    path.with_suffix(".json").write_text(json.dumps({"fs": FS}))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for formats in (("csv",), ("json",), ("ecgt", "csv", "json", "html")):
        (outcome,) = classify_files([path], tmp_path, model=model, formats=formats)
        assert outcome.error is not None
        assert "belongs to the recording itself; choose another --out" in outcome.error
        now = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.name != ".ecgtune.json"}
        assert now == before
    (outcome,) = classify_files([path], tmp_path, model=model, formats=("ecgt", "html"))
    assert outcome.error is None


def test_labels_may_lie_beside_their_recordings(records: list[Path], model: Model) -> None:
    folder = records[0].parent
    assert again(records, folder, model) == [False] * 3
    assert again(records, folder, model) == [True] * 3


def test_a_file_in_place_of_the_folder_is_told(records: list[Path], out: Path, model: Model) -> None:
    out.write_text("a file")
    with pytest.raises(OutputError, match="out: cannot be created: File exists; choose another --out"):
        classify_files(records, out, model=model)
    assert out.read_text() == "a file"


def test_a_folder_that_takes_no_file_is_told_before_anything_is_read(
    records: list[Path], out: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    monkeypatch.setattr("ecgtune.batch.read_record", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(OutputError, match="cannot be written: Permission denied; choose another --out"):
        classify_files(records, out, model=model)
    assert written(out) == set()


class FullDisk:
    """A disk on which there is room for so many more files."""

    def __init__(self, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        self._fdopen = os.fdopen
        monkeypatch.setattr(files.os, "fdopen", self._open)

    def _open(self, handle: int, mode: str) -> Any:
        if self.room == 0:
            os.write(handle, b"half")
            os.close(handle)
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        return self._fdopen(handle, mode)


@pytest.mark.parametrize("room", range(1, 8))
def test_a_full_disk_leaves_nothing_half_written(
    records: list[Path], out: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    whole = tmp_path / "whole"
    classify_files(records, whole, model=model)
    with monkeypatch.context() as patch:
        FullDisk(room, patch)
        outcomes = classify_files(records, out, model=model, jobs=1)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert failed
    for outcome in failed:
        assert outcome.error is not None
        assert "No space left on device; choose another --out or free some space" in outcome.error
    expected = contents(whole)
    for name, content in contents(out).items():
        assert content == expected[name]
    again(records, out, model)
    assert contents(out) == expected


@pytest.mark.parametrize("room", range(1, 7))
def test_old_and_new_labels_are_never_taken_for_one_run(
    records: list[Path], out: Path, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    again(records[:1], out, model)
    expected = contents(out)
    with monkeypatch.context() as patch:
        FullDisk(room, patch)
        classify_files(records[:1], out, model=model, leads=["V1"], jobs=1)
    again(records[:1], out, model)
    assert contents(out) == expected


# Which files a recording is.


def test_files_of_a_record(records: list[Path], tmp_path: Path) -> None:
    header = records[0]
    assert record_files(header) == [header, header.with_suffix(".signal")]
    table = tmp_path / "rec.csv"
    assert record_files(table) == [table, tmp_path / "rec.json"]
    assert record_files(tmp_path / "rec.edf") == [tmp_path / "rec.edf"]
    assert record_files(tmp_path / "none.hea") == [tmp_path / "none.hea"]


def test_files_of_a_record_of_segments(records: list[Path]) -> None:
    folder = records[0].parent
    (folder / "all.hea").write_text(f"all/3 2 {FS} {2 * 12 * FS + 100}\na 2400\n~ 100\nb 2400\n")
    names = [path.name for path in record_files(find_record(folder / "all"))]
    assert names == ["all.hea", "a.hea", "b.hea", "a.signal", "b.signal"]


def test_a_header_that_names_itself_as_segment_is_no_endless_loop(tmp_path: Path) -> None:
    (tmp_path / "loop.hea").write_text("loop/2 2 200 200\nloop 100\nloop 100\n")
    assert record_files(tmp_path / "loop.hea") == [tmp_path / "loop.hea"]
