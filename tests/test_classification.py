"""The main job on one recording: same answer however it is read, honest about lost leads, small in memory."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ecgtune.classification import classify
from ecgtune.errors import ModelError, RecordError
from ecgtune.evaluation.ec57 import compare_beats
from ecgtune.labelled import Labelled
from ecgtune.labels import CLASSES
from ecgtune.model import Model, load_model
from ecgtune.readers import read_record
from ecgtune.record import FloatArray, Record
from ecgtune.signals import detect_beats
from ecgtune.signals.faults import with_faults
from ecgtune.signals.simulate import simulate
from ecgtune.signals.simulate_beats import STANDARD_LEADS


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def assert_same(one: Labelled, other: Labelled) -> None:
    np.testing.assert_array_equal(one.annotations.sample, other.annotations.sample)
    np.testing.assert_array_equal(one.annotations.symbol, other.annotations.symbol)
    np.testing.assert_array_equal(one.annotations.probability, other.annotations.probability)
    np.testing.assert_array_equal(one.gaps, other.gaps)
    assert one.notes == other.notes


# What comes out.


@pytest.mark.parametrize("fs", [100.0, 333.33, 360.0, 2000.0])
def test_every_beat_has_a_class_and_its_probabilities(model: Model, fs: float) -> None:
    record = simulate(40, fs, seed=1)
    labelled = classify(record, model)
    beats, probability = labelled.annotations, labelled.annotations.probability
    np.testing.assert_array_equal(beats.sample, detect_beats(record))
    assert set(beats.symbol.tolist()) <= set(CLASSES)
    assert probability is not None
    assert probability.shape == (len(beats), len(CLASSES))
    np.testing.assert_array_equal(np.array(CLASSES)[probability.argmax(axis=1)], beats.symbol)
    assert labelled.leads == ("MLII", "V1")
    assert labelled.model == "tiny 0"
    assert labelled.model_hash == model.hash
    assert not labelled.trained_on
    assert labelled.notes == ()
    assert labelled.gaps.shape == (0, 2)


def test_a_model_is_given_loaded_or_by_its_folder(model: Model, tiny_model: Path) -> None:
    record = simulate(10)
    assert_same(classify(record, model), classify(record, str(tiny_model)))
    with pytest.raises(ModelError, match="no such model"):
        classify(record, tiny_model / "none")


def test_a_real_recording_is_recognised_wherever_it_lies(model: Model, mitdb: Path, tmp_path: Path) -> None:
    for name in ("208.hea", "208.dat"):
        (tmp_path / name).write_bytes((mitdb / name).read_bytes())
    (tmp_path / "208.hea").rename(tmp_path / "renamed.hea")
    labelled = classify(read_record(tmp_path / "renamed.hea"), model)
    assert labelled.record.patient == "mitdb/208"
    assert labelled.trained_on


@pytest.mark.parametrize(
    ("leads", "read"),
    [
        (("MLII",), ("MLII",)),
        (("V5",), ("V5",)),
        (STANDARD_LEADS, ("II", "V1")),
        (("V6", "aVF", "I"), ("V6", "I")),
    ],
)
def test_one_lead_or_twelve(model: Model, leads: tuple[str, ...], read: tuple[str, ...]) -> None:
    labelled = classify(simulate(30, 500, leads, seed=2), model)
    assert labelled.leads == read
    assert 30 <= len(labelled.annotations) <= 40


def test_only_the_leads_asked_for_are_used(model: Model) -> None:
    record = simulate(30, leads=("MLII", "V1", "V5"), seed=3)
    single = replace(record, leads=("V5",), source=Record.from_array(record.signal[:, 2], 360).source)
    asked = classify(record, model, leads=["V5"])
    assert asked.leads == ("V5",)
    assert_same(asked, classify(single, model))


@pytest.mark.parametrize("seconds", [3, 3.2, 5, 10])
def test_short_recordings_are_labelled(model: Model, seconds: float) -> None:
    assert len(classify(simulate(seconds, seed=4), model).annotations) >= seconds - 1


def test_what_the_reader_left_out_is_noted(model: Model) -> None:
    record = replace(simulate(10), notes=("lead V5 was left out",))
    assert classify(record, model).notes == ("lead V5 was left out",)


@pytest.mark.parametrize("gone", [0, 520])
def test_hardly_any_beats_are_noted(model: Model, gone: int) -> None:
    """Six beats in ten minutes, of which a part may be missing."""
    signal = np.random.default_rng(0).normal(0, 0.002, (600 * 250, 1))
    for second in range(530, 600, 12):
        signal[second * 250 : second * 250 + 20, 0] += np.hanning(20)
    signal[: gone * 250] = np.nan
    labelled = classify(Record.from_array(signal, 250, ("MLII",)), model)
    n = len(labelled.annotations)
    assert 0 < n < 10
    found = f"{n} beats in {'00:01:20' if gone else '00:10:00'} of signal"
    assert labelled.notes[0] == (
        f"hardly any beats were found ({found}): look at the leads, they may show no ECG"
    )


def test_a_slow_heart_with_long_pauses_is_no_matter_for_a_note(model: Model) -> None:
    signal = np.random.default_rng(0).normal(0, 0.002, (300 * 250, 1))
    for second in range(1, 300, 2):
        if second % 24 not in (1, 3, 5):
            signal[second * 250 : second * 250 + 20, 0] += np.hanning(20)
    labelled = classify(Record.from_array(signal, 250, ("MLII",)), model)
    assert max(np.diff(labelled.annotations.sample)) == pytest.approx(8 * 250, abs=20)
    assert labelled.notes == ()


# The same answer, however the samples come.


@dataclass(frozen=True)
class Elsewhere:
    """The same samples from another place: a copy in another memory order, or a float64 round trip."""

    read_: Callable[[int, int], FloatArray]
    change: Callable[[FloatArray], FloatArray]

    def read(self, start: int, stop: int) -> FloatArray:
        return self.change(self.read_(start, stop))


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda piece: piece.astype(np.float64).astype(np.float32),
        lambda piece: np.repeat(piece, 2, axis=1)[:, ::2],
    ],
)
def test_how_a_source_lays_out_its_samples_changes_nothing(
    model: Model, change: Callable[[FloatArray], FloatArray]
) -> None:
    record = simulate(330, 257, seed=5, faults=[(1, 100, 130, "off"), (0, 290, 310, "flat")])
    other = replace(record, source=Elsewhere(record.source.read, change))
    assert_same(classify(other, model), classify(record, model))


def test_a_real_file_gives_the_same_as_its_samples_in_memory_and_in_another_file(
    model: Model, mitdb: Path, tmp_path: Path
) -> None:
    streamed = read_record(mitdb / "203")
    expected = classify(streamed, model)
    in_memory = Record.from_array(streamed.signal, streamed.fs, streamed.leads, name="203")
    assert_same(classify(in_memory, model), expected)
    np.save(tmp_path / "203.npy", streamed.signal)
    (tmp_path / "203.json").write_text(json.dumps({"fs": 360, "leads": list(streamed.leads)}))
    assert_same(classify(read_record(tmp_path / "203.npy"), model), expected)


def test_twice_gives_the_same(model: Model) -> None:
    record = simulate(60, seed=6)
    assert_same(classify(record, model), classify(record, model))


def test_labels_do_not_depend_on_what_comes_blocks_later(model: Model) -> None:
    record = simulate(1300, 125, seed=7, ectopy={})
    longer = classify(record, model)
    signal = record.read(0, 900 * 125)
    shorter = classify(Record.from_array(signal, 125, record.leads), model)
    settled = longer.annotations.sample < 500 * 125
    for column in ("sample", "symbol", "probability"):
        one, other = (getattr(labelled.annotations, column) for labelled in (longer, shorter))
        np.testing.assert_array_equal(one[: settled.sum()], other[: settled.sum()])


def test_beats_stay_in_order_across_blocks_and_segments(model: Model) -> None:
    labelled = classify(simulate(3700, 100, seed=14), model)
    assert len(labelled.annotations) > 4000
    assert all(a < b for a, b in pairwise(labelled.annotations.sample.tolist()))


# Lost leads.


def test_a_lead_that_says_nothing_is_left_out_and_noted(model: Model) -> None:
    for kind in ("flat", "off", "saturated"):
        labelled = classify(simulate(60, faults=[("MLII", 0, 60, kind)], seed=8), model)
        assert labelled.leads == ("V1",)
        assert labelled.notes == ("lead MLII carries no signal and was left out",)
        assert not labelled.gaps.size


def test_a_lead_that_dies_half_way_is_noted_with_its_time_and_leaves_no_gap(model: Model) -> None:
    record = simulate(700, faults=[("V1", 350, 700, "off")], seed=9)
    labelled = classify(record, model)
    (note,) = labelled.notes
    assert note == "lead V1 flat or missing 00:05:50-00:11:40"
    assert not labelled.gaps.size
    truth = record.annotations["truth"].sample
    assert abs(len(labelled.annotations) - len(truth)) <= 3


@pytest.mark.parametrize("fs", [100.0, 256.03, 333.33, 360.0, 999.9])
def test_where_no_lead_is_left_there_is_a_gap_without_beats(model: Model, fs: float) -> None:
    faults = [("MLII", 400, 460, "off"), ("V1", 380, 470, "saturated")]
    labelled = classify(simulate(900, fs, faults=faults, seed=10), model)
    ((begin, end),) = labelled.gaps / fs
    assert begin == pytest.approx(400, abs=1.1)
    assert end == pytest.approx(460, abs=1.1)
    times = labelled.annotations.sample / fs
    assert not np.any((times > begin) & (times < end))
    assert np.any(times < begin)
    assert np.any(times > end)
    assert len(labelled.notes) == 2


def test_the_end_of_a_recording_is_no_gap(model: Model) -> None:
    for extra in (1, 2, 3, 50):
        record = simulate(10 + extra / 360, seed=11)
        assert not classify(record, model).gaps.size


def test_a_gap_at_the_end_ends_with_the_recording(model: Model) -> None:
    record = simulate(60.3, faults=[(0, 40, np.inf, "off"), (1, 40, np.inf, "off")], seed=12)
    labelled = classify(record, model)
    assert labelled.gaps[-1, 1] == record.n_samples
    assert labelled.notes[0] == "lead MLII flat or missing 00:00:40-00:01:00"


def test_many_stretches_of_lost_leads_are_summed_up(model: Model) -> None:
    faults = [("V1", 20 * k, 20 * k + 8, "off") for k in range(30)]
    notes = classify(simulate(610, faults=faults, seed=13), model).notes
    assert len(notes) == 21
    assert notes[-1] == "10 more stretches of lost leads"


def test_real_beats_beside_a_lost_lead_are_labelled_all_the_same(model: Model, mitdb: Path) -> None:
    record = read_record(mitdb / "119")
    usual = classify(record, model)
    spoilt = classify(with_faults(record, [("V1", 600, 900, "off")]), model)
    assert abs(len(spoilt.annotations) - len(usual.annotations)) <= 2
    assert any("lead V1 flat or missing 00:10:00-00:15:00" in note for note in spoilt.notes)


# Recordings that cannot be labelled: one clear line.


def constant(level: float, seconds: float = 20, fs: float = 360) -> Record:
    return Record.from_array(np.full((round(seconds * fs), 2), level), fs, ("MLII", "V1"), name="bad")


def open_input() -> Record:
    """An amplifier without a patient: one step of two microvolts in a hundred seconds."""
    return Record.from_array(np.where(np.arange(36000) > 5000, 0.002, 0), 360, ("MLII",), name="bad")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (constant(0), r"no signal in lead MLII, V1 \(flat or missing\); choose another lead"),
        (constant(1.7), r"no signal in lead MLII, V1 \(flat or missing\)"),
        (constant(np.nan), r"no signal in lead MLII, V1 \(flat or missing\)"),
        (constant(0, seconds=2), "2.00 s long; at least 3 s are needed to find beats"),
        (constant(0, seconds=0), "0.00 s long; at least 3 s are needed"),
        (constant(0, fs=50), "sampled at 50 Hz; ecgtune reads 100 to 2000 Hz: resample the recording"),
        (constant(0, fs=2500), "sampled at 2500 Hz"),
        (open_input(), "no beats found in 100 s; is this an ECG?"),
    ],
)
def test_a_recording_that_cannot_be_labelled(model: Model, record: Record, message: str) -> None:
    with pytest.raises(RecordError, match=f"^bad: {message}") as raised:
        classify(record, model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("leads", "message"),
    [
        (["V9"], "no lead V9; choose by index from 0: MLII, 1: V1"),
        (["7"], "no lead 7; it has 0: MLII, 1: V1"),
        (["V1", "1"], "leads V1, 1 asked for; name each lead once"),
    ],
)
def test_leads_that_cannot_be_used(model: Model, leads: list[str], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        classify(simulate(10), model, leads=leads)


def test_a_flat_lead_asked_for_is_refused_though_the_other_is_good(model: Model) -> None:
    record = simulate(20, faults=[("V1", 0, 20, "flat")])
    with pytest.raises(RecordError, match=r"no signal in lead V1 \(flat or missing\); choose another lead"):
        classify(record, model, leads=["V1"])
    assert len(classify(record, model).annotations)


# The runtime stays small.


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAVY = ("torch", "sklearn", "skorch", "pandas", "wfdb", "matplotlib", "onnx")


def test_labelling_and_all_outputs_need_no_heavy_library(
    mitdb: Path, tiny_model: Path, tmp_path: Path
) -> None:
    header, out, model = str(mitdb / "208.hea"), str(tmp_path), str(tiny_model)
    code = f"""
