"""Databases on this machine: where they are found and what is in them."""

from pathlib import Path

import pytest

from ecgtune.databases import find_database
from ecgtune.databases.index import cache_folder
from ecgtune.errors import DataError


def write_records(folder: Path, *records: str, suffixes: tuple[str, ...] = (".hea", ".dat", ".atr")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for record in records:
        for suffix in suffixes:
            (folder / f"{record}{suffix}").write_bytes(b"x")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ECGTUNE_DATA` and the cache in a temporary folder: local/data and local/cache."""
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("ecgtune.databases.index.cache_folder", lambda: tmp_path / "cache")
    return tmp_path


def test_ecgtune_data_comes_before_the_cache(local: Path) -> None:
    write_records(local / "cache" / "mitdb", "100", "101")
    assert find_database("mitdb").root == local / "cache" / "mitdb"
    write_records(local / "data" / "mitdb", "100")
    assert find_database("mitdb").root == local / "data" / "mitdb"
    assert find_database("mitdb", folder=local / "cache" / "mitdb").records() == ("100", "101")


def test_a_missing_database_names_places_and_remedy(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (local / "data" / "svdb").mkdir(parents=True)
    with pytest.raises(DataError, match=r"svdb: no records in .*data.* or .*cache.*ecgtune data get svdb"):
        find_database("svdb")
    monkeypatch.delenv("ECGTUNE_DATA")
    with pytest.raises(DataError, match=r"svdb: no records in \S*svdb; run"):
        find_database("svdb")


def test_the_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder().name == "ecgtune"


def test_half_a_record_does_not_count(local: Path) -> None:
    write_records(local / "data" / "mitdb", "100")
    write_records(local / "data" / "mitdb", "101", suffixes=(".hea",))
    write_records(local / "data" / "mitdb", "102", suffixes=(".dat", ".atr"))
    database = find_database("mitdb")
    assert database.records() == ("100",)
    assert not database.complete
    assert database.describe() == "1 of 48 records"
    with pytest.raises(DataError, match=r"mitdb 101: not in .*1 of 48 records.*ecgtune data get mitdb"):
        database.path("101")


def test_records_in_physionets_folders(local: Path) -> None:
    root = local / "data" / "ptbdb"
    write_records(root / "patient002", "s0015lre", suffixes=(".hea", ".dat", ".xyz"))
    write_records(root / "patient001", "s0014lre", "s0010_re", suffixes=(".hea", ".dat", ".xyz"))
    database = find_database("ptbdb")
    assert database.path("s0014lre") == root / "patient001" / "s0014lre.hea"
    assert database.patients() == {
        "ptbdb/patient001": ("s0010_re", "s0014lre"),
        "ptbdb/patient002": ("s0015lre",),
    }


def test_files_of_other_records_are_passed_over(local: Path) -> None:
    write_records(local / "data" / "nstdb", "bw", "118e00", "em_copy")
    assert find_database("nstdb").records() == ("118e00", "bw")


def test_natural_order(local: Path) -> None:
    write_records(local / "data" / "cpsc2021" / "Training_set_I", "data_10_1", "data_9_2", "data_9_10")
    database = find_database("cpsc2021")
    assert list(database) == ["data_9_2", "data_9_10", "data_10_1"]
    assert len(database) == 3
    assert [database.patient(record) for record in database] == ["cpsc2021/9", "cpsc2021/9", "cpsc2021/10"]
    assert database.name == "cpsc2021"


@pytest.mark.parametrize(
    ("name", "n_records", "n_patients", "complete"),
    [
        ("mitdb", 48, 47, True),
        ("svdb", 39, 39, False),
        ("vfdb", 11, 11, False),
        ("nstdb", 4, 3, False),
        ("ptbdb", 2, 1, False),
        ("cinc2017", 750, 750, False),
        ("cpsc2021", 18, 6, False),
    ],
)
def test_real_data(data: Path, name: str, n_records: int, n_patients: int, complete: bool) -> None:
    database = find_database(name, folder=data / name)
    assert (len(database), len(database.patients()), database.complete) == (n_records, n_patients, complete)
    first = database.records()[0]
    assert database.path(first).is_file()
