"""What every reader promises."""

import numpy as np
import pytest
from stored_records import STORES, Stored

from ecgtune.errors import RecordError
from ecgtune.readers import READERS, read_record


def test_every_reader_is_under_contract() -> None:
    assert {name.split()[0] for name in STORES} == set(READERS)


def test_description(stored: Stored) -> None:
    record = read_record(stored.path, **stored.options)
    assert record.name == record.patient == "rec"
    assert record.fs == stored.fs
    assert isinstance(record.fs, float)
    assert record.leads == stored.leads
    assert record.n_samples == len(stored.signal)
    assert record.path == stored.path


def test_whole_signal_is_in_millivolts(stored: Stored) -> None:
    signal = read_record(stored.path, **stored.options).signal
    assert signal.dtype == np.float32
    assert signal.shape == stored.signal.shape
    np.testing.assert_array_equal(np.isnan(signal), np.isnan(stored.signal))
    np.testing.assert_allclose(signal, stored.signal, atol=stored.tolerance, rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (0, 0), (101, 101), (1, 2), (99, 107), (300, 700), (299, 701), (7, 1001)]
)
def test_piece_is_a_slice_of_the_whole(stored: Stored, start: int, stop: int) -> None:
    record = read_record(stored.path, **stored.options)
    piece = record.read(start, stop)
    assert piece.dtype == np.float32
    assert piece.shape == (stop - start, len(stored.leads))
    np.testing.assert_array_equal(piece, record.signal[start:stop])


def test_last_sample_alone(stored: Stored) -> None:
    record = read_record(stored.path, **stored.options)
    np.testing.assert_array_equal(record.read(record.n_samples - 1), record.signal[-1:])


def test_piece_outside_is_refused(stored: Stored) -> None:
    record = read_record(stored.path, **stored.options)
    with pytest.raises(RecordError, match="rec: samples 0 to"):
        record.read(0, record.n_samples + 1)


def test_text_path_and_name_without_extension(stored: Stored) -> None:
    expected = read_record(stored.path, **stored.options)
    assert read_record(str(stored.path.with_suffix("")), **stored.options).path == expected.path


def test_contradicting_rate(stored: Stored) -> None:
    if not stored.options and stored.path.suffix in (".hea", ".edf"):
        with pytest.raises(RecordError, match=r"fs 100 Hz asked for, the file says 360 Hz"):
            read_record(stored.path, fs=100)
        assert read_record(stored.path, fs=360).fs == 360
        with pytest.raises(RecordError, match=r"the file tells its units itself; leave units out"):
            read_record(stored.path, units="V")
    else:
        assert read_record(stored.path, **stored.options | {"fs": 100}).fs == 100


@pytest.mark.parametrize("damage", [b"", b"\0", b"garbage \xff\xfe\n" * 40])
def test_damaged_file_is_one_line(stored: Stored, damage: bytes) -> None:
    stored.path.write_bytes(damage)
    with pytest.raises(RecordError) as error:
        read_record(stored.path, **stored.options)
    assert stored.path.name in str(error.value)
    assert "\n" not in str(error.value)
