"""Listing and verification: whole, partial, damaged, missing."""

import shutil
from pathlib import Path

import pytest

from ecgtune.databases import CATALOGUE, list_databases, verify
from ecgtune.errors import DataError


@pytest.fixture
def copy(data: Path, tmp_path: Path) -> Path:
    """Two real records of svdb, to be damaged."""
    for record in ("800", "802"):
        for suffix in (".hea", ".dat", ".atr"):
            shutil.copyfile(data / "svdb" / f"{record}{suffix}", tmp_path / f"{record}{suffix}")
    return tmp_path


@pytest.mark.parametrize(("name", "ok", "partial"), [("mitdb", 144, False), ("svdb", 117, True)])
def test_real_data_is_what_physionet_published(data: Path, name: str, ok: int, partial: bool) -> None:
    report = verify(name, folder=data / name)
    assert (report.ok, report.damaged, report.missing, report.unknown) == (ok, (), (), ())
    assert report.intact
    assert report.partial is partial
    assert f"{report.n_records} of {report.n_complete} records" in str(report)
    assert ("(partial)" in str(report)) is partial


def test_files_of_unknown_hash_are_counted(data: Path) -> None:
    report = verify("nstdb", folder=data / "nstdb")
    assert (report.ok, len(report.unknown), report.intact) == (0, 10, True)


def test_damage_and_loss_are_named_with_the_remedy(copy: Path) -> None:
    (copy / "800.dat").write_bytes(b"x")
    (copy / "802.atr").unlink()
    report = verify("svdb", folder=copy)
    assert (report.ok, report.damaged, report.missing) == (4, ("800.dat",), ("802.atr",))
    assert not report.intact
    assert str(report).endswith("(800.dat, 802.atr); run `ecgtune data get svdb`")


def test_hashes_beside_the_records_are_used(tmp_path: Path) -> None:
    for suffix in (".hea", ".dat"):
        (tmp_path / f"bw{suffix}").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "SHA256SUMS.txt").write_text(f"{empty} bw.hea\n{'0' * 64} bw.dat\n")
    report = verify("nstdb", folder=tmp_path)
    assert (report.ok, report.damaged) == (1, ("bw.dat",))


def test_a_flat_copy_is_verified_by_the_hashes_of_the_folders(tmp_path: Path) -> None:
    for suffix in (".hea", ".dat", ".xyz"):
        (tmp_path / f"s0010_re{suffix}").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lines = [f"{empty} patient001/s0010_re{suffix}" for suffix in (".hea", ".dat", ".xyz")]
    (tmp_path / "SHA256SUMS").write_text("\n".join(lines))
    assert verify("ptbdb", folder=tmp_path).ok == 3


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ecgtune data get mitdb"):
        verify("mitdb", folder=tmp_path)


def test_listing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(data))
    rows = {row.name: row for row in list_databases()}
    assert list(rows) == list(CATALOGUE)
    svdb = rows["svdb"]
    assert (svdb.n_records, svdb.n_complete, svdb.place, svdb.licence) == (
        39,
        78,
        "ECGTUNE_DATA",
        "ODC-By-1.0",
    )
    assert svdb.n_bytes > 39 * 691_200


def test_listing_where_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("ecgtune.databases.index.cache_folder", lambda: tmp_path / "cache")
    for suffix in (".hea", ".dat", ".atr"):
        (tmp_path / "cache" / "mitdb").mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / "mitdb" / f"100{suffix}").write_bytes(b"12345")
    rows = {row.name: row for row in list_databases()}
    assert (rows["svdb"].root, rows["svdb"].place, rows["svdb"].n_records) == (None, "", 0)
    assert (rows["mitdb"].place, rows["mitdb"].n_records, rows["mitdb"].n_bytes) == ("cache", 1, 15)
