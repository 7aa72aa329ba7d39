"""Beats of recordings: at detections, at annotations, and what joins the two."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Beats, Preprocessing, annotated_beats, beat_index, concatenate, cut, detected_beats
from ecgtune.beats.cut import MATCH, stream_windows
from ecgtune.errors import RecordError
from ecgtune.labels import CLASSES
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record
from ecgtune.signals import detect_beats, stream
from ecgtune.signals.resample import to_native, to_working
from ecgtune.signals.simulate import simulate

HOW = Preprocessing()


@pytest.fixture(scope="module")
def record() -> Record:
    return simulate(330, 360, seed=1, ectopy={"S": 0.05, "V": 0.05})


@pytest.fixture(scope="module")
def truth(record: Record) -> Annotations:
    return record.annotations["truth"]


@pytest.mark.parametrize("fs", [100.0, 257.0, 360.0, 1000.0])
def test_windows_are_cut_where_the_beats_are_at_every_rate(fs: float) -> None:
    record = simulate(320, fs, seed=2, ectopy={})
    at, windows = (
        np.concatenate(parts)
        for parts in zip(*((at, w) for _, at, w in stream_windows(record, (0, 1), (0, 1), HOW)), strict=True)
    )
    assert windows.shape == (len(at), 2, HOW.width)
    np.testing.assert_array_equal(np.minimum(to_native(at, fs), record.n_samples - 1), detect_beats(record))
    peak = np.abs(np.median(windows, axis=0)).argmax(axis=1)
    assert np.abs(peak - HOW.before).max() <= 3


def test_windows_do_not_depend_on_the_length_of_the_blocks(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows() -> dict[int, np.ndarray]:
        every = ((at, w) for _, at, w in stream_windows(record, (0, 1), (0, 1), HOW))
        return {int(a): b for at, w in every for a, b in zip(at, w, strict=True)}

    usual = windows()
    monkeypatch.setattr(stream, "CORE_SECONDS", 60)
    other = windows()
    common = usual.keys() & other.keys()
    assert len(common) >= 0.99 * len(usual)
    assert max(np.abs(usual[a] - other[a]).max() for a in common) < 0.01


def test_a_lead_that_the_record_lacks_is_zero() -> None:
    single = simulate(10, leads=("MLII",), seed=3)
    (_, at, windows), *_ = stream_windows(single, (0,), (0,), HOW)
    assert windows.shape == (len(at), 2, HOW.width)
    assert windows[:, 0].any()
    assert not windows[:, 1].any()


def test_windows_come_in_the_order_of_leads_asked_for(record: Record) -> None:
    (_, _, usual), *_ = stream_windows(record, (0, 1), (0, 1), HOW)
    (_, _, swapped), *_ = stream_windows(record, (0, 1), (1, 0), HOW)
    np.testing.assert_array_equal(swapped, usual[:, ::-1])


def test_detected_beats_take_the_labels_of_the_annotations_they_match(
    record: Record, truth: Annotations
) -> None:
    beats = detected_beats(record, truth, (0, 1), database="made-up")
    labelled = beats.label >= 0
    assert np.mean(labelled) > 0.99
    by_sample = dict(zip(truth.sample.tolist(), truth.symbol.tolist(), strict=True))
    symbol = {"N": "N", "A": "S", "V": "V"}
    for sample, label in zip(beats.sample[labelled].tolist(), beats.label[labelled].tolist(), strict=True):
        assert CLASSES[label] == symbol[by_sample[sample]]
    assert np.all(np.diff(beats.at) > 0)
    assert beats.records() == (("made-up", record.name),)


def test_a_detection_without_annotation_and_one_beside_another_stay_unlabelled(
    record: Record, truth: Annotations
) -> None:
    every_other = truth.select(np.arange(len(truth)) % 2 == 0)
    beats = detected_beats(record, every_other, (0, 1))
    assert np.sum(beats.label >= 0) <= len(every_other)
    near = np.abs(beats.at[:, None] - to_working(every_other.sample, 360.0)).min(axis=1)
    assert np.all(beats.label[near > MATCH] == -1)
    assert np.sum(beats.label == -1) >= 0.45 * len(beats)


def test_annotated_beats_are_all_there_and_move_to_the_detected_fiducial(
    record: Record, truth: Annotations
) -> None:
    late = replace(truth, sample=np.minimum(truth.sample + 18, record.n_samples - 1))
    usual, moved = (annotated_beats(record, a, (0, 1)) for a in (truth, late))
    assert len(usual) == len(moved) == len(truth)
    np.testing.assert_array_equal(moved.sample, late.sample)
    assert np.mean(usual.at == moved.at) > 0.99
    np.testing.assert_array_equal(
        np.bincount(usual.label, minlength=5), np.bincount(moved.label, minlength=5)
    )
    assert usual.windows.shape == (len(truth), 2, HOW.width)


def test_an_annotation_far_from_any_detection_stays_where_it_is(record: Record) -> None:
    beats = detect_beats(record)
    between = (beats[100] + beats[101]) // 2
    (table,) = [annotated_beats(record, Annotations(np.array([between]), np.array(["V"])), (0, 1))]
    assert table.at.tolist() == np.round(to_working(np.array([between]), 360.0)).tolist()


def test_the_index_reads_no_signal(record: Record, truth: Annotations) -> None:
    index = beat_index(replace(record, source=None), truth, database="made-up")  # type: ignore[arg-type]
    np.testing.assert_array_equal(index.sample, truth.sample)
    assert index.windows.size == 0
    assert index.counts()["V"] == np.sum(truth.symbol == "V")


def test_without_snapping_beats_stay_and_nothing_is_detected(
    record: Record, truth: Annotations, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapped = annotated_beats(record, truth, (0, 1))
    fiducials = Annotations(to_native(snapped.at, record.fs), truth.symbol)
    monkeypatch.setattr(cut, "detect_beats", lambda _: pytest.fail("beats were detected"))
    stayed = annotated_beats(record, fiducials, (0, 1), snap=0)
    np.testing.assert_array_equal(stayed.at, snapped.at)
    np.testing.assert_array_equal(stayed.windows, snapped.windows)
    late = replace(truth, sample=np.minimum(truth.sample + 18, record.n_samples - 1))
    moved = annotated_beats(record, late, (0, 1), snap=0)
    np.testing.assert_array_equal(moved.at, np.round(to_working(late.sample, record.fs)))


@pytest.mark.parametrize("make", [beat_index, detected_beats, annotated_beats])
def test_annotations_without_beats_are_refused(record: Record, make) -> None:  # type: ignore[no-untyped-def]
    rhythm = record.annotations["rhythm"]
    arguments = () if make is beat_index else ((0, 1),)
    with pytest.raises(RecordError, match="no beat among its 1 annotations; choose another annotator"):
        make(record, rhythm, *arguments)


def test_annotations_outside_the_record_are_left_out(record: Record, truth: Annotations) -> None:
    outside = Annotations(
        np.concatenate([[-5], truth.sample, [record.n_samples]]), np.concatenate([["V"], truth.symbol, ["V"]])
    )
    assert len(beat_index(record, outside)) == len(truth)
    assert len(annotated_beats(record, outside, (0, 1))) == len(truth)


def test_tables_go_below_each_other_and_apart_again(record: Record, truth: Annotations) -> None:
    one = beat_index(record, truth, database="a")
    two = beat_index(replace(record, name="other"), truth, database="a")
    both = concatenate([one, two])
    assert len(both) == 2 * len(truth)
    assert both.records() == (("a", record.name), ("a", "other"))
    np.testing.assert_array_equal(both.select(both.of("a", "other")).sample, two.sample)
    assert both.without_windows().windows.size == 0
    with pytest.raises(RecordError, match="no beats: give at least one recording"):
        concatenate([])


def test_real_annotations_are_nearly_all_matched(mitdb: Path) -> None:
    record = read_record(mitdb / "119")
    beats: Beats = detected_beats(record, record.annotations["atr"], (0, 1), database="mitdb")
    counts = beats.counts()
    assert counts["N"] >= 1540
    assert counts["V"] == 444
    assert np.sum(beats.label == -1) <= 3
