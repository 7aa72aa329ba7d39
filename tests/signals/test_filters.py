"""Band-pass of whole signals: what it passes, what it bridges, what it refuses."""

import numpy as np
import pytest
from scipy.signal import butter, freqz_sos

from ecgtune.signals.filters import bandpass, bridge_gaps


def tone(hertz: float, fs: float, seconds: float = 60) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * fs)) / fs)


@pytest.mark.parametrize("fs", [128.0, 360.0, 1000.0])
@pytest.mark.parametrize("hertz", [0.1, 0.4, 1.0, 5.0, 17.0, 30.0, 50.0])
@pytest.mark.parametrize("order", [2, 4])
def test_a_tone_is_passed_without_delay_by_the_square_of_the_gain(
    fs: float, hertz: float, order: int
) -> None:
    _, gain = freqz_sos(butter(order, (0.4, 30), "bandpass", fs=fs, output="sos"), worN=[hertz], fs=fs)
    filtered = bandpass(tone(hertz, fs), fs, 0.4, 30, order=order)
    inside = slice(round(20 * fs), -round(20 * fs))
    np.testing.assert_allclose(filtered[inside], abs(gain[0]) ** 2 * tone(hertz, fs)[inside], atol=2e-3)


@pytest.mark.parametrize("hertz", [0.4, 30.0])
def test_at_a_cut_off_half_the_amplitude_is_left(hertz: float) -> None:
    filtered = bandpass(tone(hertz, 360), 360, 0.4, 30)
    assert np.abs(filtered[20 * 360 : -20 * 360]).max() == pytest.approx(0.5, abs=2e-3)


@pytest.mark.parametrize("offset", [0.0, 5.0, -300.0])
def test_an_offset_vanishes(offset: float) -> None:
    np.testing.assert_allclose(
        bandpass(offset + tone(5, 360), 360, 0.4, 30), bandpass(tone(5, 360), 360, 0.4, 30), atol=1e-4
    )


def test_every_lead_is_filtered_along_the_last_axis() -> None:
    signal = np.random.default_rng(0).normal(size=(2, 3, 2000)).astype(np.float32)
    before = signal.copy()
    filtered = bandpass(signal, 250, 0.5, 40)
    assert filtered.dtype == np.float32
    for lead in np.ndindex(2, 3):
        np.testing.assert_array_equal(filtered[lead], bandpass(signal[lead], 250, 0.5, 40))
    np.testing.assert_array_equal(signal, before)


@pytest.mark.parametrize("n", [1, 2, 20])
def test_short_signals_are_filtered_too(n: int) -> None:
    filtered = bandpass(np.arange(n), 360, 0.4, 30)
    assert filtered.shape == (n,)
    assert np.isfinite(filtered).all()


@pytest.mark.parametrize(
    ("fs", "low", "high"), [(100, 0.4, 50), (100, 0, 30), (100, 30, 0.4), (100, 5, 5), (float("nan"), 1, 2)]
)
def test_a_band_that_the_rate_cannot_hold_is_refused(fs: float, low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"^band of .* Hz at .* Hz; choose one"):
        bandpass(np.zeros(1000), fs, low, high)


def test_a_signal_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        bandpass(np.zeros((2, 0)), 360, 0.4, 30)


def test_gaps_are_bridged_by_straight_lines() -> None:
    nan = np.nan
    signal = np.array([[nan, 1, nan, nan, 4, nan], [nan] * 6, [1, 2, 3, 4, 5, np.inf]], dtype=np.float32)
    bridged = bridge_gaps(signal)
    np.testing.assert_allclose(bridged, [[1, 1, 2, 3, 4, 4], [0] * 6, [1, 2, 3, 4, 5, 5]], rtol=1e-6)
    assert np.isnan(signal[0, 0])
    np.testing.assert_array_equal(bandpass(signal, 360, 0.4, 30), bandpass(bridged, 360, 0.4, 30))


def test_a_whole_signal_is_not_copied() -> None:
    signal = np.ones(10, dtype=np.float32)
    assert bridge_gaps(signal) is signal
    assert bridge_gaps(np.ones(10)).dtype == np.float32
