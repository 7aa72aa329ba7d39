"""CSV, TSV, NPY, NPZ and the JSON file beside them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stored_records import wave

from ecgtune.errors import RecordError
from ecgtune.readers import array, read_record, text


def table(folder: Path, content: str, told: dict[str, Any] | None = None, name: str = "rec.csv") -> Path:
    (folder / name).write_text(content)
    if told is not None:
        (folder / "rec.json").write_text(json.dumps(told))
    return folder / name


@pytest.mark.parametrize(
    ("header", "leads", "column"),
    [
        ("I,II", ("I", "II"), [0, 1]),
        ('"i","lead ii"', ("I", "II"), [0, 1]),
        ("I (mV),II [uV]", ("I", "II"), [0, 1e-3]),
        ("'mlii','V5'\n'mV','uV'", ("MLII", "V5"), [0, 1e-3]),
        ("sample #,II", ("II",), [1]),
        (",II", ("II",), [1]),
        ("RESP,II", ("II",), [1]),
        ("ABP,II\nmmHg,mV", ("II",), [1]),
        ("# made by hand\nI,II", ("I", "II"), [0, 1]),
        ("", ("lead 1", "lead 2"), [0, 1]),
    ],
)
def test_header_row(tmp_path: Path, header: str, leads: tuple[str, ...], column: list[float]) -> None:
    record = read_record(table(tmp_path, f"{header}\n0,1\n0,1\n0,1\n"), fs=250)
    assert record.leads == leads
    np.testing.assert_allclose(record.signal, np.tile(column, (3, 1)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = "\n".join(delimiter.join(row) for row in ("I II", "1 2", "3 4") for row in [row.split()])
    np.testing.assert_array_equal(read_record(table(tmp_path, rows), fs=250).signal, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("header", "leads"),
    [
        ("I;II", ("I", "II")),
        ("I [mV];II [mV]", ("I", "II")),
        ("I\tII", ("I", "II")),
        ("'I';'II'\n'mV';'mV'", ("I", "II")),
        ("", ("lead 1", "lead 2")),
    ],
)
def test_decimal_commas(tmp_path: Path, header: str, leads: tuple[str, ...]) -> None:
    delimiter = "\t" if "\t" in header else ";"
    rows = "\r\n".join(delimiter.join(row) for row in [("-0,105", "1"), ("0", "0,25"), ("", "1,5e-1")])
    path = table(tmp_path, f"\ufeff{header}\r\n{rows}\r\n".lstrip("\r\n"))
    record = read_record(path, fs=250)
    assert record.leads == leads
    np.testing.assert_allclose(record.signal, [[-0.105, 1], [0, 0.25], [np.nan, 0.15]], rtol=1e-6)


def test_decimal_commas_of_one_lead(tmp_path: Path) -> None:
    record = read_record(table(tmp_path, "MLII\n-0,105\n0,2\n"), fs=250)
    np.testing.assert_allclose(record.signal, [[-0.105], [0.2]], rtol=1e-6)


def test_time_with_decimal_commas(tmp_path: Path) -> None:
    rows = "".join(f"{i / 360:.4f};0.5\n".replace(".", ",") for i in range(400))
    record = read_record(table(tmp_path, f"Zeit [s];II [mV]\n{rows}"))
    assert (record.fs, record.leads) == (360, ("II",))


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "NA", "null", "inf"])
def test_missing_cells(tmp_path: Path, cell: str) -> None:
    record = read_record(table(tmp_path, f"1,2\n{cell},3\n4,{cell}\n"), fs=250)
    np.testing.assert_array_equal(record.signal, [[1, 2], [np.nan, 3], [4, np.nan]])


@pytest.mark.parametrize(
    ("name", "step", "fs"),
    [
        ("time", 1 / 250, 250),
        ("t", 1 / 360, 360),
        ("sec", 1 / 128, 128),
        ("ms", 4, 250),
        ("Time (ms)", 4, 250),
        ("time_s", 1 / 500, 500),
        ("Elapsed time", 1 / 360, 360),
        ("t [us]", 1000, 1000),
    ],
)
def test_rate_from_time_column(tmp_path: Path, name: str, step: float, fs: float) -> None:
    rows = "".join(f"{7 + i * step:.9f},0.5\n" for i in range(400))
    record = read_record(table(tmp_path, f"{name},II\n{rows}"))
    assert record.fs == pytest.approx(fs, rel=1e-9)
    assert record.leads == ("II",)


def test_time_rounded_to_milliseconds(tmp_path: Path) -> None:
    rows = "".join(f"{i / 360:.3f},0.5\n" for i in range(4000))
    assert read_record(table(tmp_path, f"time,II\n{rows}")).fs == 360


@pytest.mark.parametrize(
    ("header", "form", "start"),
    [
        ("time,II", "{m:02d}:{s:06.3f}", 0),
        ("time,II", "{h}:{m:02d}:{s:06.3f}", 7 * 3600),
        ("'Elapsed time','II'\n'hh:mm:ss.mmm','mV'", "' {m}:{s:06.3f}'", 0),
        ("'Time and date','II'\n'hh:mm:ss.mmm','mV'", "'[{h:02d}:{m:02d}:{s:06.3f} 17/11/2012]'", 3590),
        ("time;II", "{h:02d}:{m:02d}:{s:06.3f}", 86_399),
    ],
)
def test_rate_from_times_of_day(tmp_path: Path, header: str, form: str, start: int) -> None:
    ms = [1000 * start + int(1000 * i / 360) for i in range(4000)]
    cells = [form.format(h=t // 3_600_000 % 24, m=t // 60_000 % 60, s=t % 60_000 / 1000) for t in ms]
    rows = "".join(f"{cell}{';' if ';' in header else ','}0.5\n" for cell in cells)
    record = read_record(table(tmp_path, f"{header}\n{rows}"))
    assert (record.fs, record.leads, record.n_samples) == (360, ("II",), 4000)


@pytest.mark.parametrize("cell", ["noon", "0:00:bad"])
def test_time_that_is_none(tmp_path: Path, cell: str) -> None:
    path = table(tmp_path, f"time,II\n0:00.000,1\n{cell},2\n")
    with pytest.raises(RecordError, match=rf"row 3, column 1 \(time\): '{cell}' is no time; .*--fs 250"):
        read_record(path)
    assert read_record(path, fs=250).n_samples == 2


def test_unit_of_time_in_second_row(tmp_path: Path) -> None:
    rows = "".join(f"{i * 4},0.5\n" for i in range(100))
    assert read_record(table(tmp_path, f"'Elapsed time','II'\n'ms','mV'\n{rows}")).fs == 250


def test_rate_given_leaves_time_unread(tmp_path: Path) -> None:
    path = table(tmp_path, "time,II\n0:00.000,1\n0:00.004,2\n")
    assert read_record(path, fs=250).signal.ravel().tolist() == [1, 2]


def test_irregular_time(tmp_path: Path) -> None:
    times = [*np.arange(100) / 250, *(np.arange(100, 200) / 250 + 3)]
    path = table(tmp_path, "time,II\n" + "".join(f"{t:.4f},0\n" for t in times))
    with pytest.raises(RecordError, match=r"rec\.csv: the time column is irregular about row 102; give fs"):
        read_record(path)


def test_description_beside(tmp_path: Path) -> None:
    told = {
        "fs": 500,
        "leads": ["ii", "V1"],
        "units": "uV",
        "start": "2024-05-01T08:30:00",
        "patient": 7,
        "age": 60,
    }
    record = read_record(table(tmp_path, "1000,2000\n3000,4000\n", told))
    assert (record.fs, record.leads, record.patient) == (500, ("II", "V1"), "7")
    assert record.start == datetime(2024, 5, 1, 8, 30)
    np.testing.assert_allclose(record.signal, [[1, 2], [3, 4]])


def test_options_win(tmp_path: Path) -> None:
    path = table(tmp_path, "1,2\n3,4\n", {"fs": 500, "leads": ["I", "II"], "units": "uV"})
    record = read_record(path, fs=250, leads=["V1", "V2"], units="mV")
    assert (record.fs, record.leads, record.signal[0, 0]) == (250, ("V1", "V2"), 1)


def test_many_blocks_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_ROWS", 64)
    signal = wave(1000)
    np.savetxt(tmp_path / "rec.csv", signal, delimiter=",")
    np.testing.assert_allclose(read_record(tmp_path / "rec.csv", fs=360).signal, signal, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        ("", {"fs": 250}, "the table is empty"),
        ("I,II\n", {"fs": 250}, "header row and no samples"),
        ("I,II\nmV,mV\n", {"fs": 250}, "the table has no samples"),
        ("I,II\n1,2\n3,off\n", {"fs": 250}, "row 3, column 2 (II): 'off' is no number"),
        ("1,2\n3,4\nx,5\n", {"fs": 250}, "row 3, column 1: 'x' is no number"),
        ("I,II\n1,2\n3\n", {"fs": 250}, "row 3 has 1 cells where 2 are due"),
        ("sample,time\n1,2\n", {"fs": 250}, "no lead among the columns sample, time"),
        ("I,II\n1,2\n3,4\n", {}, "the rate is unknown; give fs, or write it to rec.json"),
        ("time,II\n0,1\n0,2\n", {}, "the time column does not rise"),
        ("time,II\n0,1\n,2\n", {}, "the time column does not rise"),
        ("I,II\n1,2\n", {"fs": 0}, "fs is 0; give a positive rate"),
        ("I,II\n1,2\n", {"fs": -250}, "fs is -250"),
        ("I,II\n1,2\n", {"fs": float("nan")}, "fs is nan"),
        ("I,II\n1,2\n", {"fs": 250, "leads": ["I"]}, "1 lead names (I) for 2 leads"),
        ("I,II\n1,2\n", {"fs": 250, "units": "mmHg"}, "units are 'mmHg'; give uV, mV or V"),
        ("I\n-900\n800\n-700\n600\n", {"fs": 250}, "typical deviation 750, too much for mV; give the units"),
        ("I\n-31.5\n31.5\n", {"fs": 250}, "typical deviation 31.5, too much for mV"),
    ],
)
def test_bad_table(tmp_path: Path, content: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecordError) as error:
        read_record(table(tmp_path, content), **options)
    message = str(error.value)
    assert problem in message
    assert "rec.csv" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[250]", "holds no JSON object"),
        ('{"fs": "fast"}', "fs is 'fast'"),
        ('{"fs": true}', "fs is True"),
        ('{"fs": 250, "leads": "I"}', "leads is 'I'; give a list"),
        ('{"fs": 250, "units": "mmHg"}', "units are 'mmHg'"),
        ('{"fs": 250, "start": "noon"}', "start is 'noon'"),
    ],
)
def test_bad_description(tmp_path: Path, told: str, problem: str) -> None:
    (tmp_path / "rec.json").write_text(told)
    with pytest.raises(RecordError) as error:
        read_record(table(tmp_path, "1,2\n"))
    message = str(error.value)
    assert problem in message
    assert "rec.json" in message
    assert "\n" not in message


def test_adc_units_are_not_taken_for_millivolts(mitdb: Path, tmp_path: Path) -> None:
    """CSV copies of mitdb hold 200 units a millivolt about 1024; the quietest lead deviates least."""
    for name in ("100", "121", "208"):
        adc = np.rint(read_record(mitdb / name).read(0, 20_000) * 200 + 1024)
        np.savetxt(tmp_path / "rec.csv", adc, fmt="%d", delimiter=",", header="MLII,V", comments="")
        with pytest.raises(RecordError, match=r"too much for mV; .* divide by the gain first"):
            read_record(tmp_path / "rec.csv", fs=360)


def test_recordings_in_millivolts_are_plausible(data: Path, tmp_path: Path) -> None:
    """Also those in which noise is four times as strong as the ECG."""
    for name in ("nstdb/118e_6", "nstdb/118e00", "vfdb/427", "ptbdb/s0014lre"):
        record = read_record(data / name)
        np.save(tmp_path / "rec.npy", record.signal)
        assert read_record(tmp_path / "rec.npy", fs=record.fs).n_samples == record.n_samples


def test_large_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "FILE_LIMIT", 10)
    with pytest.raises(RecordError, match="tables are read whole; convert it to NPY or WFDB"):
        read_record(table(tmp_path, "1,2\n" * 5), fs=250)


def test_archive_named_as_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "rec.npz", signal=np.zeros(5))
    (tmp_path / "rec.npz").rename(tmp_path / "rec.npy")
    with pytest.raises(RecordError, match=r"rec\.npy: holds an archive; name it \.npz"):
        read_record(tmp_path / "rec.npy", fs=250)


def test_array_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "rec.npy", wave(1000))
    record = read_record(tmp_path / "rec.npy", fs=360)
    assert isinstance(record.source, array.NumpySource)
    assert isinstance(record.source.array, np.memmap)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "<u2", "f2"])
def test_number_types(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "rec.npy", np.arange(6).reshape(3, 2).astype(dtype))
    signal = read_record(tmp_path / "rec.npy", fs=360, units="mV").signal
    np.testing.assert_array_equal(signal, [[0, 1], [2, 3], [4, 5]])


def test_one_dimension_is_one_lead(tmp_path: Path) -> None:
    np.save(tmp_path / "rec.npy", np.arange(5.0))
    record = read_record(tmp_path / "rec.npy", fs=360)
    assert (record.leads, record.n_samples) == (("lead 1",), 5)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.zeros((2, 3, 4)), "3 dimensions (2 x 3 x 4)"),
        (np.zeros(3, dtype=complex), "values of type complex128"),
        (np.array(["a", "b"]), "values of type <U1"),
        (np.array([{}, 1], dtype=object), "cannot be read as"),
        (np.zeros((0, 2)), "holds no samples"),
        (np.array(5.0), "0 dimensions"),
        (np.tile([-900, 900], 50), "typical deviation 900, too much for mV"),
        (1024 + np.tile([-2, 1, 0, 200], 50), "whole numbers over a range of 202, too much for mV"),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_bad_array(tmp_path: Path, values: Any, problem: str, suffix: str) -> None:
    path = tmp_path / f"rec.{suffix}"
    if suffix == "npy":
        np.save(path, values, allow_pickle=True)
    else:
        np.savez(path, signal=values)
    with pytest.raises(RecordError) as error:
        read_record(path, fs=250)
    message = str(error.value)
    assert problem in message
    assert path.name in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"ecg": np.zeros(5), "fs": 250}, "no array named signal; it holds ecg, fs"),
        ({"signal": np.zeros(5)}, "the rate is unknown"),
        ({"signal": np.zeros(5), "fs": [250, 360]}, "fs is array([250, 360]); save one value"),
        ({"signal": np.zeros(5), "fs": 250, "leads": ["I", "II"]}, "2 lead names"),
        ({"signal": np.zeros(5), "fs": 250, "units": "bar"}, "units are 'bar'"),
    ],
)
def test_bad_archive(tmp_path: Path, content: dict[str, Any], problem: str) -> None:
    np.savez(tmp_path / "rec.npz", **content)
    with pytest.raises(RecordError) as error:
        read_record(tmp_path / "rec.npz")
    assert problem in str(error.value)
    assert "rec.npz" in str(error.value)


def test_large_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array, "NPZ_LIMIT", 10)
    np.savez_compressed(tmp_path / "rec.npz", signal=np.zeros(500), fs=250)
    with pytest.raises(RecordError, match="NPZ cannot be read in pieces; save the array as NPY"):
        read_record(tmp_path / "rec.npz")
