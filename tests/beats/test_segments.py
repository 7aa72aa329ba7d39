"""Segments of rhythm: where they lie, which are taken, and what is read of them."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats.segments import (
    PATTERNS,
    Run,
    Segments,
    choose_segments,
    concatenate,
    cut_segments,
    rhythm_runs,
    segments_of,
    within,
)
from ecgtune.images import SpectrogramOptions, spectrograms
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record


def annotations(*marks: tuple[int, str]) -> Annotations:
    samples, aux = zip(*marks, strict=True)
    return Annotations(np.array(samples), np.full(len(marks), "+"), np.array(aux))


def record(seconds: float = 60, fs: float = 250, leads: int = 2) -> Record:
    signal = np.random.default_rng(0).normal(size=(int(seconds * fs), leads))
    return Record.from_array(signal, fs, name="r")


def table(patients: dict[tuple[str, str], int], leads: int = 1, label: int = 0) -> Segments:
    """So many segments of each database and patient."""
    names = [key for key, count in patients.items() for _ in range(count)]
    n = len(names)
    return Segments(
        np.array([database for database, _ in names]),
        np.array([patient for _, patient in names]),
        np.array([patient for _, patient in names]),
        np.arange(n),
        np.full(n, 250.0),
        np.full(n, label, dtype=np.int8),
        np.full(n, leads),
    )


def test_a_rhythm_lasts_to_the_next_mark_or_the_end() -> None:
    marks = annotations((10, "(N"), (30, ""), (40, "None"), (50, "(VFIB\0"), (80, "(NOISE"))
    assert rhythm_runs(marks, 100) == [Run("N", 10, 50), Run("VFIB", 50, 80), Run("NOISE", 80, 100)]


def test_a_mark_at_or_behind_the_end_has_no_run() -> None:
    assert rhythm_runs(annotations((0, "(N"), (100, "(AFIB"), (120, "(N")), 100) == [Run("N", 0, 100)]


def test_samples_within_rhythms() -> None:
    runs = [Run("AFIB", 10, 50), Run("AFIB", 80, 100)]
    found = within(runs, np.array([9, 10, 49.5, 50, 79, 80, 99, 100]))
    assert found.tolist() == [False, True, True, False, False, True, True, False]
    assert not within([], np.array([1, 2])).any()


def test_segments_lie_inside_one_rhythm_and_do_not_overlap() -> None:
    runs = [Run("N", 100, 3349), Run("NOISE", 3349, 9000), Run("VFL", 9000, 11000), Run("ASYS", 11000, 15000)]
    found = segments_of(record(), runs, 4, database="vfdb")
    # 13 s hold three segments of 4 s, less a sample that is none short of it; 8 s hold two.
    assert found.sample.tolist() == [100, 1100, 2100, 9000, 10000]
    assert found.label.tolist() == [0, 0, 0, 3, 3]
    assert set(found.database.tolist()) == {"vfdb"}


def test_every_label_of_a_pattern_counts_and_no_other_does() -> None:
    runs = [
        Run(name, i * 1000, (i + 1) * 1000)
        for i, name in enumerate(("N", "AFIB", "VT", "VF", "VFIB", "VFL", "NOISE", "ASYS", "AFL", "B", "P"))
    ]
    assert segments_of(record(), runs, 4).label.tolist() == [0, 1, 2, 3, 3, 3]
    assert list(PATTERNS) == ["N", "AF", "VT", "VF"]


def test_a_length_that_is_none() -> None:
    with pytest.raises(ValueError, match="segments of 0 s asked for"):
        segments_of(record(), [], 0)
    with pytest.raises(ValueError, match="no tables"):
        concatenate([])


def test_vfdb_418_has_the_rhythms_of_its_annotations(data: Path) -> None:
    opened = read_record(data / "vfdb" / "418.hea")
    runs = rhythm_runs(opened.annotations["atr"], opened.n_samples)
    assert {run.rhythm for run in runs} == {"N", "VFL"}
    found = segments_of(opened, runs, 4)
    for sample, label in zip(found.sample, found.label, strict=True):
        (run,) = [run for run in runs if run.start <= sample < run.stop]
        assert sample + 1000 <= run.stop
        assert run.rhythm in list(PATTERNS.values())[label]


def test_no_database_and_no_patient_has_more_than_it_must() -> None:
    segments = table({("a", "1"): 500, ("a", "2"): 100, ("b", "3"): 30, ("b", "4"): 5, ("c", "5"): 1000})
    chosen = segments.select(choose_segments(segments, 335, 400, 0))
    counts = {patient: int((chosen.patient == patient).sum()) for patient in "12345"}
    # b has 35 in all; the other 300 go evenly to a and c, and in a evenly to its patients.
    assert counts == {"1": 75, "2": 75, "3": 30, "4": 5, "5": 150}


def test_a_patient_has_no_more_than_allowed() -> None:
    segments = table({("a", "1"): 500, ("a", "2"): 20})
    chosen = segments.select(choose_segments(segments, 1000, 60, 0))
    assert (chosen.patient == "1").sum() == 60
    assert (chosen.patient == "2").sum() == 20


def test_leads_are_counted_and_small_shares_are_dealt() -> None:
    segments = table({("a", str(i)): 10 for i in range(20)}, leads=2)
    chosen = segments.select(choose_segments(segments, 30, 400, 0))
    # Fifteen segments of two leads, of fifteen patients of twenty.
    assert len(chosen) == 15
    assert len(set(chosen.patient.tolist())) == 15


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    segments = table({("a", "1"): 40, ("b", "2"): 40})
    turned = np.random.default_rng(1).permutation(len(segments))
    chosen = set(segments.sample[choose_segments(segments, 30, 400, 5)].tolist())
    other = segments.select(turned)
    assert set(other.sample[choose_segments(other, 30, 400, 5)].tolist()) == chosen
    assert set(segments.sample[choose_segments(segments, 30, 400, 6)].tolist()) != chosen


def cut(of: Record, starts: list[int], lead: int = 0, seconds: float = 4) -> np.ndarray:
    return cut_segments(of, lead, np.array(starts), seconds, (0.5, 25), 4)


@pytest.mark.parametrize("fs", [200, 250, 300, 360])
def test_segments_of_every_rate_show_the_same(fs: int) -> None:
    time = np.arange(30 * fs) / fs
    tone = Record.from_array(np.sin(2 * np.pi * 5 * time), fs, name="tone")
    found = cut(tone, [0, 8 * fs, 26 * fs])
    assert found.shape == (3, 512)
    assert found.dtype == np.float32
    wanted = np.sin(2 * np.pi * 5 * np.arange(512) / 128)
    # Ends of the recording have no signal beside them for the filter to settle in.
    np.testing.assert_allclose(found[1], wanted, atol=0.02)
    np.testing.assert_allclose(found[0][256:], wanted[256:], atol=0.05)


def test_missing_samples_and_flat_leads_are_told() -> None:
    signal = np.random.default_rng(0).normal(size=(10_000, 2)).astype(np.float32)
    signal[1500, 0] = np.nan
    signal[4000:5000, 1] = 0.25
    spoilt = Record.from_array(signal, 250)
    first, second = cut(spoilt, [1000, 4000]), cut(spoilt, [1000, 4000], lead=1)
    assert np.isnan(first[0]).all()
    assert np.isfinite(first[1]).all()
    assert np.isfinite(second[0]).all()
    assert np.isnan(second[1]).all()


def test_a_line_at_30_hz_is_not_seen(mitdb: Path) -> None:
    opened = read_record(mitdb / "203.hea")
    signal = opened.read(0, 10 * 360)
    line = 0.1 * np.sin(2 * np.pi * 30 * np.arange(len(signal)) / 360)[:, np.newaxis]
    how = SpectrogramOptions(64, 0.5, 25, range_db=40)

    def drawn(of: np.ndarray, high: float) -> np.ndarray:
        record = Record.from_array(of, 360)
        part = cut_segments(record, 0, np.array([1440]), 4, (0.5, high), 4)
        return spectrograms(part, 128, SpectrogramOptions(64, 0.5, high, range_db=40)).astype(float)

    assert how.high_hz == 25
    seen, unseen = (np.abs(drawn(signal + line, high) - drawn(signal, high)).mean() for high in (40, 25))
    assert seen > 5 * unseen
