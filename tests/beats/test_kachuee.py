"""Beats cut as by Kachuee 2018: the published steps, and the decisions where it is silent."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats.kachuee import RATE, WIDTH, kachuee_beats, kachuee_units
from ecgtune.readers import read_record
from ecgtune.signals.simulate import simulate


def pulses(at: np.ndarray, seconds: float, fs: float = 125, height: float = 1.0) -> np.ndarray:
    """Baseline at -0.2 mV with an R wave 15 ms wide and an S wave at each beat (samples at ``fs``)."""
    t = np.arange(round(seconds * fs)) - np.asarray(at)[:, np.newaxis]
    waves = np.exp(-0.5 * (t / (0.015 * fs)) ** 2) - 0.2 * np.exp(-0.5 * ((t - 0.1 * fs) / (0.015 * fs)) ** 2)
    return height * waves.sum(axis=0) - 0.2


REGULAR = np.arange(50, 3700, 100)


def test_a_segment_is_1_2_median_periods_from_the_peak_then_zeros() -> None:
    # 30 s of beats 100 samples apart at 125 Hz: 120 samples, then 67 zeros.
    signal = pulses(REGULAR, 30)
    segments, at = kachuee_beats(signal, 125, REGULAR)
    assert (RATE, WIDTH) == (125, 187)
    assert segments.shape == (37, 187)
    assert segments.dtype == np.float32
    np.testing.assert_array_equal(at, REGULAR)
    scaled = (signal - signal.min()) / np.ptp(signal)
    for start, segment in zip(REGULAR[:-1], segments[:-1], strict=True):
        np.testing.assert_allclose(segment[:120], scaled[start : start + 120], atol=1e-6)
        assert segment[0] == pytest.approx(1)
        assert segment[100] == pytest.approx(1)
        assert not segment[120:].any()


@pytest.mark.parametrize("fs", [125, 250, 360, 1000])
def test_peaks_are_found_as_published_at_any_rate(fs: int) -> None:
    beats = (REGULAR / 125 * fs).astype(int)
    segments, at = kachuee_beats(pulses(beats, 30, fs), fs)
    assert np.abs(at - beats).max() <= fs / 125
    assert at.dtype == np.int64
    given, same = kachuee_beats(pulses(beats, 30, fs), fs, at)
    np.testing.assert_array_equal(segments, given)
    np.testing.assert_array_equal(at, same)
    reference, _ = kachuee_beats(pulses(REGULAR, 30), 125)
    np.testing.assert_allclose(segments, reference, atol=0.12)
    np.testing.assert_array_equal(segments[:, 120:], 0)


def test_only_maxima_above_nine_tenths_of_their_ten_seconds_are_peaks() -> None:
    signal = pulses(REGULAR, 30)
    # 0.9 of the window's height, a little less, and a little more; the second window's tallest is twice that.
    signal += pulses(np.array([100]), 30, height=0.85) + 0.2
    signal += pulses(np.array([300]), 30, height=0.95) + 0.2
    signal[1250:2500] = 2 * signal[1250:2500]
    _, at = kachuee_beats(signal, 125)
    assert 100 not in at
    np.testing.assert_array_equal(at, np.sort(np.append(REGULAR, 300)))
    signal[1700] = 5
    _, at = kachuee_beats(signal, 125)
    np.testing.assert_array_equal(at[(at >= 1250) & (at < 2500)], [1700])


def test_each_window_has_its_own_scale_and_period() -> None:
    # 80 samples apart for 20 s, then 120; the second half is three times as tall.
    at = np.concatenate([np.arange(40, 2500, 80), np.arange(2560, 5000, 120)])
    signal = pulses(at, 40)
    signal[2500:] = 3 * signal[2500:]
    segments, _ = kachuee_beats(signal, 125, at)
    late = at >= 2500
    assert segments[:, 0] == pytest.approx(np.ones(len(at)))
    assert segments[~late, 95].all()
    assert segments[late, 143][:-1].all()
    assert not segments[~late, 96:].any()
    assert not segments[late, 144:].any()
    # The smaller beats' segments that reach into the taller half keep their scale and go above 1.
    assert segments[~late].max() == pytest.approx(1)
    across, _ = kachuee_beats(signal, 125, np.array([2420, 2490, 2560]))
    assert across[1].max() > 2


def test_long_periods_are_cut_and_the_recording_ends_in_zeros() -> None:
    at = np.arange(50, 3750, 200)
    segments, _ = kachuee_beats(pulses(at, 30), 125, at)
    assert (segments[:-1, 186] == segments[0, 186]).all()
    regular, _ = kachuee_beats(pulses(REGULAR, 30), 125, np.append(REGULAR, 3740))
    assert regular[-1, :10].all()
    assert not regular[-1, 10:].any()


def test_the_rest_after_the_last_window_is_scaled_by_the_last_ten_seconds() -> None:
    at = np.arange(50, 1550, 100)
    signal = pulses(at, 12.5)
    # In the last 312 samples beats are half as tall.
    signal[1250:] = 0.5 * (signal[1250:] + 0.2) - 0.2
    last = signal[-1250:]
    height = (0.3 - last.min()) / np.ptp(last)
    segments, _ = kachuee_beats(signal, 125, at)
    np.testing.assert_allclose(segments[at < 1250, 0], 1, atol=1e-5)
    np.testing.assert_allclose(segments[at > 1250, 0], height, atol=1e-5)
    assert not segments[:, 120:].any()


def test_windows_of_few_beats_have_the_recordings_period() -> None:
    at = np.concatenate([np.arange(50, 1200, 100), [1800], np.arange(2550, 3700, 100)])
    signal = pulses(at, 30)
    signal += 0.05 * np.sin(np.arange(len(signal)))
    segments, _ = kachuee_beats(signal, 125, at)
    (alone,) = segments[at == 1800]
    assert alone[:120].any()
    assert not alone[120:].any()
    only, _ = kachuee_beats(signal, 125, np.array([1800]))
    assert only[0, 186] > 0


def test_a_flat_window_gives_zeros_and_no_peak() -> None:
    signal = pulses(REGULAR, 30)
    signal[1250:2500] = 4.7
    inside = (REGULAR >= 1250) & (REGULAR < 2500)
    segments, _ = kachuee_beats(np.repeat(signal, 3), 375, 3 * REGULAR)
    assert not segments[inside].any()
    assert segments[~inside].any(axis=1).all()
    _, at = kachuee_beats(signal, 125)
    assert not ((at > 1250) & (at < 2499)).any()
    nothing, at = kachuee_beats(np.full(3000, 4.7), 125)
    assert nothing.shape == (0, 187)
    assert at.shape == (0,)


def test_a_recording_shorter_than_a_window_is_one() -> None:
    at = np.arange(50, 450, 100)
    segments, found = kachuee_beats(pulses(at, 4), 125)
    np.testing.assert_array_equal(found, at)
    np.testing.assert_allclose(segments[:, 0], 1, atol=1e-5)


def test_gain_offset_gaps_and_order_do_not_matter() -> None:
    signal = pulses(REGULAR, 30)
    plain, _ = kachuee_beats(signal, 125, REGULAR)
    moved, _ = kachuee_beats(4 * signal - 2, 125, REGULAR)
    np.testing.assert_allclose(moved, plain, atol=1e-5)
    gappy = signal.copy()
    gappy[95:105] = np.nan
    bridged, _ = kachuee_beats(gappy, 125, REGULAR)
    np.testing.assert_allclose(bridged, plain, atol=1e-3)
    backwards, at = kachuee_beats(signal, 125, REGULAR[::-1])
    np.testing.assert_array_equal(backwards, plain[::-1])
    np.testing.assert_array_equal(at, REGULAR[::-1])


def test_what_cannot_be_cut_is_refused() -> None:
    for signal in (np.zeros((2, 1000)), np.zeros(0)):
        with pytest.raises(ValueError, match="give the samples of one lead"):
            kachuee_beats(signal, 125)
    for wrong in (-1, 1000):
        with pytest.raises(ValueError, match=f"^beat at sample {wrong}; the signal has 1000$"):
            kachuee_beats(np.zeros(1000), 125, np.array([5, wrong]))


def test_simulated_beats_start_at_their_peak() -> None:
    record = simulate(60, leads=("MLII",), seed=1)
    at = record.annotations["truth"].beats().sample
    segments, _ = kachuee_beats(record.signal[:, 0], record.fs, at)
    assert segments.shape == (len(at), 187)
    assert (segments[:, :2].max(axis=1) > segments[:, 2:80].max(axis=1)).all()
    within = at / 360 % 10 < 10 - WIDTH / RATE
    assert within.sum() > 50
    assert segments[within].min() >= 0
    assert segments[within].max() <= 1 + 1e-6


def test_every_annotated_beat_of_a_real_record_has_its_segment(mitdb: Path) -> None:
    record = read_record(mitdb / "100")
    beats = record.annotations["atr"].beats().sample
    segments, at = kachuee_beats(record.signal[:, 0], record.fs, beats)
    assert segments.shape == (2273, 187)
    np.testing.assert_array_equal(at, beats)
    assert np.isfinite(segments).all()
    assert (segments[:, :2].max(axis=1) > segments[:, 2:80].max(axis=1)).mean() > 0.99
    period = np.median(np.diff(beats)) / 360 * 125
    padded = WIDTH - (segments[:, ::-1] > 0).argmax(axis=1)
    assert np.median(padded) == pytest.approx(1.2 * period, abs=3)

    _, found = kachuee_beats(record.signal[:, 0], record.fs)
    nearest = np.abs(found[:, np.newaxis] - beats).min(axis=1)
    assert (nearest <= 0.05 * 360).mean() > 0.99
    assert 0.4 * len(beats) < len(found) < 0.6 * len(beats)


def test_the_way_back_to_millivolts() -> None:
    signal = pulses(REGULAR, 30)
    signal[1250:2500] = 2 * signal[1250:2500]
    segments, at = kachuee_beats(signal, 125, REGULAR)
    scale, offset = kachuee_units(signal, 125, REGULAR)
    assert scale.shape == offset.shape == (37,)
    millivolts = scale[:, None] * segments + offset[:, None]
    for start, own in zip(at[:-1], millivolts[:-1], strict=True):
        np.testing.assert_allclose(own[:120], signal[start : start + 120], atol=1e-5)
    flat_scale, flat_offset = kachuee_units(np.full(3750, 0.3), 125, REGULAR)
    assert not flat_scale.any()
    assert not flat_offset.any()
