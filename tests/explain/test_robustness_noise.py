"""Stretches of real recordings, spoilt: the ratio asked for, the lead asked for, the same every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgtune.errors import RecordError
from ecgtune.explain.robustness_noise import SETTLE_S, Stretch, spoilt, stretch_of
from ecgtune.explain.robustness_plan import CLEAN, LOSSES, NOISES, QUICK, SNRS, Condition, Plan
from ecgtune.readers import read_record
from ecgtune.record import Record
from ecgtune.signals.noise import NoiseSource, measured_beats, noise_level, qrs_amplitude
from ecgtune.signals.noise_recorded import recorded_noise
from ecgtune.signals.simulate import simulate


@pytest.fixture(scope="module")
def record(mitdb: Path) -> Record:
    return read_record(mitdb / "119")


@pytest.fixture(scope="module")
def stretch(record: Record) -> Stretch:
    return stretch_of(record, record.annotations["atr"], (5, 7), seed=3)


def gain(stretch: Stretch, condition: Condition, noise: np.ndarray) -> np.ndarray:
    """By how much noise was multiplied, in each lead."""
    added = spoilt(stretch, condition).signal - stretch.record.signal
    moving = noise - noise.mean(0)
    return np.asarray((added * moving).sum(0) / (moving**2).sum(0))


def test_a_stretch_begins_before_its_minutes_and_keeps_its_beats(record: Record, stretch: Stretch) -> None:
    part, whole = stretch.record, record.annotations["atr"]
    assert stretch.start == (300 - SETTLE_S) * 360
    assert part.n_samples == (120 + SETTLE_S) * 360
    np.testing.assert_array_equal(part.signal, record.signal[stretch.start :][: part.n_samples])
    beats = part.annotations["atr"]
    inside = (whole.sample >= stretch.start) & (whole.sample < stretch.start + part.n_samples)
    np.testing.assert_array_equal(beats.sample + stretch.start, whole.sample[inside])
    # The signal is measured over the whole recording, as nst does it.
    expected = qrs_amplitude(record.signal, 360, measured_beats(whole))
    np.testing.assert_array_equal(stretch.amplitude, expected)


@pytest.mark.parametrize("kind", ["motion", "mains50", "mains60"])
@pytest.mark.parametrize("snr", [24.0, -6.0])
def test_simulated_noise_has_the_ratio_asked_for(stretch: Stretch, kind: str, snr: float) -> None:
    source = NoiseSource(kind, 360, 2, stretch.seed)
    drawn = source.read(stretch.start, stretch.start + stretch.record.n_samples)
    level = gain(stretch, Condition(kind, snr), drawn) * noise_level(source.read(0, 300 * 360), 360)
    np.testing.assert_allclose(10 * np.log10(stretch.amplitude**2 / 8 / level**2), snr, atol=1e-3)


@pytest.mark.parametrize("kind", ["bw", "ma", "em"])
@pytest.mark.parametrize("snr", [12.0, 0.0])
def test_recorded_noise_has_the_ratio_asked_for_at_the_same_time(
    data: Path, stretch: Stretch, kind: str, snr: float
) -> None:
    noise = recorded_noise(kind)
    drawn = noise.piece(stretch.start, stretch.record.n_samples)
    if kind != "em":
        there = read_record(data / "nstdb" / kind).signal[stretch.start :][: len(drawn)]
        np.testing.assert_array_equal(drawn, there)
    level = gain(stretch, Condition(kind, snr), drawn) * noise.level
    np.testing.assert_allclose(10 * np.log10(stretch.amplitude**2 / 8 / level**2), snr, atol=1e-2)


def test_noise_begins_without_a_step_and_is_the_same_again(stretch: Stretch) -> None:
    for kind in NOISES:
        one, two = (spoilt(stretch, Condition(kind, 0)).signal for _ in range(2))
        np.testing.assert_array_equal(one, two)
        if kind != "ma-alone":
            np.testing.assert_allclose(one[0], stretch.record.signal[0], atol=1e-6)
    other = replace(stretch, seed=stretch.seed + 1)
    simulated = Condition("motion", 0)
    assert not np.allclose(spoilt(other, simulated).signal, spoilt(stretch, simulated).signal)


@pytest.mark.parametrize(("kind", "share"), [("loss-10", 0.1), ("loss-30", 0.3), ("loss-50", 0.5)])
def test_leads_are_lost_for_their_share_of_the_time(record: Record, kind: str, share: float) -> None:
    stretch = stretch_of(record, record.annotations["atr"], (0, 30), seed=1)
    flat = spoilt(stretch, Condition(kind)).signal == 0
    assert not flat[: round(SETTLE_S * 360)].all(axis=1).any()
    lost = flat & (stretch.record.signal != 0)
    assert lost.mean(0) == pytest.approx(share, rel=0.3)
    # Each lead by itself.
    assert lost.all(axis=1).mean() == pytest.approx(share**2, rel=0.6)


def test_the_first_lead_is_the_one_that_models_read_first(mitdb: Path) -> None:
    record = read_record(mitdb / "114")
    assert record.leads == ("V5", "MLII")
    stretch = stretch_of(record, record.annotations["atr"], (5, 6), seed=1)
    settled = slice(round(SETTLE_S * 360), None)
    for kind, lost in (("loss-first", 1), ("loss-second", 0)):
        signal = spoilt(stretch, Condition(kind)).signal
        assert (signal[settled, lost] == 0).all()
        np.testing.assert_array_equal(signal[:, 1 - lost], stretch.record.signal[:, 1 - lost])
    alone, both = (spoilt(stretch, Condition(kind, 6)).signal for kind in ("ma-alone", "ma"))
    assert (alone[settled, 1] == 0).all()
    np.testing.assert_array_equal(alone[:, 0], both[:, 0])


def test_clean_is_untouched(stretch: Stretch) -> None:
    assert spoilt(stretch, Condition(CLEAN)) is stretch.record


def test_what_cannot_be_studied_is_named(record: Record) -> None:
    short = simulate(60, seed=1)
    with pytest.raises(RecordError, match="no beats from minute 5 to 7; take another record"):
        stretch_of(short, short.annotations["truth"], (5, 7), seed=0)
    single = simulate(60, leads=("MLII",), seed=1)
    with pytest.raises(RecordError, match="one lead; a study of lead loss needs two"):
        stretch_of(single, single.annotations["truth"], (0, 1), seed=0)


def test_every_condition_has_a_name_of_its_own() -> None:
    plan = Plan()
    names = [condition.name for condition in plan.conditions()]
    assert names[0] == CLEAN
    assert len(set(names)) == len(names) == 1 + len(NOISES) * len(SNRS) + len(LOSSES)
    assert Condition("ma", -6.0).name == "ma -6 dB"
    assert {c.kind for c in QUICK.conditions()} <= {CLEAN, *NOISES, *LOSSES}
