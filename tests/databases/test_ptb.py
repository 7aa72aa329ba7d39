"""Admissions of the PTB database: whole copies, incomplete ones, and its two real headers."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ecgtune.databases import CATALOGUE, Database, find_database
from ecgtune.databases.ptb import REASONS, admissions
from ecgtune.databases.verification import wanted
from ecgtune.errors import DataError

SAID = {
    "patient001/s0010_re": "Myocardial infarction",
    "patient001/s0014lre": "Myocardial infarction",
    "patient104/s0306lre": "Healthy control",
    "patient003/s0017lre": "Dysrhythmia",
    "patient285/s0543_re": "n/a",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Five records of four patients as PhysioNet keeps them; they have headers and empty signals."""
    for path, reason in SAID.items():
        header = tmp_path / f"{path}.hea"
        header.parent.mkdir(exist_ok=True)
        comments = f"# age: 60\r\n# sex: male\r\n# Reason for admission: {reason}\r\n"
        header.write_text(f"{header.stem} 1 1000 0\n{header.stem}.dat 16 2000 16 0 0 0 0 ii\n{comments}")
        for suffix in (".dat", ".xyz"):
            header.with_suffix(suffix).touch()
    return tmp_path


def database(folder: Path, n_records: int = len(SAID)) -> Database:
    return Database(replace(CATALOGUE["ptbdb"], n_records=n_records), folder)


def test_reasons_are_read_from_the_comments(copy: Path) -> None:
    found = admissions(database(copy))
    assert found == {Path(path).name: reason for path, reason in SAID.items()}
    assert [reason in REASONS for reason in found.values()] == [True, True, False, True, False]


def test_the_real_headers(data: Path, tmp_path: Path) -> None:
    (tmp_path / "patient001").mkdir()
    for file in (data / "ptbdb").glob("s0*"):
        shutil.copy(file, tmp_path / "patient001")
    real = database(tmp_path, 2)
    assert admissions(real) == dict.fromkeys(("s0010_re", "s0014lre"), "Myocardial infarction")
    assert real.patients() == {"ptbdb/patient001": ("s0010_re", "s0014lre")}


def test_the_copy_at_hand_is_incomplete(data: Path) -> None:
    with pytest.raises(DataError) as raised:
        admissions(find_database("ptbdb", folder=data / "ptbdb"))
    assert str(raised.value) == (
        f"ptbdb: incomplete, 2 of 549 records in {data / 'ptbdb'}; run `ecgtune data get ptbdb`"
    )


@pytest.mark.parametrize("suffix", [".dat", ".xyz"])
def test_a_record_without_a_signal_file_is_named(copy: Path, suffix: str) -> None:
    (copy / "patient104" / f"s0306lre{suffix}").unlink()
    with pytest.raises(DataError, match=rf"ptbdb s0306lre \(without s0306lre\{suffix}\): incomplete, 4 of 5"):
        admissions(database(copy))


@pytest.mark.parametrize("listing", ["RECORDS", "SHA256SUMS.txt"])
def test_a_patient_who_is_missing_is_named(copy: Path, listing: str) -> None:
    lines = {
        "RECORDS": SAID,
        "SHA256SUMS.txt": [f"{'0' * 64} {path}{suffix}" for path in SAID for suffix in (".dat", ".hea")],
    }
    (copy / listing).write_text("\n".join(lines[listing]) + "\n")
    shutil.rmtree(copy / "patient104")
    with pytest.raises(DataError, match=r"ptbdb patient104/s0306lre: incomplete, 4 of 5 .*data get ptbdb`$"):
        admissions(database(copy))


def test_a_header_that_says_nothing_of_the_admission(copy: Path) -> None:
    header = copy / "patient104" / "s0306lre.hea"
    header.write_text("\n".join(header.read_text().splitlines()[:3]))
    with pytest.raises(DataError, match=r"ptbdb s0306lre: .*no line `Reason for admission`.*get ptbdb`$"):
        admissions(database(copy))


def test_a_header_that_cannot_be_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = database(copy)
    assert len(there)
    header = copy / "patient003" / "s0017lre.hea"
    header.unlink()
    with pytest.raises(
        DataError, match=r"ptbdb s0017lre: .*No such file or directory; run `ecgtune data get"
    ):
        admissions(there)


def test_a_flat_copy_does_not_tell_patients(copy: Path) -> None:
    for file in list(copy.glob("patient*/*")):
        file.rename(copy / file.name)
    # s0010_re and s0014lre are known to be one patient; the others are not.
    with pytest.raises(DataError, match="ptbdb s0017lre: lies in no patient's folder"):
        admissions(database(copy))


def test_a_download_takes_headers_both_signals_and_the_list() -> None:
    taken = ("patient001/s0010_re.hea", "patient001/s0010_re.dat", "patient294/s0559_re.xyz", "RECORDS")
    assert all(wanted(CATALOGUE["ptbdb"], path) for path in taken)
    assert not any(wanted(CATALOGUE["ptbdb"], path) for path in ("CONTROLS", "patient001/notes.txt"))
