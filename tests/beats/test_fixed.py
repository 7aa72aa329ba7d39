"""Windows of a fixed time, resampled to a fixed number of samples, and their scaling."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import CubicSpline
from scipy.signal import resample

from ecgtune.beats.fixed import fixed_windows, scale_unit
from ecgtune.readers import read_record
from ecgtune.signals.filters import bandpass

AT = np.array([5000, 7031, 9999])


def times(at: np.ndarray, native: int, width: int) -> np.ndarray:
    """Native samples at which the windows' samples lie."""
    return at[:, np.newaxis] - native // 2 + np.arange(width) * native / width


@pytest.mark.parametrize(("fs", "width"), [(360, 128), (128, 128), (125, 100), (257, 128), (100, 128)])
@pytest.mark.parametrize("hertz", [1.0, 2.3, 10.7, 20.0, 35.0])
def test_a_tone_keeps_its_shape_to_the_edges(fs: int, width: int, hertz: float) -> None:
    signal = np.sin(2 * np.pi * hertz * np.arange(20_000) / fs + 0.4)
    windows = fixed_windows(signal, fs, AT, seconds=1, width=width)
    assert windows.dtype == np.float32
    expected = np.sin(2 * np.pi * hertz * times(AT, fs, width) / fs + 0.4)
    np.testing.assert_allclose(windows, expected, atol=2e-3)


@pytest.mark.parametrize("hertz", [80.0, 100.0, 150.0])
def test_tones_that_the_width_cannot_hold_vanish(hertz: float) -> None:
    signal = np.sin(2 * np.pi * hertz * np.arange(20_000) / 360)
    assert np.abs(fixed_windows(signal, 360, AT, seconds=1, width=128)).max() < 0.01


def test_at_the_same_rate_samples_are_copied() -> None:
    signal = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    windows = fixed_windows(signal, 128, np.array([300, 500]), seconds=0.5, width=64)
    np.testing.assert_allclose(windows, [signal[268:332], signal[468:532]], atol=1e-6)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
def test_a_window_holds_its_seconds_around_the_beat(seconds: float) -> None:
    spike = np.exp(-0.5 * ((np.arange(6000) - 3000) / 8) ** 2)
    (window,) = fixed_windows(spike, 360, np.array([3000]), seconds=seconds, width=128)
    assert window.argmax() == 64
    assert (window > 0.5).sum() * seconds / 128 == pytest.approx(2.355 * 8 / 360, abs=1.5 * seconds / 128)


def test_a_window_beyond_the_signal_repeats_its_ends() -> None:
    ramp = np.arange(1000, dtype=np.float32)
    first, last = fixed_windows(ramp, 256, np.array([0, 999]), seconds=1, width=128)
    np.testing.assert_allclose(first[:60], 0, atol=0.2)
    np.testing.assert_allclose(first[68:], np.arange(8, 128, 2), atol=0.2)
    np.testing.assert_allclose(last[68:], 999, atol=0.2)


@pytest.mark.parametrize("level", [0.0, 0.3, 5.0, -150.0])
def test_a_constant_stays_exactly_constant(level: float) -> None:
    windows = fixed_windows(np.full(5000, level), 360, np.array([100, 2000]), seconds=1, width=128)
    np.testing.assert_array_equal(windows, np.float32(level))


def test_missing_samples_are_bridged() -> None:
    signal = np.arange(4000, dtype=np.float32)
    gappy = signal.copy()
    gappy[1900:2050] = np.nan
    at = np.array([2000])
    np.testing.assert_allclose(
        fixed_windows(gappy, 360, at, seconds=1, width=128),
        fixed_windows(signal, 360, at, seconds=1, width=128),
        rtol=1e-5,
    )


def test_no_beat_gives_no_window() -> None:
    none = fixed_windows(np.zeros(1000), 360, np.empty(0, dtype=np.int64), seconds=1, width=128)
    assert none.shape == (0, 128)
    assert scale_unit(none).shape == (0, 128)


def test_what_makes_no_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"windows of 0 samples \(0.001 s\) to 128 asked for"):
        fixed_windows(np.zeros(1000), 360, AT, seconds=0.001, width=128)
    for signal in (np.zeros((2, 1000)), np.zeros(0)):
        with pytest.raises(ValueError, match="give the samples of one lead"):
            fixed_windows(signal, 360, AT, seconds=1, width=128)


def test_real_beats_are_kept_where_an_fft_of_the_cut_window_rings(mitdb: Path) -> None:
    record = read_record(mitdb / "100")
    signal = bandpass(record.read(0, 60_000)[:, 0], record.fs, 0.4, 30)
    at = record.annotations["atr"].beats().sample
    at = at[(at > 360) & (at < 59_000)]
    exact = CubicSpline(np.arange(len(signal)), signal)(times(at, 360, 128))
    ours = np.abs(fixed_windows(signal, record.fs, at, seconds=1, width=128) - exact).max()
    cut = resample(np.stack([signal[k - 180 : k + 180] for k in at]), 128, axis=1)
    assert ours < 2e-3
    assert np.abs(cut - exact).max() > 10 * ours


windows_of_any_kind = arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(2, 9)), elements=st.floats(-8, 8, width=16)
)


@given(windows_of_any_kind, st.sampled_from([(0.0, 2.0), (-1.0, 1.0), (0.0, 1.0)]))
def test_each_window_fills_the_range_and_keeps_its_shape(
    windows: np.ndarray, ends: tuple[float, float]
) -> None:
    low, high = ends
    scaled = scale_unit(windows, low, high)
    assert scaled.dtype == np.float32
    for window, result in zip(windows, scaled, strict=True):
        if np.ptp(window) == 0:
            np.testing.assert_array_equal(result, (low + high) / 2)
            continue
        assert (result.min(), result.max()) == (low, high)
        np.testing.assert_allclose(
            result, np.interp(window, [window.min(), window.max()], [low, high]), atol=1e-5
        )


def test_scaling_goes_to_two_by_default_and_leaves_its_input() -> None:
    windows = np.array([[1.0, 3.0, 2.0]], dtype=np.float32)
    np.testing.assert_array_equal(scale_unit(windows), [[0, 2, 1]])
    np.testing.assert_array_equal(windows, [[1, 3, 2]])


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="range of 2 to 0 asked for"):
        scale_unit(np.zeros((1, 3), dtype=np.float32), 2, 0)
