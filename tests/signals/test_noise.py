import math

import numpy as np
import pytest
from scipy.signal import welch

from ecgtune.record import Annotations, Record
from ecgtune.signals.faults import FAULT_KINDS, Fault, with_faults
from ecgtune.signals.noise import (
    NOISE_KINDS,
    NoiseSource,
    add_noise,
    noise_level,
    qrs_amplitude,
    snr_db,
    with_noise,
)
from ecgtune.signals.simulate import simulate

FS = 360


def clean(seconds: float = 330) -> Record:
    return simulate(seconds, ectopy={}, seed=1)


def test_amplitude_and_level_of_known_signals() -> None:
    t = np.arange(20 * FS) / FS
    beats = np.arange(1, 19) * FS
    bumps = 1.5 * np.exp(-0.5 * ((t[:, np.newaxis] - beats / FS) / 0.01) ** 2).sum(axis=1)
    assert qrs_amplitude(bumps, FS, beats) == pytest.approx([1.5], rel=1e-3)
    sine = 2 * np.sin(2 * np.pi * 10 * t)
    assert noise_level(sine + 100, FS) == pytest.approx([np.sqrt(2)], rel=1e-3)
    # A sine as tall as the QRS has, by definition, the same power: 0 dB.
    assert snr_db(bumps, 0.75 * sine / 2, FS, beats) == pytest.approx([0], abs=0.02)


def test_trimmed_mean_ignores_a_few_outliers() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(100 * FS)
    spoiled = noise.copy()
    spoiled[: 4 * FS] *= 50
    assert noise_level(spoiled, FS) == pytest.approx(noise_level(noise, FS), rel=0.02)


@pytest.mark.parametrize("wanted", [-6, 0, 6, 24])
def test_snr_measured_as_asked(wanted: float) -> None:
    record = clean()
    beats = record.annotations["truth"].sample
    noise = NoiseSource("motion", FS, 2, seed=4).read(0, record.n_samples)
    noisy = add_noise(record.signal, noise, wanted, FS, beats)
    assert noisy.dtype == np.float32
    got = snr_db(record.signal, noisy - record.signal, FS, beats)
    np.testing.assert_allclose(got, wanted, atol=0.05)


def test_short_noise_is_repeated_and_its_leads_reused() -> None:
    record = clean(60)
    beats = record.annotations["truth"].sample
    noise = np.random.default_rng(0).standard_normal(7 * FS)
    added = add_noise(record.signal, noise, 6, FS, beats) - record.signal
    np.testing.assert_allclose(added[: 7 * FS], added[7 * FS : 14 * FS], atol=1e-5)
    assert np.corrcoef(added.T)[0, 1] == pytest.approx(1, abs=1e-4)
    one = add_noise(record.signal[:, 0], noise, 6, FS, beats)
    np.testing.assert_allclose(one - record.signal[:, 0], added[:, 0], atol=1e-6)


def test_silent_or_missing_lead_gets_no_noise() -> None:
    signal = clean(60).signal.copy()
    beats = clean(60).annotations["truth"].sample
    signal[:, 0] = 0
    signal[:, 1] = np.nan
    noisy = add_noise(signal, np.random.default_rng(0).standard_normal((9000, 2)), 0, FS, beats)
    np.testing.assert_array_equal(noisy, signal)


def test_nothing_to_measure_by() -> None:
    with pytest.raises(ValueError, match="no beat at which"):
        add_noise(np.zeros(100), np.ones(100), 6, FS, [])
    with pytest.raises(ValueError, match="the noise has no samples"):
        add_noise(np.zeros(100), [], 6, FS, [50])


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_kind_is_noise_of_rms_one_in_each_lead_by_itself(kind: str) -> None:
    noise = NoiseSource(kind, FS, 2, seed=1).read(0, 600 * FS)
    np.testing.assert_allclose(noise.std(axis=0), 1, rtol=0.25)
    assert np.isfinite(noise).all()
    if not kind.startswith("mains"):
        assert abs(np.corrcoef(noise.T)[0, 1]) < 0.3
    again = NoiseSource(kind, FS, 2, seed=1).read(100 * FS, 101 * FS)
    np.testing.assert_array_equal(again, noise[100 * FS : 101 * FS])
    assert not np.allclose(NoiseSource(kind, FS, 2, seed=2).read(0, FS), noise[:FS])


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("muscle", 8, 150),
        ("wander", 0, 0.7),
        ("motion", 0.2, 10),
        ("mains50", 49.5, 50.5),
        ("mains60", 59.5, 60.5),
    ],
)
def test_kinds_stay_in_their_band(kind: str, low: float, high: float) -> None:
    noise = NoiseSource(kind, FS, 1, seed=3).read(0, 600 * FS)[:, 0]
    frequency, power = welch(noise, FS, nperseg=16384, detrend=False)
    inside = (frequency >= low) & (frequency <= high)
    assert power[inside].sum() > 0.9 * power.sum()


def test_power_is_the_same_everywhere_in_a_block() -> None:
    """The overlap of two segments must not be louder or quieter than the rest."""
    source = NoiseSource("white", 100, 1, seed=1)
    noise = source.read(0, 60 * source.block).reshape(60, 16, -1)
    np.testing.assert_allclose(noise.std(axis=(0, 2)), 1, rtol=0.02)


