"""Spectrograms: tones, impulses and chirps, whose pictures are known; scipy as a second opinion."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import chirp, periodogram

from ecgtune.images import SpectrogramOptions, layered_spectrograms, spectrogram_power, spectrograms
from ecgtune.images.colours import COLOUR_MAPS, colour_table

FS = 128.0
TIME = np.arange(512) / FS
# 64 frequencies from 0.5 to 32 Hz, half a Hz apart.
OPTIONS = SpectrogramOptions(size=64, low_hz=0.5, high_hz=32, window_s=1.0)


def noise(n: int = 3, seconds: float = 4, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, round(seconds * FS))).cumsum(axis=1).astype(np.float32) / 10


def tone(hz: float, amplitude: float = 1.0, phase: float = 0.3) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * TIME + phase)[np.newaxis]


@pytest.mark.parametrize("hz", [4, 10.5, 20])
@pytest.mark.parametrize("amplitude", [0.01, 1, 3])
def test_a_sine_has_half_its_squared_amplitude_at_its_own_frequency(hz: float, amplitude: float) -> None:
    power = spectrogram_power(tone(hz, amplitude), FS, OPTIONS)
    assert power.shape == (1, 64, 64)
    assert power.dtype == np.float32
    row = round((hz - 0.5) / 0.5)
    assert (power[0].argmax(axis=0) == row).all()
    np.testing.assert_allclose(power[0, row], amplitude**2 / 2, rtol=2e-3)


@pytest.mark.parametrize("window_s", [0.5, 1, 2])
def test_a_line_is_as_wide_as_the_window_says(window_s: float) -> None:
    # A Hann window's spectrum has half its height, minus 6 dB in power, at 1 / length from its middle.
    power = spectrogram_power(tone(16), FS, replace(OPTIONS, window_s=window_s))[0, :, 30]
    middle, beside = 31, round(2 / window_s)
    for row in (middle - beside, middle + beside):
        assert power[row] / power[middle] == pytest.approx(0.25, rel=0.05)


def test_pixels_are_those_of_scipy() -> None:
    signal = noise(1)
    power = spectrogram_power(signal, FS, OPTIONS)[0]
    centred = signal[0] - signal[0].mean()
    for column in (0, 17, 63):
        begin = round(OPTIONS.times(512, FS)[column] * FS - 63.5)
        hz, expected = periodogram(
            centred[begin : begin + 128],
            FS,
            window=np.hanning(130)[1:-1],
            nfft=256,
            detrend=False,
            scaling="spectrum",
        )
        np.testing.assert_allclose(hz[1:65], OPTIONS.frequencies())
        np.testing.assert_allclose(power[:, column], expected[1:65], rtol=1e-3, atol=1e-7)


def test_all_frequencies_together_hold_the_energy_of_the_window() -> None:
    # Parseval: the integral over all frequencies is the windowed signal's sum of squares.
    options = SpectrogramOptions(size=257, low_hz=0, high_hz=FS / 2, window_s=1.0)
    signal = noise(1)
    power = spectrogram_power(signal, FS, options)[0]
    hann = np.hanning(130)[1:-1]
    centred = signal[0] - signal[0].mean()
    for column in (0, 100, 256):
        begin = round(options.times(512, FS)[column] * FS - 63.5)
        energy = ((centred[begin : begin + 128] * hann) ** 2).sum()
        found = np.trapezoid(power[:, column], options.frequencies())
        assert found == pytest.approx(FS * energy / hann.sum() ** 2, rel=1e-3)


def test_a_chirp_is_a_line_that_rises_as_its_frequency() -> None:
    signal = chirp(TIME, 5, 4, 25)[np.newaxis]
    power = spectrogram_power(signal, FS, replace(OPTIONS, window_s=0.5))[0]
    highest = OPTIONS.frequencies()[power.argmax(axis=0)]
    np.testing.assert_allclose(highest, 5 + 5 * replace(OPTIONS, window_s=0.5).times(512, FS), atol=0.75)


def test_an_impulse_is_a_column_at_its_time() -> None:
    signal = np.zeros((1, 512))
    signal[0, 256] = 1
    power = spectrogram_power(signal, FS, OPTIONS)[0]
    # All frequencies alike, but for the mean that was taken away; a Hann window's shape in time.
    times = OPTIONS.times(512, FS)
    shape = np.cos(np.pi * np.clip(times - 2, -0.5, 0.5)) ** 4
    for row in (20, 60):
        np.testing.assert_allclose(power[row] / power[row].max(), shape, atol=0.02)


def test_times_lie_inside_the_segment_and_evenly() -> None:
    times = OPTIONS.times(512, FS)
    assert times[0] == pytest.approx(63.5 / FS)
    assert times[-1] == pytest.approx((511 - 63.5) / FS)
    assert np.ptp(np.diff(times)) <= 1 / FS + 1e-9


def test_power_grows_with_the_square_and_knows_no_offset() -> None:
    signal = noise()
    power = spectrogram_power(signal, FS, OPTIONS)
    np.testing.assert_allclose(
        spectrogram_power(3 * signal + 5, FS, OPTIONS), 9 * power, rtol=1e-2, atol=1e-4 * power.max()
    )


def test_backwards_in_time_the_picture_is_mirrored() -> None:
    # 64 windows over 512 samples begin 378 / 63 = 6 samples apart.
    options, signal = replace(OPTIONS, window_s=134 / FS), noise()
    np.testing.assert_allclose(
        spectrogram_power(signal[:, ::-1], FS, options),
        spectrogram_power(signal, FS, options)[:, :, ::-1],
        rtol=1e-3,
        atol=1e-6,
    )


def test_segments_do_not_depend_on_those_beside_them() -> None:
    signal = noise(150, seconds=2)
    together = spectrograms(signal, FS, OPTIONS)
    np.testing.assert_array_equal(together[[0, 77, 149]], spectrograms(signal[[0, 77, 149]], FS, OPTIONS))
    assert spectrograms(signal[:0], FS, OPTIONS).shape == (0, 64, 64, 3)


def test_low_frequencies_are_below_and_late_times_to_the_right() -> None:
    low_then_high = np.where(TIME < 2, tone(3), tone(25))
    image = spectrograms(low_then_high, FS, replace(OPTIONS, colours="grey"))[0, ..., 0]
    bright = image > 230
    assert bright[50:, :24].any()
    assert bright[:20, 40:].any()
    assert not bright[:32, :24].any()
    assert not bright[32:, 40:].any()


def test_colours_are_decibels_below_the_brightest() -> None:
    options = replace(OPTIONS, colours="grey", reference_mv2=0.5, range_db=50)
    # Of amplitude 1 mV the brightest; a tenth of it is 20 dB, so two fifths of the range, darker.
    for amplitude, expected in ((1, 255), (0.1, 153), (0.01, 51), (0.0001, 0), (10, 255)):
        image = spectrograms(tone(16, amplitude), FS, options)[0]
        assert image[63 - 31, 30].tolist() == pytest.approx([expected] * 3, abs=1)


def test_gain_does_not_matter_where_each_segment_is_its_own_reference() -> None:
    signal = noise()
    plain = spectrograms(signal, FS, OPTIONS).astype(int)
    assert np.abs(spectrograms(signal * 8, FS, OPTIONS) - plain).max() == 0
    assert np.abs(spectrograms(signal * 8, FS, replace(OPTIONS, reference_mv2=1.0)) - plain).max() > 0


def test_silence_is_dark() -> None:
    image = spectrograms(np.full((1, 512), 0.7), FS, OPTIONS)
    assert (image == colour_table("viridis")[0]).all()


def test_viridis_is_that_of_matplotlib() -> None:
    from matplotlib import colormaps

    expected = np.rint(np.asarray(colormaps["viridis"](np.arange(256)))[:, :3] * 255)
    np.testing.assert_array_equal(colour_table("viridis"), expected)
    assert set(COLOUR_MAPS) == {"viridis", "grey"}


@pytest.mark.parametrize(
    ("signal", "fs", "said"),
    [
        (np.zeros(512), FS, r"shape \(512,\); give \[n, samples\]"),
        (np.zeros((1, 100)), FS, "100 samples at 128 Hz; a window of 1 s needs 128"),
        (np.zeros((1, 512)), 50, "to 32 Hz asked for; 50 Hz hold those to 25 Hz"),
        (np.array([np.zeros(512), np.full(512, np.nan)]), FS, "segment 1 has missing samples; bridge them"),
    ],
)
def test_segments_that_make_no_picture(signal: np.ndarray, fs: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spectrograms(signal, fs, OPTIONS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 1}, "side 1"),
        ({"low_hz": 40}, "band from 40 to 32 Hz"),
        ({"low_hz": -1}, "band from -1"),
        ({"window_s": 0}, "window of 0 s"),
        ({"range_db": 0}, "range of 0 dB"),
        ({"reference_mv2": 0}, "reference of 0"),
        ({"colours": "jet"}, "unknown colour map 'jet'; known: viridis, grey"),
    ],
)
def test_options_that_make_no_picture(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(OPTIONS, **wrong)


def test_each_colour_is_seen_through_its_own_window() -> None:
    signal, windows = noise(2), (0.25, 0.5, 2.0)
    images = layered_spectrograms(signal, FS, OPTIONS, windows)
    assert images.shape == (2, 64, 64, 3)
    for channel, window in enumerate(windows):
        alone = spectrograms(signal, FS, replace(OPTIONS, window_s=window, colours="grey"))
        np.testing.assert_array_equal(images[..., channel], alone[..., 0])
    assert not np.array_equal(images[..., 0], images[..., 2])
