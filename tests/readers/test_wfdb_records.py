"""WFDB records: the same samples as ``wfdb.rdrecord`` on real recordings, and what headers may say."""

import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from stored_records import LEADS, wave, wfdb_record

from ecgtune.errors import RecordError
from ecgtune.readers import read_record
from ecgtune.readers.wfdb_signals import PlainSource, WfdbSource
from ecgtune.record import Annotations
from ecgtune.training.personal_labels import read_labels
from ecgtune.writers.annotations import write_annotations


@pytest.mark.parametrize(
    "pattern",
    [
        "mitdb/10*",
        "svdb/80*",
        "vfdb/4*",
        "cpsc2021/*",
        "nstdb/118e_6*",
        "nstdb/bw*",
        "formats/*",
        "ptbdb/*",
        "cinc2017/A000*",
    ],
)
def test_same_as_rdrecord(data: Path, pattern: str) -> None:
    import wfdb

    headers = sorted(data.glob(f"{pattern}.hea"))
    assert headers
    for header in headers:
        record = read_record(header)
        expected = wfdb.rdrecord(str(header.with_suffix("")))
        assert record.fs == expected.fs
        assert record.start == expected.base_datetime
        np.testing.assert_allclose(record.signal, expected.p_signal, atol=2e-6, rtol=1e-6)
        np.testing.assert_array_equal(record.read(1234, 1733), record.signal[1234:1733])


def test_leads_of_public_databases(data: Path) -> None:
    assert read_record(data / "mitdb/100").leads == ("MLII", "V5")
    assert read_record(data / "svdb/800").leads == ("ECG", "ECG")
    assert read_record(data / "vfdb/418").leads == ("record 418, signal 0", "record 418, signal 1")
    assert read_record(data / "ptbdb/s0010_re").leads[:4] == ("I", "II", "III", "aVR")
    assert read_record(data / "ptbdb/s0010_re").leads[-1] == "Z"


def test_all_of_mitdb_is_quick(mitdb: Path) -> None:
    """The goal is half a second on an idle core; the bound leaves room for a busy machine."""
    start = time.process_time()
    samples = sum(read_record(header).signal.size for header in mitdb.glob("*.hea"))
    assert samples == 48 * 650_000 * 2
    assert time.process_time() - start < 2


def test_simple_record_does_not_import_wfdb(mitdb: Path) -> None:
    program = (
        "import sys; from ecgtune.readers import read_record\n"
        f"record = read_record({str(mitdb / '100')!r}); record.signal; record.annotations['atr']\n"
        "assert not {'wfdb', 'pandas', 'edfio', 'torch', 'sklearn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def edit(header: Path, *replacements: tuple[str, str]) -> Path:
    text = header.read_text()
    for old, new in replacements:
        assert old in text, text
        text = text.replace(old, new)
    header.write_text(text)
    return header


def bare_header(folder: Path, record_line: str, *signal_lines: str, samples: int = 500) -> Path:
    """A hand-written header of a format 16 record whose every sample is 100."""
    (folder / "rec.hea").write_text("\n".join(["# a comment", record_line, *signal_lines, "# age 60"]) + "\n")
    np.full(samples * len(signal_lines), 100, dtype="<i2").tofile(folder / "rec.dat")
    return folder / "rec.hea"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", 0.5),
        ("0", 0.5),
        ("0(50)", 0.25),
        ("100", 1.0),
        ("100/mV", 1.0),
        ("100(50)/mV", 0.5),
        ("100.0(-100)/mV", 2.0),
        ("1e2/mV", 1.0),
        ("0.1/uV", 1.0),
        ("0.1/µV", 1.0),
        ("1e5/V", 1.0),
        ("100 16 50", 0.5),
        ("100(0) 16 50", 1.0),
    ],
)
def test_calibration(tmp_path: Path, field: str, expected: float) -> None:
    record = read_record(bare_header(tmp_path, "rec 1 250 500", f"rec.dat 16 {field}"))
    np.testing.assert_allclose(record.signal, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("record_line", "fs", "n_samples", "start"),
    [
        ("rec 1", 250, 500, None),
        ("rec 1 360", 360, 500, None),
        ("rec 1 360/1000(5) 400", 360, 400, None),
        ("rec 1 128.5 0", 128.5, 500, None),
        ("rec 1 360 400 12:30:15", 360, 400, datetime(1900, 1, 1, 12, 30, 15)),
        ("rec 1 360 400 12:30:15.25 24/12/2019", 360, 400, datetime(2019, 12, 24, 12, 30, 15, 250_000)),
        ("rec 1 360 400 30:15 24/12/2019", 360, 400, datetime(2019, 12, 24, 0, 30, 15)),
        ("rec 1 360 400 25:61:00 24/12/2019", 360, 400, None),
        ("rec 1 360 400 12:30:15 0/0/0000", 360, 400, None),
    ],
)
def test_record_line(
    tmp_path: Path, record_line: str, fs: float, n_samples: int, start: datetime | None
) -> None:
    record = read_record(bare_header(tmp_path, record_line, "rec.dat 16"))
    assert (record.fs, record.n_samples, record.start) == (fs, n_samples, start)
    assert record.leads == ("lead 1",)