import sys
from pathlib import Path
from ecgtune.batch import classify_files
(outcome,) = classify_files([Path({header!r})], Path({out!r}), model={model!r})
assert outcome.error is None, outcome.error
print(sum(outcome.counts.values()), *(name for name in {HEAVY} if name in sys.modules))
"""
    assert run(code).split() == [str(len(detect_beats(read_record(mitdb / "208"))))]
    assert sorted(path.suffix for path in tmp_path.glob("208.*")) == [".csv", ".ecgt", ".html", ".json"]


# Not ru_maxrss: that of a child begins with what its parent, the whole test run, holds.
MEGABYTES = """
from pathlib import Path
from ecgtune.classification import classify
from ecgtune.signals.simulate import simulate
labelled = classify(simulate({hours} * 3600, {fs}, seed=1), {model!r})
assert len(labelled.annotations) > {hours} * 3600
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from Linux's /proc")
def test_memory_does_not_grow_from_one_hour_to_six(tiny_model: Path) -> None:
    sizes = [float(run(MEGABYTES.format(hours=h, fs=128, model=str(tiny_model)))) for h in (1, 6)]
    assert sizes[1] < sizes[0] + 60


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from Linux's /proc")
def test_a_day_needs_less_than_600_megabytes_and_a_week_about_the_same(tiny_model: Path) -> None:
    day, week = (
        float(run(MEGABYTES.format(hours=hours, fs=360, model=str(tiny_model)))) for hours in (24, 7 * 24)
    )
    assert day < 600
    assert week < 600


# The model that ships.


def test_the_model_that_ships_knows_the_ventricular_beats_of_a_training_record(mitdb: Path) -> None:
    record = read_record(mitdb / "208")
    labelled = classify(record)
    assert labelled.trained_on
    compared = compare_beats(
        record.annotations["atr"], labelled.annotations, record.fs, n_samples=record.n_samples
    )
    v = CLASSES.index("V")
    assert compared.confusion[v, v] >= 0.85 * compared.confusion[v].sum() > 500
    assert compared.confusion[0, 0] >= 0.85 * compared.confusion[0].sum() > 1000
