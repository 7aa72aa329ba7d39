"""Annotation files: the same as ``wfdb.rdann``, and what damaged ones say."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from ecgtune.errors import RecordError
from ecgtune.readers import read_annotations, read_record
from ecgtune.readers.annotations import looks_like_annotations
from ecgtune.record import Annotations

SKIP, NUM, SUB, CHN, AUX, NOTE = 59, 60, 61, 62, 63, 22
END = b"\0\0"


def word(code: int, value: int) -> bytes:
    return struct.pack("<H", code << 10 | value)


def aux(text: str) -> bytes:
    raw = text.encode("latin-1")
    return word(AUX, len(raw)) + raw + b"\0" * (len(raw) % 2)


def skip(interval: int) -> bytes:
    high, low = (interval >> 16) & 0xFFFF, interval & 0xFFFF
    return word(SKIP, 0) + struct.pack("<HH", high, low)


def written(folder: Path, *parts: bytes) -> Path:
    path = folder / "rec.atr"
    path.write_bytes(b"".join(parts))
    return path


def as_rdann(path: Path) -> Annotations:
    import wfdb

    read = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
    return Annotations(
        read.sample,
        np.array(read.symbol, dtype=np.str_),
        np.array(["" if text == "None" else text.rstrip("\0") for text in read.aux_note], dtype=np.str_),
        read.subtype,
    )


def assert_same(read: Annotations, expected: Annotations) -> None:
    np.testing.assert_array_equal(read.sample, expected.sample)
    np.testing.assert_array_equal(read.symbol, expected.symbol)
    np.testing.assert_array_equal(read.aux, expected.aux)
    np.testing.assert_array_equal(read.subtype, expected.subtype)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("mitdb/*.atr", 48),
        ("svdb/*.atr", 39),
        ("vfdb/*.atr", 11),
        ("cpsc2021/*.atr", 18),
        ("nstdb/*.atr", 2),
        ("formats/sel100.*[r1]", 2),
    ],
)
def test_same_as_rdann(data: Path, pattern: str, files: int) -> None:
    paths = sorted(data.glob(pattern))
    assert len(paths) == files
    for path in paths:
        assert looks_like_annotations(path)
        assert_same(read_annotations(path), as_rdann(path))


@pytest.mark.parametrize("annotator", ["ta", "tb", "td", "gq"])
def test_same_as_rdann_on_ec57_vectors(data: Path, annotator: str) -> None:
    paths = sorted((data.parent / "ec57-vectors" / annotator).glob(f"*.{annotator}"))
    if not paths:
        pytest.skip("no EC57 vectors beside ECGTUNE_DATA")
    assert len(paths) == 48
    for path in paths:
        assert_same(read_annotations(path), as_rdann(path))


def test_several_times_as_fast_as_rdann(mitdb: Path) -> None:
    paths = sorted(mitdb.glob("1*.atr"))
    read_annotations(paths[0])
    as_rdann(paths[0])
    start = time.process_time()
    for path in paths:
        read_annotations(path)
    ours = time.process_time() - start
    start = time.process_time()
    for path in paths:
        as_rdann(path)
    assert time.process_time() - start > 3 * ours


def test_mitdb_208_as_published(mitdb: Path) -> None:
    annotations = read_annotations(mitdb / "208.atr")
    assert annotations.aux[0] == "(N"
    assert len(annotations.beats()) == 2955
    assert (annotations.symbol == "F").sum() == 373


def test_fields_of_one_annotation(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        *(word(1, 100), word(SUB, 0xFF), word(CHN, 1), word(NUM, 3)),
        *(skip(70_000), word(28, 5), aux("(AFIB")),
        *(skip(-10), word(5, 0)),
        END,
    )
    read = read_annotations(path)
    assert read.sample.tolist() == [100, 70_105, 70_095]
    assert read.symbol.tolist() == ["N", "+", "V"]
    assert read.aux.tolist() == ["", "(AFIB", ""]
    assert read.subtype.tolist() == [-1, 0, 0]
    assert_same(read, as_rdann(path))


def test_payload_that_looks_like_codes(tmp_path: Path) -> None:
    """Notes and long intervals may hold any bytes, those of other codes and of the end mark among them."""
    text = "\x01\xec\x02\xfc\x00\x00\x05\xf4zz"
    path = written(tmp_path, skip(59 << 26 | 3), word(1, 1), aux(text), word(1, 2), skip(0), word(1, 3), END)
    read = read_annotations(path)
    assert read.aux.tolist() == [text, "", ""]
    assert_same(read, as_rdann(path))


def test_no_annotation(tmp_path: Path) -> None:
    assert len(read_annotations(written(tmp_path, END))) == 0


def test_time_resolution_is_converted_to_the_rate_of_the_record(tmp_path: Path) -> None:
    path = written(tmp_path, word(NOTE, 0), aux("## time resolution: 1000"), word(1, 500), word(1, 250), END)
    assert read_annotations(path).sample.tolist() == [500, 750]
    assert read_annotations(path, fs=360).sample.tolist() == [180, 270]
    assert read_annotations(path, fs=1000).sample.tolist() == [500, 750]


def test_defined_and_undefined_codes(tmp_path: Path) -> None:
    notes = ("## annotation type definitions", "42 spike Pacing spike", "## end of definitions")
    header = b"".join(word(NOTE, 0) + aux(note) for note in notes)
    path = written(tmp_path, header, word(42, 9), word(44, 1), word(1, 1), END)
    assert read_annotations(path).symbol.tolist() == ["spike", "[44]", "N"]


def test_none_is_no_note(tmp_path: Path) -> None:
    path = written(tmp_path, word(1, 9), aux("None"), word(28, 1), aux("(N\0\0"), END)
    assert read_annotations(path).aux.tolist() == ["", "(N"]


def test_duplicate_and_unsorted_samples_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, word(1, 100), word(5, 0), skip(-50), word(1, 0), END)
    assert read_annotations(path).sample.tolist() == [100, 100, 50]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "0 bytes"),
        (b"\0", "1 bytes"),
        (word(1, 5) + b"\0", "3 bytes"),
        (word(1, 5), "ends without the end mark"),
        (word(1, 5) + aux("long text")[:6], "ends without the end mark"),
        (word(1, 5) + skip(5)[:4], "ends without the end mark"),
        (word(55, 5) + END, "unknown code 55 at byte 0"),
        (aux("(N") + word(1, 5) + END, "belongs to no annotation"),
    ],
)
def test_damaged_file(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(RecordError) as error:
        read_annotations(written(tmp_path, content))
    message = str(error.value)
    assert problem in message
    assert "rec.atr" in message
    assert "\n" not in message


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"100\.atr: cannot be read: no such file; check"):
        read_annotations(tmp_path / "100.atr")


def test_annotators_of_a_record(mitdb: Path, tmp_path: Path) -> None:
    for suffix in ("hea", "dat", "atr"):
        (tmp_path / f"100.{suffix}").write_bytes((mitdb / f"100.{suffix}").read_bytes())
    (tmp_path / "100.notes").write_text("recorded in the morning\n" * 20)
    (tmp_path / "100.json").write_text("{}")
    (tmp_path / "1000.qrs").write_bytes(word(1, 5) + END)
    (tmp_path / "100.bin").write_bytes(np.random.default_rng(5).bytes(3000))
    (tmp_path / "100.idx").write_bytes(word(1, 5) + END + b"more")
    (tmp_path / "100.lock").write_bytes(b"")
    (tmp_path / "100.old").mkdir()
    record = read_record(tmp_path / "100")
    assert list(record.annotations) == ["atr"]
    assert len(record.annotations) == 1
    assert "dat" not in record.annotations
    (tmp_path / "100.qrs").write_bytes(word(1, 5) + END)
    assert list(record.annotations) == ["atr", "qrs"]
    assert record.annotations["qrs"].sample.tolist() == [5]
    assert record.annotations["atr"] is record.annotations["atr"]
    with pytest.raises(KeyError):
        record.annotations["ecgt"]


def test_truncated_annotator_is_listed_and_says_so(mitdb: Path, tmp_path: Path) -> None:
    for suffix in ("hea", "dat"):
        (tmp_path / f"100.{suffix}").write_bytes((mitdb / f"100.{suffix}").read_bytes())
    (tmp_path / "100.atr").write_bytes((mitdb / "100.atr").read_bytes()[:1000])
    record = read_record(tmp_path / "100")
    assert list(record.annotations) == ["atr"]
    with pytest.raises(RecordError, match="it was cut off; replace it"):
        record.annotations["atr"]