def test_signals_that_are_no_ecg_are_left_out(tmp_path: Path) -> None:
    lines = (
        "rec.dat 16 100/mmHg 16 0 0 0 0 ABP",
        "rec.dat 16 100/mV 16 0 0 0 0 mlii",
        "rec.dat 16 100/NU 16 0 0 0 0 PLETH",
        "rec.dat 16 100/mV 16 0 0 0 0 RESP",
        "rec.dat 16 50/mV 16 0 0 0 0 Lead V1",
    )
    record = read_record(bare_header(tmp_path, "rec 5 250 500", *lines))
    assert record.leads == ("MLII", "V1")
    np.testing.assert_allclose(record.signal, np.tile([1, 2], (500, 1)))


@pytest.mark.parametrize(("unit", "expected"), [("millivolt", 1), ("Millivolts", 1), ("microvolts", 1e-3)])
def test_unit_in_words(tmp_path: Path, unit: str, expected: float) -> None:
    record = read_record(bare_header(tmp_path, "rec 1 250 500", f"rec.dat 16 100/{unit} 16 0 0 0 0 I"))
    np.testing.assert_allclose(record.signal, expected, rtol=1e-6)


@pytest.mark.parametrize("fmt", ["16", "16:1"])
def test_unit_that_the_header_does_not_tell(tmp_path: Path, fmt: str) -> None:
    lines = [
        f"rec.dat {fmt} 100/{unit} 16 0 0 0 0 {name}"
        for name, unit in {"I": "adu", "RESP": "NU", "P1": "mmHg"}.items()
    ]
    header = bare_header(tmp_path, "rec 3 250 500", *lines)
    with pytest.raises(RecordError, match=r"I \[adu\], .* in uV, mV or V; .* give units \(--units"):
        read_record(header)
    record = read_record(header, units="uV")
    assert record.leads == ("I",)
    np.testing.assert_allclose(record.signal[:-1], 1e-3, rtol=1e-6)
    (tmp_path / "both.hea").write_text("both/2 3 250 1000\nrec 500\nrec 500\n")
    np.testing.assert_array_equal(
        read_record(tmp_path / "both", units="uV").read(0, 400), record.read(0, 400)
    )


def test_no_ecg_at_all(tmp_path: Path) -> None:
    header = bare_header(tmp_path, "rec 1 250 500", "rec.dat 16 100/mmHg 16 0 0 0 0 ABP")
    with pytest.raises(RecordError, match=r"no ECG lead among its signals \(ABP \[mmHg\]\); leads are .* V$"):
        read_record(header)


@pytest.mark.parametrize("n_leads", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 301])
def test_format_212_of_any_length(tmp_path: Path, n_leads: int, n_samples: int) -> None:
    signal = wave(n_samples, n_leads)
    record = read_record(wfdb_record(tmp_path, "rec", signal, sig_name=[f"V{i}" for i in range(n_leads)]))
    assert isinstance(record.source, PlainSource)
    for start in range(min(n_samples, 4)):
        np.testing.assert_allclose(record.read(start), signal[start:], atol=1e-6)


def test_blocks_join(tmp_path: Path) -> None:
    signal = wave(150_001, 3)
    header = wfdb_record(tmp_path, "rec", signal, sig_name=["I", "II", "III"])
    np.testing.assert_allclose(read_record(header).signal, signal, atol=1e-6)


def frames_record(folder: Path, per_frame: tuple[int, ...], fields: str = "", n_frames: int = 300) -> Path:
    """A record at 90 frames a second, each signal a slow sine wave sampled several times a frame."""
    time = [np.arange(n_frames * n).reshape(-1, n) / (90 * n) for n in per_frame]
    np.rint(np.hstack([1000 * np.sin(9 * t) for t in time])).astype("<i2").tofile(folder / "rec.dat")
    lines = [f"rec.dat 16x{n}{fields} 1000/mV 16 0 0 0 0 V{i}" for i, n in enumerate(per_frame, start=1)]
    (folder / "rec.hea").write_text("\n".join([f"rec {len(per_frame)} 90 {n_frames}", *lines]) + "\n")
    return folder / "rec.hea"


