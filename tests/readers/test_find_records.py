"""From files, folders and patterns to records."""

import json
from pathlib import Path

import numpy as np
import pytest

from ecgtune.errors import RecordError
from ecgtune.readers import find_record, find_records
from ecgtune.readers.find import expand

HEADER = "{name} 1 250 4\n{name}.dat 16 200/mV\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two plain records, one of two segments, a broken header, tables with and without description."""
    root = tmp_path / "db"
    (root / "p1").mkdir(parents=True)
    for name in ("100", "208", "part1", "part2", "p1/s1"):
        plain = Path(name).name
        (root / f"{name}.hea").write_text(HEADER.format(name=plain))
        (root / f"{name}.dat").write_bytes(bytes(8))
    (root / "100.atr").write_bytes(b"\0\0")
    (root / "long.hea").write_text("long/3 1 250 10\npart1 4\n~ 2\npart2 4\n")
    (root / "bad.hea").write_bytes(b"\xff\xfe/nonsense")
    (root / "table.csv").write_text("0\n0\n")
    (root / "told.csv").write_text("0\n0\n")
    (root / "told.json").write_text(json.dumps({"fs": 250}))
    (root / "208.csv").write_text("sample,label\n5,N\n")
    (root / "208.json").write_text(json.dumps({"fs": 250, "beats": {"N": 1}}))
    (root / "REFERENCE.csv").write_text("100,N\n208,V\n233,V\n")
    (root / "notes.txt").write_text("notes")
    return root


def names(paths: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_folder(folder: Path) -> None:
    expected = ["100.hea", "208.hea", "bad.hea", "long.hea", "p1/s1.hea", "told.csv"]
    assert names(find_records([folder]), folder) == expected


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Tables and arrays whose rate is told, or not, and files of their kinds that are no recordings."""
    root = tmp_path / "tables"
    root.mkdir()
    for name, content in {
        "timed.csv": "time,II\n0.000,0.1\n0.004,0.2\n",
        "plain.csv": "II\n0.1\n0.2\n",
        "broken.tsv": "",
        "labels.csv": "time_s,sample,label,probability_N\n0.020,5,N,0.9\n",
        "no-labels.csv": "time_s,sample,label,probability_N,unsure\n",
        "REFERENCE.csv": "100,N\n208,V\n233,V\n",
        "patients.csv": "patient,age,sex\np7,60,F\n",
    }.items():
        (root / name).write_text(content)
    np.savez(root / "rated.npz", signal=np.zeros(5), fs=250)
    np.savez(root / "unrated.npz", signal=np.zeros(5))
    np.savez(root / "weights.npz", fs=250, weights=np.zeros(5))
    np.savez(root / "many.npz", signal=np.zeros((3, 5, 2)), fs=250)
    np.save(root / "many.npy", np.zeros((3, 5, 2)))
    np.save(root / "array.npy", np.zeros(5))
    np.save(root / "told.npy", np.zeros(5))
    (root / "told.json").write_text(json.dumps({"fs": 250, "age": 60}))
    return root


def test_tables_of_a_folder_are_records_where_their_rate_is_known(tables: Path) -> None:
    records, without_rate = expand(tables)
    assert names(records, tables) == ["rated.npz", "timed.csv", "told.npy"]
    assert names(without_rate, tables) == ["array.npy", "broken.tsv", "plain.csv", "unrated.npz"]
    assert find_records([tables]) == records


def test_tables_of_a_folder_are_records_where_the_rate_is_given(tables: Path) -> None:
    records, without_rate = expand(tables, fs=250)
    expected = ["array.npy", "broken.tsv", "plain.csv", "rated.npz", "timed.csv", "told.npy", "unrated.npz"]
    assert names(records, tables) == expected
    assert without_rate == []
    assert find_records([str(tables.parent / "tab*")], fs=250) == records


def test_table_named_like_a_record_beside_it_is_about_that(tmp_path: Path) -> None:
    for name in ("100.hea", "p7.edf"):
        (tmp_path / name).write_text(HEADER.format(name="100"))
    for name in ("100.csv", "p7.tsv"):
        (tmp_path / name).write_text("time,II\n0.000,0.1\n0.004,0.2\n")
    assert names(find_records([tmp_path], fs=250), tmp_path) == ["100.hea", "p7.edf"]


def test_folder_of_tables_without_rate(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.csv").write_text("0\n0\n")
    with pytest.raises(
        RecordError,
        match=r"no record in this folder; nothing tells the rate of a\.csv, b\.csv, c\.csv and 1 more",
    ):
        find_records([tmp_path])


def test_mitdb(mitdb: Path) -> None:
    assert len(find_records([mitdb])) == 48
    assert len(find_records([mitdb / "1*", mitdb])) == 48
    assert len(find_records([str(mitdb / "20[0-3].hea"), mitdb / "208"])) == 5


@pytest.mark.parametrize("given", ["208", "208.hea", "208.dat"])
def test_with_and_without_extension(folder: Path, given: str) -> None:
    assert names(find_records([folder / given]), folder) == ["208.hea"]


def test_annotation_file_stands_for_its_record(folder: Path) -> None:
    assert find_record(folder / "100.atr").name == "100.hea"


def test_each_record_once_in_the_order_given(folder: Path) -> None:
    found = find_records([folder / "208.dat", folder / "100", str(folder / "208"), folder / "100.hea"])
    assert names(found, folder) == ["208.hea", "100.hea"]


def test_pattern_passes_over_other_files(folder: Path) -> None:
    found = find_records([str(folder / "[a-z]*")])
    assert names(found, folder) == ["bad.hea", "long.hea", "p1/s1.hea", "table.csv", "told.csv"]


def test_segment_asked_for_by_name(folder: Path) -> None:
    assert names(find_records([folder / "part1"]), folder) == ["part1.hea"]


def test_explicit_table_wins_over_header(folder: Path) -> None:
    assert find_record(folder / "208.csv").name == "208.csv"
    assert find_record(folder / "208").name == "208.hea"


def test_only_table_of_that_name(folder: Path) -> None:
    assert find_record(folder / "table").name == "table.csv"
    np.save(folder / "table.npy", np.zeros(3))
    with pytest.raises(RecordError, match=r"stands for table\.csv, table\.npy; name one"):
        find_record(folder / "table")


def test_extension_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "REC.EDF").write_bytes(b"")
    assert find_records([tmp_path]) == [tmp_path / "REC.EDF"]


def test_name_with_dots(tmp_path: Path) -> None:
    (tmp_path / "a.b.hea").write_text(HEADER.format(name="a.b"))
    assert find_record(tmp_path / "a.b").name == "a.b.hea"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("999", "no such record; check the path"),
        ("999.hea", "no such record"),
        ("9*", "no record matches; check the pattern"),
        ("notes.txt", "unknown format .txt; known: .hea, .edf, .csv, .tsv, .npy, .npz"),
        ("lonely.dat", "no lonely.hea beside it; a WFDB record needs its header"),
        ("empty", "no record in this folder"),
    ],
)
def test_no_record(folder: Path, given: str, problem: str) -> None:
    (folder / "lonely.dat").write_bytes(bytes(8))
    (folder / "empty").mkdir()
    with pytest.raises(RecordError) as error:
        find_records([folder / given])
    message = str(error.value)
    assert problem in message
    assert given in message
    assert "\n" not in message


def test_folder_is_no_record(folder: Path) -> None:
    with pytest.raises(RecordError, match="is a folder; name one record in it"):
        find_record(folder)
