"""Windows of beats, and their division by the protocols: shapes, counts, and what may be read when."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds1_alone import TESTED

from ecgtune.errors import SplitError
from ecgtune.labels import CLASSES, is_beat
from ecgtune.record import Annotations, ArraySource, Record
from ecgtune.signals.resample import to_native
from ecgtune.splits import protocols
from ecgtune.systems import beat_tables
from ecgtune.systems.beat_tables import (
    PROTOCOLS,
    Divided,
    beat_table,
    divide,
    fiducial,
    rate_of,
    reads,
    record_windows,
    records_of,
)
from ecgtune.systems.config import load_config
from ecgtune.training.tables import RecordKey, open_record

pytestmark = pytest.mark.usefixtures("mitdb")

HOW = load_config("ft-cnn")["windows"] | {"width": 64}
"""A quarter of the samples."""


def counts(labels: np.ndarray) -> list[int]:
    return np.bincount(labels, minlength=len(CLASSES)).tolist()


def test_a_window_of_both_leads_around_each_beat():
    table = beat_table(HOW, ["208", "217"])
    assert table.windows.shape == (2955 + 2208, 2, 64)
    assert table.windows.dtype == np.float32
    assert counts(table.label[table.record == "208"]) == [1586, 2, 992, 373, 2]
    # Paced beats and their fusions are Q.
    assert counts(table.label[table.record == "217"]) == [244, 0, 162, 0, 1802]
    assert np.abs(table.windows).max() <= 3
    # Scaled by the recording's range: the first lead spans nearly all of 2.
    first = table.windows[table.record == "208", 0]
    assert 1.8 < np.ptp(first) < 3.5
    # The R peak is in the middle.
    normal = table.windows[(table.record == "208") & (table.label == 0), 0]
    assert abs(np.abs(normal).mean(0).argmax() - 32) <= 1


@pytest.mark.parametrize("system", ["ft-cnn", "two-fold-focal"])
def test_windows_of_any_recording_and_the_way_back_to_millivolts(system: str):
    how = load_config(system)["windows"]
    table = beat_table(how, ["208"])
    record, _ = open_record(("mitdb", "208"))
    leads = range(how["leads"])
    cut = record_windows(how, record, leads, to_native(table.at, record.fs))
    np.testing.assert_array_equal(cut.windows, table.windows)
    assert cut.scale.shape == cut.offset.shape == (len(table), how["leads"])
    millivolts = cut.scale[:, :, None] * cut.windows + cut.offset[:, :, None]
    # A second from the fiducial on, beside the recording's own samples, whose line may lie elsewhere.
    signal = record.read(0, record.n_samples)
    seconds = np.arange(int(0.3 * rate_of(how))) / rate_of(how)
    for row, at in enumerate(table.at[:50] / 128):
        for lead in leads:
            native = np.interp(at + seconds, np.arange(len(signal)) / record.fs, signal[:, lead])
            own = millivolts[row, lead, fiducial(how) :][: len(seconds)]
            assert np.corrcoef(native, own)[0, 1] > 0.8
            assert np.ptp(own) == pytest.approx(np.ptp(native), rel=0.2, abs=0.15)


@pytest.mark.slow
def test_all_beats_of_mitdb():
    table = beat_table(HOW, records_of("beat-split"))
    assert counts(table.label) == [90_631, 2_781, 7_236, 803, 8_043]
    assert np.isfinite(table.windows).all()


def test_records_of_the_protocols():
    assert len(records_of("beat-split")) == 48
    for protocol in PROTOCOLS[1:]:
        chosen = records_of(protocol)
        assert len(chosen) == 44
        assert not {"102", "104", "107", "217"} & set(chosen)


def test_random_beats_keep_the_share_of_each_class():
    divided = divide(HOW, "beat-split", ["208", "217"], 0)
    rows = divided.rows
    assert sorted(np.concatenate([*rows.values()]).tolist()) == list(range(len(divided.beats)))
    total = np.array(counts(divided.beats.label))
    for side, share in (("train", 0.64), ("validate", 0.16), ("test", 0.2)):
        assert np.allclose(counts(divided.beats.label[rows[side]]), share * total, atol=1.5)
    other = divide(HOW, "beat-split", ["208", "217"], 1)
    assert not np.array_equal(other.rows["test"], rows["test"])
    assert np.array_equal(other.beats.windows, divided.beats.windows)
    by_record = divided.by_record("test")
    assert list(by_record) == ["208", "217"]
    assert np.array_equal(np.sort(np.concatenate([*by_record.values()])), rows["test"])
    assert all((divided.beats.record[own] == name).all() for name, own in by_record.items())
    assert np.array_equal(divided.table.labels, divided.beats.label)


def test_other_cuts_are_by_name():
    how = {"database": "mitdb", "leads": 1, "cut": "kachuee"}
    table = beat_table(how, ["208"])
    assert table.windows.shape == (2955, 1, 187)
    assert reads(how) == (0.2, 187 / 125 + 0.2)
    assert reads(HOW) == (1.2, 1.2)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """From a second on, put noise in place of the tested records' signal, and V in place of their symbols."""

    def make(second: float) -> None:
        def spoilt(key: RecordKey) -> tuple[Record, Annotations]:
            record, annotations = open_record(key)
            if key[1] not in TESTED:
                return record, annotations
            begin = int(second * record.fs)
            signal = np.array(record.read(0, record.n_samples))
            signal[begin:] = np.random.default_rng(0).normal(scale=3, size=signal[begin:].shape)
            late = (annotations.sample >= begin) & is_beat(annotations.symbol)
            symbol = np.where(late, "V", annotations.symbol)
            return replace(record, source=ArraySource(signal)), replace(annotations, symbol=symbol)

        monkeypatch.setattr(beat_tables, "open_record", spoilt)

    return make


