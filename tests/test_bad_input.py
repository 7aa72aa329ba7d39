"""Input that cannot be used: one clear line each, the right status, and the other recordings go on."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from command import Command
from ecgtune.signals.simulate import simulate

FS = 250

Signal = NDArray[np.float64]


def store(
    folder: Path, name: str, signal: Signal, *, fs: float = FS, gain: float = 200, says: int = 0
) -> Path:
    """Write a WFDB record in format 16, NaN as missing; the header may say another length or gain."""
    n, n_leads = signal.shape
    digital = np.where(np.isnan(signal), -32768, np.round(np.nan_to_num(signal) * 200)).astype("<i2")
    digital.tofile(folder / f"{name}.dat")
    leads = "".join(f"{name}.dat 16 {gain:g}/mV 16 0 0 0 0 {lead}\n" for lead in ("MLII", "V1")[:n_leads])
    path = folder / f"{name}.hea"
    path.write_text(f"{name} {n_leads} {fs:g} {says or n}\n{leads}")
    return path


@pytest.fixture(scope="module")
def ecg() -> Signal:
    """Forty seconds of two leads in mV."""
    return simulate(40, FS, seed=3).signal.astype(np.float64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def missing_file(folder: Path, _: Signal) -> Path:
    return folder / "bad.hea"


def missing_dat(folder: Path, ecg: Signal) -> Path:
    path = store(folder, "bad", ecg)
    path.with_suffix(".dat").unlink()
    return path


def lying_header(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", ecg, says=2 * len(ecg))


def truncated_dat(folder: Path, ecg: Signal) -> Path:
    path = store(folder, "bad", ecg)
    os.truncate(path.with_suffix(".dat"), 12_345)
    return path


def unknown_format(folder: Path, _: Signal) -> Path:
    path = folder / "bad.xyz"
    path.write_bytes(b"ECG?")
    return path


def unknown_wfdb_format(folder: Path, ecg: Signal) -> Path:
    path = store(folder, "bad", ecg)
    path.write_text(path.read_text().replace(" 16 200", " 999 200"))
    return path


def empty_header(folder: Path, _: Signal) -> Path:
    path = folder / "bad.hea"
    path.write_text("")
    return path


def zero_length(folder: Path, ecg: Signal) -> Path:
    path = store(folder, "bad", ecg[:0])
    path.write_text(path.read_text().replace(" 0\n", " 0\n", 1))
    return path


def empty_csv(folder: Path, _: Signal) -> Path:
    path = folder / "bad.csv"
    path.write_text("")
    return path


def all_flat(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", np.full_like(ecg, 0.3))


def all_nan(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", np.full_like(ecg, np.nan))


def no_beats(folder: Path, ecg: Signal) -> Path:
    """An amplifier without a patient: nothing but one step of 2 microvolts."""
    steps = np.where(np.arange(len(ecg)) > 5000, 2 / 200, 0)
    return store(folder, "bad", np.stack([steps, steps], axis=1), gain=1000)


def too_short(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", ecg[:FS])


def absurd_gain(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", ecg, gain=0.002)


def slow(folder: Path, ecg: Signal) -> Path:
    return store(folder, "bad", ecg[::5], fs=50)


def text_cells(folder: Path, ecg: Signal) -> Path:
    rows = [f"{a:.3f},{b:.3f}" for a, b in ecg[:2000]]
    rows[1000] = "0.1,artefact"
    path = folder / "bad.csv"
    path.write_text("\n".join(["MLII,V1", *rows]) + "\n")
    (folder / "bad.json").write_text(json.dumps({"fs": FS}))
    return path


def without_rate(folder: Path, ecg: Signal) -> Path:
    path = folder / "bad.npy"
    np.save(path, ecg)
    return path


@dataclass(frozen=True)
class Bad:
    """A recording that cannot be labelled, and what is said of it.

    Parameters
    ----------
    make
        Writes it into a folder.
    says
        Parts of the line, the remedy last.
    """

    make: Callable[[Path, Signal], Path]
    says: tuple[str, ...]


RECORDINGS = {
    "missing file": Bad(missing_file, ("bad.hea: no such record", "check the path")),
    "missing .dat": Bad(missing_dat, ("bad.dat: the signal file is missing", "put it beside bad.hea")),
    "header that lies about length": Bad(
        lying_header, ("bad.hea: header says 20000 samples, bad.dat holds 10000;", "correct the header")
    ),
    "truncated .dat": Bad(truncated_dat, ("bad.hea: header says 10000 samples", "holds 3086", "whole copy")),
    "unknown format": Bad(unknown_format, ("bad.xyz: unknown format .xyz;", "known: .hea")),
    "unknown WFDB format": Bad(unknown_wfdb_format, ("bad.hea: ", "999", "known formats: ")),
    "empty header": Bad(empty_header, ("bad.hea: ", "header")),
    "zero-length": Bad(zero_length, ("bad.hea: ", "samples")),
    "zero-length CSV": Bad(empty_csv, ("bad.csv: the table is empty", "leave it out")),
    "all-flat": Bad(all_flat, ("bad.hea: no signal in lead MLII, V1 (flat or missing)", "another lead")),
    "all-NaN": Bad(all_nan, ("bad.hea: no signal in lead MLII, V1 (flat or missing)", "another lead")),
    "no beats found": Bad(no_beats, ("bad.hea: no beats found in 40 s;", "is this an ECG?")),
    "shorter than three seconds": Bad(too_short, ("bad.hea: 1.00 s long;", "at least 3 s are needed")),
    "absurd gain": Bad(absurd_gain, ("bad.hea", "gain 0.002/mV is absurd", "correct the gain and unit")),
    "rate below 100 Hz": Bad(slow, ("bad.hea: sampled at 50 Hz;", "100 to 2000 Hz: resample the recording")),
    "CSV with text cells": Bad(text_cells, ("bad.csv: ", "artefact", "row 1002")),
    "rate unknown": Bad(without_rate, ("bad.npy: the rate is unknown; give fs",)),
}


def written(out: Path) -> set[str]:
    """Names in an output folder, without the record of what is done."""
    return {path.name for path in out.glob("*")} - {".ecgtune.json"}


def assert_nothing_half_written(folder: Path) -> None:
    leftovers = [path.name for path in folder.rglob("*") if path.name.endswith(".part")]
    assert leftovers == []
    for path in folder.glob("*.json"):
        json.loads(path.read_text())


@pytest.mark.parametrize("bad", RECORDINGS.values(), ids=RECORDINGS)
def test_a_bad_recording_is_one_clear_line_and_the_good_one_beside_it_is_labelled(
    bad: Bad, folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    path, good, out = bad.make(folder, ecg), store(folder, "good", ecg), tmp_path / "out"
    both = ecgtune("classify", path, good, "--out", out, "--model", tiny_model)
    assert both.status == 1
    assert len(both.lines) == 1, both.err
    (line,) = both.lines
    assert line.startswith(f"ecgtune: {folder / 'bad'}")
    for part in bad.says:
        assert part in line
    assert written(out) == {f"good.{kind}" for kind in ("ecgt", "csv", "json", "html")}
    assert_nothing_half_written(out)

    alone = ecgtune("classify", path, "--out", tmp_path / "alone", "--model", tiny_model)
    assert alone.status == 2
    assert alone.err == both.err
    assert written(tmp_path / "alone") == set()


def test_all_bad_recordings_of_one_call_are_a_line_each(
    folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    paths: list[Path] = []
    for number, bad in enumerate(RECORDINGS.values()):
        own = folder / str(number)
        own.mkdir()
        # Recordings of one name would stand in each other's way.
        path = bad.make(own, ecg)
        renamed = own / f"bad{number}{path.suffix}"
        if path.is_file():
            path.rename(renamed)
        paths.append(renamed)
    paths.insert(3, store(folder, "good", ecg))
    ended = ecgtune("classify", *paths, "--out", tmp_path / "out", "--model", tiny_model, "--json")
    assert ended.status == 1
    assert len(ended.lines) == len(RECORDINGS)
    assert all(line.startswith(f"ecgtune: {folder}") for line in ended.lines)
    outcomes = json.loads(ended.out)
    assert [outcome["name"] for outcome in outcomes if outcome["error"] is None] == ["good"]
    assert {f"ecgtune: {outcome['error']}" for outcome in outcomes if outcome["error"]} == set(ended.lines)


def test_tables_of_a_folder_whose_rate_is_unknown_are_one_clear_line(
    folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    np.savez(folder / "rated.npz", signal=ecg, fs=FS)
    np.save(folder / "unrated.npy", ecg)
    out = tmp_path / "out"
    ended = ecgtune("classify", folder, "--out", out, "--model", tiny_model, "--write", "csv")
    assert ended.status == 0
    assert len(ended.lines) == 1
    assert ended.err.startswith(
        "ecgtune: passed over: nothing tells the rate of unrated.npy; give fs (--fs 250)"
    )
    assert written(out) == {"rated.csv"}
    ended = ecgtune("classify", folder, "--fs", FS, "--out", out, "--model", tiny_model, "--write", "csv")
    assert (ended.status, ended.err) == (0, "")
    assert written(out) == {"rated.csv", "unrated.csv"}


@pytest.mark.parametrize("value", [0.1, np.nan], ids=["flat", "missing"])
def test_one_lead_without_signal_costs_a_note_only(
    value: float, folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    ecg = ecg.copy()
    ecg[:, 1] = value
    path, out = store(folder, "half", ecg), tmp_path / "out"
    ended = ecgtune("classify", path, "--out", out, "--model", tiny_model)
    assert (ended.status, ended.err) == (0, "")
    summary = json.loads((out / "half.json").read_text())
    assert "lead V1 carries no signal and was left out" in json.dumps(summary)
    assert (out / "half.ecgt").stat().st_size > 80


@pytest.mark.parametrize(
    ("lead", "says"),
    [
        ("V5", "one.hea: no lead V5; choose by index from 0: MLII, 1: V1"),
        ("2", "one.hea: no lead 2; it has 0: MLII, 1: V1"),
    ],
)
def test_a_lead_that_is_not_there_is_named_with_those_that_are(
    lead: str, says: str, folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    path = store(folder, "one", ecg)
    out = tmp_path / "out"
    ended = ecgtune("classify", path, "--lead", lead, "--out", out, "--model", tiny_model)
    assert ended.status == 2
    assert ended.lines == [f"ecgtune: {folder}/{says}"]
    assert written(out) == set()


def lose(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def change_card(**fields: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text()) | fields
        (folder / "card.json").write_text(json.dumps(card))

    return change


def drop_field(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    del card["preprocessing"]
    (folder / "card.json").write_text(json.dumps(card))


def cut_card(folder: Path) -> None:
    os.truncate(folder / "card.json", 100)


def cut_onnx(folder: Path) -> None:
    os.truncate(folder / "model.onnx", 1000)


MODELS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no folder": (shutil.rmtree, ("no such model", "give a folder or one of: ")),
    "without network": (lose("model.onnx"), ("model.onnx is missing", "holds card.json and model.onnx")),
    "without card": (lose("card.json"), ("card.json is missing", "holds card.json and model.onnx")),
    "card cut short": (cut_card, ("card.json: cannot be read", "train or export the model again")),
    "card that lacks a field": (drop_field, ("card.json: lacks preprocessing", "export the model again")),
    "network cut short": (cut_onnx, ("model.onnx: does not belong to its card", "export the model again")),
    "newer version": (change_card(format=99), ("card.json: format 99; this ecgtune reads up to", "upgrade")),
    "version that is none": (
        change_card(format="new"),
        ("card.json: format is 'new'", "export the model again"),
    ),
    "newer preprocessing": (
        change_card(preprocessing={"wavelet": 3}),
        ("preprocessing wavelet unknown: the model needs a newer ecgtune",),
    ),
    "preprocessing that is none": (
        change_card(preprocessing=["band"]),
        ("card.json: preprocessing is ['band']", "export the model again"),
    ),
    "other classes": (change_card(classes=["N", "V"]), ("classes ['N', 'V']; this ecgtune labels N S V",)),
}


@pytest.mark.parametrize(("damage", "says"), MODELS.values(), ids=MODELS)
def test_a_model_that_cannot_be_used_is_one_clear_line(
    damage: Callable[[Path], None],
    says: tuple[str, ...],
    folder: Path,
    ecg: Signal,
    tiny_model: Path,
    tmp_path: Path,
    ecgtune: Command,
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    shutil.copytree(tiny_model, model)
    damage(model)
    path = store(folder, "good", ecg)
    for arguments in (("classify", path, "--out", out, "--model", model), ("models", "show", model)):
        ended = ecgtune(*arguments)
        assert ended.status == 2
        assert len(ended.lines) == 1, ended.err
        assert ended.err.startswith("ecgtune: ")
        for part in says:
            assert part in ended.err
    assert not out.exists()


def test_an_output_folder_that_cannot_be_made_is_one_clear_line(
    folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    (tmp_path / "file").write_text("in the way")
    path, out = store(folder, "good", ecg), tmp_path / "file" / "out"
    ended = ecgtune("classify", path, "--out", out, "--model", tiny_model)
    assert ended.status == 2
    assert ended.lines == [f"ecgtune: {out}: cannot be created: Not a directory; choose another --out"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_output_that_is_a_folder_already_is_one_clear_line(
    folder: Path, ecg: Signal, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    path, out = store(folder, "good", ecg), tmp_path / "out"
    (out / "good.html").mkdir(parents=True)
    ended = ecgtune("classify", path, "--out", out, "--model", tiny_model)
    assert ended.status == 2
    assert len(ended.lines) == 1
    assert f"{out / 'good.html'}: cannot be written: Is a directory" in ended.err
    assert_nothing_half_written(out)


@pytest.mark.parametrize("full_at", ["bad.ecgt", "bad.html"])
def test_where_the_disk_is_full_nothing_half_written_stays_and_the_same_command_goes_on(
    full_at: str,
    folder: Path,
    ecg: Signal,
    tiny_model: Path,
    tmp_path: Path,
    ecgtune: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths, out = [store(folder, name, ecg) for name in ("good", "bad")], tmp_path / "out"
    command = ("classify", *paths, "--out", out, "--model", tiny_model, "--jobs", "1")
    fdopen = os.fdopen

    def full(handle: int, *arguments: object) -> object:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        if name.startswith(f".{full_at}."):
            os.write(handle, b"half of it")
            os.close(handle)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return fdopen(handle, *arguments)

    with monkeypatch.context() as disk:
        disk.setattr("ecgtune.files.os.fdopen", full)
        ended = ecgtune(*command)
    assert ended.status == 1
    assert ended.lines == [
        f"ecgtune: {out / full_at}: cannot be written: No space left on device; "
        "choose another --out or free some space"
    ]
    assert_nothing_half_written(out)
    assert written(out) == {f"good.{kind}" for kind in ("ecgt", "csv", "json", "html")}

    again = ecgtune(*command)
    assert again.status == 0
    assert "1 were done already" in again.out
    assert len(written(out)) == 8