def test_noise_on_any_record() -> None:
    record = clean()
    plain = Record.from_array(record.signal, FS, annotations={"atr": record.annotations["truth"]})
    noisy = with_noise(plain, {"muscle": 12, "mains50": 20}, annotator="atr", seed=9)
    added = noisy.signal - plain.signal
    alone = with_noise(plain, {"muscle": 12}, annotator="atr", seed=9).signal - plain.signal
    beats = record.annotations["truth"].sample
    np.testing.assert_allclose(snr_db(plain.signal, alone, FS, beats), 12, atol=0.05)
    np.testing.assert_allclose(snr_db(plain.signal, added - alone, FS, beats), 20, atol=0.3)
    np.testing.assert_array_equal(noisy.read(1000, 3000), noisy.signal[1000:3000])
    assert with_noise(plain, {}, annotator="atr") is plain


def test_all_beats_are_measured_where_none_is_normal() -> None:
    record = clean(60)
    beats = record.annotations["truth"]
    paced = Record.from_array(
        record.signal, FS, annotations={"atr": Annotations(beats.sample, np.full(len(beats), "/"))}
    )
    as_paced = with_noise(paced, {"white": 6}, annotator="atr").signal
    np.testing.assert_array_equal(as_paced, with_noise(record, {"white": 6}, annotator="truth").signal)


def test_bad_noise_is_named() -> None:
    with pytest.raises(ValueError, match="unknown noise 'pink'; known: white, muscle"):
        NoiseSource("pink", FS, 1)
    with pytest.raises(ValueError, match="sampling rate 0 Hz is not positive"):
        NoiseSource("white", 0, 1)
    with pytest.raises(ValueError, match="mains50 needs a sampling rate above 100 Hz; it is 100 Hz"):
        NoiseSource("mains50", 100, 1)


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_fault_changes_its_lead_and_time_only(kind: str) -> None:
    record = clean(20)
    before = record.signal.copy()
    after = with_faults(record, [("V1", 5, 8, kind)]).signal
    during = slice(5 * FS, 8 * FS)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    np.testing.assert_array_equal(after[: 5 * FS], before[: 5 * FS])
    np.testing.assert_array_equal(after[8 * FS :], before[8 * FS :])
    assert not np.array_equal(after[during, 1], before[during, 1])
    np.testing.assert_array_equal(record.signal, before)


def test_what_each_fault_does() -> None:
    record = clean(60)
    x = record.signal[:, 0]

    def faulty(kind: str, amount: float | None = None) -> np.ndarray:
        return with_faults(record, [Fault(0, 0, math.inf, kind, amount)], seed=3).signal[:, 0]

    assert (faulty("flat") == 0).all()
    assert (faulty("flat", 0.2) == np.float32(0.2)).all()
    assert np.isnan(faulty("off")).all()
    assert (faulty("saturated") == 5).all()
    assert (faulty("saturated", -5) == -5).all()
    np.testing.assert_array_equal(faulty("inverted"), -x)
    np.testing.assert_allclose(faulty("gain", 0.5), x / 2)
    for kind in ("burst", "motion", "muscle"):
        assert (faulty(kind, 2) - x).std() == pytest.approx(2, rel=0.3)
    # Muscle noise changes from sample to sample, motion from beat to beat.
    rough = {kind: np.diff(faulty(kind, 2) - x).std() for kind in ("burst", "motion", "muscle")}
    assert rough["motion"] < 0.3 * rough["burst"] < 0.3 * rough["muscle"]
    pops = faulty("pop", 2) - x
    assert 1.1 < abs(pops[0]) < 2.9
    jumps = np.abs(np.diff(pops)) > 0.8
    assert 30 < jumps.sum() < 90


def test_faults_apply_in_order_and_repeatably() -> None:
    record = clean(20)
    faults = [("MLII", 2, 10, "burst"), ("MLII", 4, 6, "off"), ("V1", 3, 12, "pop")]
    one, two = with_faults(record, faults, seed=1), with_faults(record, faults, seed=1)
    np.testing.assert_array_equal(one.signal, two.signal)
    assert np.isnan(one.signal[4 * FS : 6 * FS, 0]).all()
    assert not np.array_equal(one.signal[:, 1], with_faults(record, faults, seed=2).signal[:, 1])
    for a, b in ((0, 1234), (1000, 1001), (1500, 5000), (3600, 3600)):
        np.testing.assert_array_equal(one.read(a, b), one.signal[a:b])
    assert with_faults(record, []) is record


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("V1", 1, 2, "melted"), "unknown fault 'melted'; known: flat, off, saturated"),
        (("V5", 1, 2, "flat"), "fault 'flat': .*no lead V5"),
        ((7, 1, 2, "flat"), "no lead 7"),
        (("V1", 2, 1, "flat"), "from 2 s to 1 s"),
        (("V1", -1, 1, "flat"), "from -1 s"),
        (("V1", 30, 31, "flat"), "inside the record of 20 s"),
        (("V1", 1, 2, "off", 3.0), "fault 'off' takes no amount; 3 was given"),
    ],
)
def test_bad_faults_are_named(fault: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_faults(clean(20), [fault])  # type: ignore[list-item]
