"""EDF: which signals become leads, notes, and what is refused."""

import sys
from datetime import date, datetime, time
from pathlib import Path

import edfio
import numpy as np
import pytest

from ecgtune.errors import MissingExtraError, RecordError
from ecgtune.readers import read_record


def signal(label: str, fs: int = 250, unit: str = "mV", seconds: int = 4) -> edfio.EdfSignal:
    data = np.sin(np.arange(fs * seconds) / 9)
    return edfio.EdfSignal(data, fs, label=label, physical_dimension=unit, physical_range=(-2, 2))


def written(folder: Path, *signals: edfio.EdfSignal, **options: object) -> Path:
    edfio.Edf(signals, **options).write(folder / "rec.edf")
    return folder / "rec.edf"


def patched(path: Path, at: int, text: str) -> Path:
    content = bytearray(path.read_bytes())
    content[at : at + len(text)] = text.encode()
    path.write_bytes(content)
    return path


def test_real_file(data: Path) -> None:
    record = read_record(data / "formats" / "A00001.edf")
    original = read_record(data / "cinc2017" / "A00001")
    assert (record.fs, record.leads) == (300, ("ECG",))
    assert record.start is not None
    np.testing.assert_allclose(record.read(0, 9000), original.signal, atol=1e-3)


@pytest.mark.parametrize(
    ("signals", "leads", "fs"),
    [
        ([("EEG Fpz-Cz", 100, "uV"), ("ECG II", 250, "mV"), ("Resp oro-nasal", 10, "V")], ("II",), 250),
        ([("C3-A2", 250, "uV"), ("EKG", 250, "mV")], ("EKG",), 250),
        ([("I", 500, "mV"), ("II", 250, "mV"), ("V1", 250, "mV"), ("SpO2", 1, "%")], ("II", "V1"), 250),
        ([("I", 250, "mV"), ("II", 500, "mV")], ("II",), 500),
    ],
)
def test_signals_that_become_leads(
    tmp_path: Path, signals: list[tuple[str, int, str]], leads: tuple[str, ...], fs: float
) -> None:
    record = read_record(written(tmp_path, *(signal(*each) for each in signals)))
    assert (record.leads, record.fs) == (leads, fs)


def test_leads_of_another_rate_are_noted(tmp_path: Path) -> None:
    signals = [signal("ECG II", 180), signal("ECG V1", 360), signal("EEG Cz", 100), signal("Resp", 10)]
    path = written(tmp_path, *signals)
    assert read_record(path).notes == (
        "lead II was left out: it has 180 Hz, the leads that were read have 360 Hz",
    )
    assert read_record(written(tmp_path, signal("ECG II"), signal("ECG V1"))).notes == ()


@pytest.mark.parametrize(("unit", "size"), [("uV", 1e-3), ("mV", 1), ("V", 1e3), ("nV", 1e-6)])
def test_units(tmp_path: Path, unit: str, size: float) -> None:
    record = read_record(written(tmp_path, signal("ECG", unit=unit)))
    expected = np.sin(np.arange(1000) / 9) * size
    np.testing.assert_allclose(record.signal[:, 0], expected, atol=1e-4 * size)


def test_unit_that_the_file_does_not_tell(tmp_path: Path) -> None:
    path = written(tmp_path, signal("ECG II", unit=""), signal("SpO2", unit="%"), signal("Resp", unit=""))
    with pytest.raises(RecordError, match=r"no ECG lead .*ECG II \[no unit\].*give units \(--units"):
        read_record(path)
    record = read_record(path, units="uV")
    assert record.leads == ("II",)
    np.testing.assert_allclose(record.signal[:, 0], np.sin(np.arange(1000) / 9) * 1e-3, atol=1e-7)


def test_unit_given_may_only_agree(tmp_path: Path) -> None:
    path = written(tmp_path, signal("ECG", unit="mV"))
    np.testing.assert_array_equal(read_record(path, units="mV").signal, read_record(path).signal)
    with pytest.raises(RecordError, match=r"units are 'mmHg'; give uV, mV or V"):
        read_record(path, units="mmHg")


def test_unit_in_latin_1(tmp_path: Path) -> None:
    path = written(tmp_path, signal("ECG", unit="uV"))
    content = path.read_bytes().replace(b"uV      ", b"\xb5V      ")
    path.write_bytes(content)
    assert np.abs(read_record(path).signal).max() < 2e-3


def test_notes(tmp_path: Path) -> None:
    notes = [edfio.EdfAnnotation(1.5, None, "arrhythmia"), edfio.EdfAnnotation(0.1, 2, "sleep")]
    record = read_record(written(tmp_path, signal("ECG"), annotations=notes))
    read = record.annotations["edf"]
    assert read.sample.tolist() == [25, 375]
    assert read.symbol.tolist() == ['"', '"']
    assert read.aux.tolist() == ["sleep", "arrhythmia"]


def test_plain_edf_has_no_notes(tmp_path: Path) -> None:
    assert list(read_record(written(tmp_path, signal("ECG"))).annotations) == []


def test_start(tmp_path: Path) -> None:
    recording = edfio.Recording(startdate=date(2020, 2, 3))
    path = written(tmp_path, signal("ECG"), recording=recording, starttime=time(4, 5, 6))
    assert read_record(path).start == datetime(2020, 2, 3, 4, 5, 6)
    anonymous = written(tmp_path, signal("ECG"), recording=edfio.Recording(), starttime=time(4, 5, 6))
    assert read_record(anonymous).start == datetime(1900, 1, 1, 4, 5, 6)


def test_length_not_known_when_header_was_written(tmp_path: Path) -> None:
    path = patched(written(tmp_path, signal("ECG")), 236, "-1      ")
    assert read_record(path).n_samples == 1000


@pytest.mark.parametrize(
    ("at", "text", "problem"),
    [
        (192, "EDF+D", "discontinuous recording (EDF+D)"),
        (236, "9       ", "header says 9 data records, the file holds 4"),
        (236, "many    ", "its number of data records, 'many', is no whole number"),
        (244, "0       ", "cannot be read as EDF"),
        (252, "0   ", "cannot be read as EDF"),
        (256 + 96, "mmHg    ", "no ECG lead among its signals (ECG [mmHg])"),
        (256 + 104, "2       ", "physical range 2 to 2"),
        (256 + 120, "32767   ", "digital range 32767 to 32767"),
    ],
)
def test_bad_header(tmp_path: Path, at: int, text: str, problem: str) -> None:
    path = patched(written(tmp_path, signal("ECG")), at, text)
    with pytest.raises(RecordError) as error:
        read_record(path)
    message = str(error.value)
    assert problem in message
    assert "rec.edf" in message
    assert "\n" not in message


def test_truncated(tmp_path: Path) -> None:
    path = written(tmp_path, signal("ECG"))
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(RecordError, match="says 4 data records, the file holds 2; replace it"):
        read_record(path)


@pytest.mark.parametrize(
    ("size", "problem"),
    [
        (0, "the file is empty"),
        (100, "the file is cut off after 100 of the 256 bytes of its header"),
        (255, "the file is cut off after 255 of the 256"),
    ],
)
def test_cut_off_in_its_header(tmp_path: Path, size: int, problem: str) -> None:
    path = written(tmp_path, signal("ECG"))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RecordError, match=rf"rec\.edf: cannot be read as EDF: {problem}.*; replace it"):
        read_record(path)


def test_edfio_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, signal("ECG"))
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(MissingExtraError, match=r'needs edfio: pip install "ecgtune\[formats\]"'):
        read_record(path)