TWO = ("205", "208")
"""One trains, the other validates."""


def adapted() -> Divided:
    return divide(HOW, "patient-adapted", [*TWO, *TESTED], 0)


@pytest.fixture(autouse=True, scope="module")
def only_four() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "DS1", TWO)
        patch.setattr(protocols, "DS2", TESTED)
        yield


@pytest.fixture(scope="module")
def unspoilt(mitdb: Path, only_four: None) -> Divided:
    return adapted()


def test_five_minutes_tune_and_the_rest_is_tested(unspoilt):
    divided = unspoilt
    assert set(divided.by_record("train")) | set(divided.by_record("validate")) == set(TWO)
    limits = {"tune": (-np.inf, 240), "tune_validate": (240, 300), "test": (300, np.inf)}
    for side, (begin, end) in limits.items():
        rows = divided.rows[side]
        assert set(divided.by_record(side)) == set(TESTED)
        second = divided.beats.sample[rows] / divided.beats.fs[rows]
        assert ((second - 1.2 >= begin) & (second + 1.2 <= end)).all()
    sides = np.concatenate([*divided.rows.values()])
    assert len(np.unique(sides)) == len(sides) == len(divided.beats)
    # The rows are those of the split, of which the split's own index is whole.
    for side, rows in divided.rows.items():
        own = getattr(divided.split, side)
        assert np.array_equal(divided.beats.sample[rows], divided.split.beats.sample[own])


def test_nothing_after_a_boundary_is_read_for_what_lies_before_it(unspoilt, spoil):
    before = unspoilt
    for second, sides in ((300, ("train", "validate", "tune", "tune_validate")), (240, ("tune",))):
        spoil(second)
        after = adapted()
        for side in sides:
            one, other = (each.beats.windows[each.rows[side]] for each in (before, after))
            assert np.array_equal(one, other)
            assert np.array_equal(before.beats.label[before.rows[side]], after.beats.label[after.rows[side]])
        later = "test" if second == 300 else "tune_validate"
        assert not np.array_equal(*(each.beats.windows[each.rows[later]] for each in (before, after)))


def test_late_windows_are_scaled_by_the_part_that_tunes(unspoilt, spoil):
    """A change late in a recording reaches no window before it."""
    before = unspoilt
    spoil(900)
    after = adapted()
    rows = before.rows["test"]
    second = before.beats.sample[rows] / before.beats.fs[rows]
    changed = (before.beats.windows[rows] != after.beats.windows[rows]).any((1, 2))
    assert not changed[second < 880].any()
    assert changed[second > 901].all()


def test_new_patients_are_on_one_side():
    divided = divide(HOW, "inter-patient", [*TWO, *TESTED], 0)
    assert set(divided.by_record("test")) == set(TESTED)
    trained, validated = set(divided.by_record("train")), set(divided.by_record("validate"))
    assert trained | validated == set(TWO)
    assert not trained & validated


@pytest.mark.parametrize(
    ("records", "says"), [(["119"], "no beats to train on"), (["208"], "no beats to test on")]
)
def test_records_that_cannot_be_divided(records: list[str], says: str):
    with pytest.raises(SplitError, match=says):
        divide(HOW, "inter-patient", records, 0)


def test_an_unknown_protocol_is_told_the_known_ones():
    with pytest.raises(SplitError, match="no protocol 'folds'; known: beat-split, inter-patient"):
        divide(HOW, "folds", ["208"], 0)


def test_parameters_are_the_tomls(monkeypatch: pytest.MonkeyPatch):
    """Each of them changes the windows."""
    base = beat_table(HOW, ["208"]).windows
    changes: dict[str, Any] = {"band_hz": [1.0, 40.0], "order": 2, "seconds": 1.0, "scale_percent": 1.0}
    for name, value in changes.items():
        assert not np.array_equal(beat_table(HOW | {name: value}, ["208"]).windows, base)
    one = beat_table(HOW | {"leads": 1}, ["208"]).windows
    assert np.array_equal(one[:, 0], base[:, 0])