@pytest.mark.parametrize("per_frame", [(4, 4), (4, 2), (1, 4), (3, 4), (2, 1)])
def test_several_samples_a_frame(tmp_path: Path, per_frame: tuple[int, ...]) -> None:
    record = read_record(frames_record(tmp_path, per_frame))
    most = max(per_frame)
    assert (record.fs, record.n_samples) == (90 * most, 300 * most)
    expected = np.sin(9 * np.arange(300 * most) / record.fs)
    signal = record.signal
    for lead, n in enumerate(per_frame):
        inside = slice(2 * most, -2 * most)
        np.testing.assert_allclose(signal[inside, lead], expected[inside], atol=1.5e-3)
        if n == most:
            np.testing.assert_allclose(signal[:, lead], expected, atol=6e-4)
    for start, stop in [
        (0, 1),
        (1, 2),
        (5, 11),
        (301, 517),
        (record.n_samples - 1, record.n_samples),
        (7, 7),
    ]:
        np.testing.assert_array_equal(record.read(start, stop), signal[start:stop])


def test_several_samples_a_frame_beside_wfdb(tmp_path: Path) -> None:
    """A skew of one frame, which ``wfdb`` takes away."""
    plain = read_record(frames_record(tmp_path, (4, 2))).signal
    skewed = read_record(frames_record(tmp_path, (4, 2), ":1")).signal
    np.testing.assert_allclose(skewed[8:-16], plain[12:-12], atol=1e-6)


def test_several_samples_a_frame_in_one_segment(tmp_path: Path) -> None:
    frames_record(tmp_path, (4, 2)).rename(tmp_path / "part1.hea")
    (tmp_path / "part2.hea").write_text("part2 1 90 300\nflat.dat 16 1000/mV 16 0 0 0 0 V2\n")
    np.full(300, 500, dtype="<i2").tofile(tmp_path / "flat.dat")
    (tmp_path / "layout.hea").write_text("layout 2 90 0\n~ 0 200/mV 0 0 0 0 0 V1\n~ 0 200/mV 0 0 0 0 0 V2\n")
    (tmp_path / "rec.hea").write_text("rec/4 2 90 700\nlayout 0\npart1 300\n~ 100\npart2 300\n")
    record = read_record(tmp_path / "rec")
    assert (record.fs, record.n_samples) == (360, 2800)
    np.testing.assert_array_equal(record.signal[:1200], read_record(tmp_path / "part1").signal)
    assert np.isnan(record.read(1200, 1600)).all()
    np.testing.assert_array_equal(record.read(1600), np.tile([np.nan, 0.5], (1200, 1)))


def test_annotations_count_in_frames_unless_they_tell_their_resolution(tmp_path: Path) -> None:
    header = frames_record(tmp_path, (4, 1))
    beats = Annotations(np.array([10, 200]), np.array(["N", "V"]))
    write_annotations(tmp_path / "rec.atr", beats, None)
    write_annotations(tmp_path / "rec.ecgt", beats, 360)
    write_annotations(tmp_path / "rec.qrs", beats, 90)
    record = read_record(header)
    read = {name: annotations.sample.tolist() for name, annotations in record.annotations.items()}
    assert read == {"atr": [40, 800], "ecgt": [10, 200], "qrs": [40, 800]}
    assert read_labels(str(tmp_path / "rec.atr"), record).sample.tolist() == [40, 800]


def test_lead_left_out_beside_wfdb(tmp_path: Path) -> None:
    signal = np.column_stack([wave(500)[:, 0], wave(500)])
    names = ["RESP", *LEADS]
    header = wfdb_record(tmp_path, "rec", signal, "516", sig_name=names)
    assert isinstance(read_record(header).source, WfdbSource)
    np.testing.assert_allclose(read_record(header).signal, signal[:, 1:], atol=1e-6)


