import time
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgtune.errors import OutputError
from ecgtune.labels import BEAT_SYMBOLS
from ecgtune.record import Annotations
from ecgtune.writers.annotations import CODES, encode_annotations, write_annotations


def annotations(sample, symbol="N", aux=None, subtype=None) -> Annotations:
    n = len(sample)
    symbols = np.array([symbol] * n if isinstance(symbol, str) else symbol, dtype=np.str_)
    given = {name: value for name, value in (("aux", aux), ("subtype", subtype)) if value is not None}
    return Annotations(np.array(sample, dtype=np.int64), symbols, **given)


def read_back(folder: Path, given: Annotations, fs: float | None = 360.0) -> wfdb.Annotation:
    write_annotations(folder / "r.ecgt", given, fs)
    return wfdb.rdann(str(folder / "r"), "ecgt")


@pytest.mark.parametrize(
    "sample",
    [
        [0],
        [0, 1, 2],
        [5, 1028, 2052],  # intervals of 1023, the longest that fits, and 1024
        [100, 100 + 2**16, 100 + 2**17 + 1],
        [14 * 86400 * 1000],
        [2**31 - 1],
        [2**31, 2**31 + 300],
        [7, 2**33, 2**33 + 1],
    ],
    ids=str,
)
@pytest.mark.parametrize("fs", [None, 360.0])
def test_round_trip_of_samples(tmp_path: Path, sample: list[int], fs: float | None) -> None:
    back = read_back(tmp_path, annotations(sample), fs)
    assert back.sample.tolist() == sample
    assert back.symbol == ["N"] * len(sample)
    assert back.fs == fs


def test_round_trip_of_every_symbol(tmp_path: Path) -> None:
    symbols = list(CODES)
    back = read_back(tmp_path, annotations(np.arange(len(symbols)) * 700, symbols))
    assert back.symbol == symbols
    assert set(CODES) >= BEAT_SYMBOLS


def test_round_trip_of_texts_and_subtypes(tmp_path: Path) -> None:
    aux = ["(N", "", "(AFIB", "x" * 255, ""]
    subtype = [0, -1, 127, 0, -128]
    symbols = ["+", "V", "+", '"', "N"]
    back = read_back(tmp_path, annotations([0, 9, 9999, 10_000, 99_999], symbols, aux, subtype))
    assert back.aux_note == aux
    assert back.subtype.tolist() == subtype
    assert back.symbol == symbols
    assert back.sample.tolist() == [0, 9, 9999, 10_000, 99_999]


@pytest.mark.parametrize("fs", [100, 128.5, 257.0, 333.25, 2000])
def test_rate_is_noted(tmp_path: Path, fs: float) -> None:
    assert read_back(tmp_path, annotations([3]), fs).fs == fs


@pytest.mark.parametrize("fs", [None, 360.0])
def test_bytes_are_those_of_wfdb(tmp_path: Path, fs: float | None) -> None:
    sample = np.array([0, 18, 77, 5000, 5001, 2**20, 2**32])
    symbols = ["+", "N", "V", "F", "Q", "S", "N"]
    aux = ["(N", "", "", "odd", "", "", ""]
    wfdb.wrann("w", "ecgt", sample, symbols, aux_note=aux, fs=fs, write_dir=str(tmp_path))
    ours = encode_annotations(annotations(sample, symbols, aux), fs)
    assert ours == (tmp_path / "w.ecgt").read_bytes()


def test_no_annotations(tmp_path: Path) -> None:
    assert encode_annotations(annotations([])) == b"\0\0"
    back = read_back(tmp_path, annotations([]))
    assert len(back.sample) == 0
    assert back.fs == 360


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (annotations([5, 5]), "two annotations are at sample 5"),
        (annotations([7, 5]), "annotation at sample 7 is before one at sample 5"),
        (annotations([-1, 5]), "sample -1"),
        (annotations([5], ["y"]), "'y' is no WFDB symbol"),
        (annotations([5], subtype=[128]), r"subtype 128 out of range: \[-128, 127\]"),
        (annotations([5], aux=["x" * 256]), "sample 5: its text has 256 bytes"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, given: Annotations, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_annotations(tmp_path / "r.ecgt", given, 360)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_annotations(tmp_path / "missing" / "r.ecgt", annotations([5]), 360)


def test_real_annotations_are_rewritten_alike(tmp_path: Path, mitdb: Path) -> None:
    original = wfdb.rdann(str(mitdb / "203"), "atr")
    aux = [text.rstrip("\0") for text in original.aux_note]
    given = annotations(original.sample, original.symbol, aux, original.subtype)
    back = read_back(tmp_path, given)
    assert back.sample.tolist() == original.sample.tolist()
    assert back.symbol == original.symbol
    assert back.aux_note == aux
    assert back.subtype.tolist() == original.subtype.tolist()


def test_a_day_of_beats_is_written_at_once() -> None:
    rng = np.random.default_rng(0)
    sample = np.cumsum(rng.integers(100, 3000, 110_000))
    day = annotations(sample, rng.choice(list("NSVFQ"), 110_000).tolist())
    began = time.perf_counter()
    encode_annotations(day, 360)
    assert time.perf_counter() - began < 0.25