BYTES_OF = {
    "16": lambda adc: adc.astype("<i2").tobytes(),
    "24": lambda adc: b"".join(int(value).to_bytes(3, "little", signed=True) for value in adc),
    "32": lambda adc: adc.astype("<i4").tobytes(),
    "61": lambda adc: adc.astype(">i2").tobytes(),
    "80": lambda adc: (adc + 128).astype("u1").tobytes(),
    "160": lambda adc: (adc + 32768).astype("<u2").tobytes(),
    "212": lambda adc: b"".join(
        bytes((a & 255, (a >> 8 & 15) | (b >> 4 & 240), b & 255)) for a, b in adc.reshape(-1, 2)
    ),
}
"""Content of a signal file by format, of which the decoder knows where every sample lies."""


@pytest.mark.parametrize("frames", ["", " 0", " 300"])
@pytest.mark.parametrize("fmt", BYTES_OF)
def test_formats_with_and_without_a_number_of_samples(tmp_path: Path, fmt: str, frames: str) -> None:
    import wfdb

    adc = np.round(100 * np.sin(np.arange(600) / 7)).astype(int)
    (tmp_path / "rec.dat").write_bytes(b"skip" + BYTES_OF[fmt](adc))
    lines = [f"rec.dat {fmt}+4 50(3)/mV 12 0 0 0 0 {lead}" for lead in LEADS]
    (tmp_path / "rec.hea").write_text("\n".join([f"rec 2 360{frames}", *lines]) + "\n")
    record = read_record(tmp_path / "rec")
    assert record.n_samples == 300
    if frames == " 300":
        expected = wfdb.rdrecord(str(tmp_path / "rec")).p_signal
        np.testing.assert_allclose(record.signal, expected, atol=1e-6)
    np.testing.assert_allclose(record.signal, (adc.reshape(-1, 2) - 3) / 50, atol=1e-6)
    np.testing.assert_array_equal(record.read(7, 100), record.signal[7:100])


@pytest.mark.parametrize("line", ["rec.dat 8 200/mV", "rec.dat 310 200/mV", "rec.dat 16:2 200/mV"])
def test_number_of_samples_that_only_the_header_can_tell(tmp_path: Path, line: str) -> None:
    with pytest.raises(RecordError, match="gives no number of samples; add it to its first line"):
        read_record(bare_header(tmp_path, "rec 1 250", line))
    assert read_record(bare_header(tmp_path, "rec 1 250 400", line)).signal.shape == (400, 1)


def test_flac(tmp_path: Path) -> None:
    header = wfdb_record(tmp_path, "rec", wave(500), "516")
    record = read_record(header)
    np.testing.assert_allclose(record.read(10, 400), wave(500)[10:400], atol=1e-6)


def test_segments_same_as_rdrecord(mitdb: Path, tmp_path: Path) -> None:
    import wfdb

    for name in ("100", "103"):
        for suffix in ("hea", "dat"):
            (tmp_path / f"{name}.{suffix}").write_bytes((mitdb / f"{name}.{suffix}").read_bytes())
    edit(tmp_path / "103.hea", ("V2", "V5"))
    (tmp_path / "both.hea").write_text("both/2 2 360 1300000\n100 650000\n103 650000\n")
    record = read_record(tmp_path / "both")
    assert record.leads == ("MLII", "V5")
    expected = wfdb.rdrecord(str(tmp_path / "both"), sampfrom=649_000, sampto=651_000).p_signal
    np.testing.assert_allclose(record.read(649_000, 651_000), expected, atol=1e-6)


SIGNAL = "rec.dat 16 200/mV 16 0 0 0 0 I"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["rec"], "has no number of signals"),
        (["rec two 250 500", SIGNAL], "number of signals 'two' is no whole number"),
        (["rec 2 250 500", SIGNAL], "2 signals announced, 1 described"),
        (["rec 0 250 500"], "0 signals announced"),
        (["rec 1 0 500", SIGNAL], "rate is 0 Hz"),
        (["rec 1 -250 500", SIGNAL], "rate is -250 Hz"),
        (["rec 1 nan 500", SIGNAL], "rate is nan Hz"),
        (["rec 1 fast 500", SIGNAL], "rate 'fast' is no number"),
        (["rec 1 250 many", SIGNAL], "number of samples 'many'"),
        (["rec 1 250 -5", SIGNAL], "says -5 samples"),
        (["rec 1 250 500", "rec.dat"], "has no format"),
        (["rec 1 250 500", "rec.dat x16"], "'x16' is no signal format"),
        (["rec 1 250 500", "rec.dat 17 200/mV"], "unknown signal format 17"),
        (["rec 1 250 500", "rec.dat 16 high/mV"], "gain 'high' is no number"),
        (["rec 1 250 500", "rec.dat 16 200(mid)/mV"], "baseline 'mid'"),
        (["rec 1 250 500", "rec.dat 16 -200/mV"], "gain -200 is not positive"),
        (["rec 1 250 500", "rec.dat 16 inf/mV"], "gain inf is not positive"),
        (["rec 1 250 500", "rec.dat 16 nan/mV"], "gain nan is not positive"),
        (["rec 1 250 500", "rec.dat 16 1e-9/mV"], "is absurd"),
        (["rec 1 250 500", "rec.dat 16 1e12/mV"], "is absurd"),
        (["rec 1 250 500", "rec.dat 16 200(90000000)/mV"], "mV off zero"),
        (["rec 1 250 501", SIGNAL], "header says 501 samples, rec.dat holds 500; replace"),
        (["rec 1 250 500", "gone.dat 16 200/mV"], "the signal file is missing; put it beside rec.hea"),
        (["rec 2 250 250", SIGNAL, "rec.dat 212 200/mV"], "rec.dat has several formats"),
        (["rec/2 1 250 1000", "rec 500"], "2 segments announced, 1 listed"),
        (["rec/1 1 250 500", "gone 500"], "gone.hea: cannot be read: no such file"),
        (["rec/1 1 250 500", "rec 500"], "a segment of rec.hea has segments"),
        (["rec/1 1 250 500", "~ 500"], "every segment is a gap"),
        (["rec/1 1 250 500", "part"], "has no length"),
        (["rec/1 1 250 501", "part 501"], "header says 501 samples for part.hea, which holds 500"),
        (["rec/1 1 250 501", "part 500"], "header says 501 samples, its segments hold 500"),
        (["rec/1 1 100 500", "part 500"], "250 Hz in a record of 100 Hz"),
        (["rec/1 1 250 0", "part 0"], "the record holds no samples"),
        (["rec/2 2 250 750", "wide 250", "part 500"], "1 signals, fewer than the first segment has"),
    ],
)
def test_bad_header(tmp_path: Path, lines: list[str], problem: str) -> None:
    header = bare_header(tmp_path, lines[0], *lines[1:])
    (tmp_path / "part.hea").write_text(f"part 1 250 500\n{SIGNAL}\n")
    (tmp_path / "wide.hea").write_text(f"wide 2 250 250\n{SIGNAL}\n{SIGNAL}\n")
    np.zeros(500, dtype="<i2").tofile(tmp_path / "rec.dat")
    with pytest.raises(RecordError) as error:
        read_record(header)
    message = str(error.value)
    assert problem in message
    assert ".hea" in message or "gone.dat" in message
    assert "\n" not in message


def test_truncated_signal_file(mitdb: Path, tmp_path: Path) -> None:
    (tmp_path / "100.hea").write_bytes((mitdb / "100.hea").read_bytes())
    (tmp_path / "100.dat").write_bytes((mitdb / "100.dat").read_bytes()[: 325_000 * 3])
    with pytest.raises(
        RecordError,
        match=r"100\.hea: header says 650000 samples, 100\.dat holds 325000; replace the signal file",
    ):
        read_record(tmp_path / "100")


def test_empty_signal_file(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"rec\.hea: the record holds no samples"):
        read_record(bare_header(tmp_path, "rec 1 250", SIGNAL, samples=0))


@pytest.mark.parametrize(("fmt", "stated"), [("212", "212"), ("16", "16"), ("24", "24"), ("16", "16:1")])
def test_file_cut_off_after_opening(tmp_path: Path, fmt: str, stated: str) -> None:
    header = wfdb_record(tmp_path, "rec", wave(500), fmt)
    record = read_record(edit(header, (f"rec.dat {fmt} ", f"rec.dat {stated} ")))
    dat = tmp_path / "rec.dat"
    dat.write_bytes(dat.read_bytes()[:600])
    assert len(record.read(0, 10)) == 10
    with pytest.raises(RecordError, match=r"rec\.(dat|hea).*replace it with a whole copy"):
        record.read(400, 500)


def test_long_record_is_read_in_pieces(tmp_path: Path) -> None:
    """Reading a piece takes memory for the piece alone, wherever it lies."""
    import tracemalloc

    n_samples = 5_000_000
    with (tmp_path / "rec.dat").open("wb") as file:
        file.truncate(n_samples * 2)
    (tmp_path / "rec.hea").write_text(f"rec 1 250 {n_samples}\n{SIGNAL}\n")
    tracemalloc.start()
    record = read_record(tmp_path / "rec")
    assert record.read(n_samples - 1000, n_samples).shape == (1000, 1)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
