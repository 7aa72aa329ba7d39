"""Spectrograms: where in time a segment of rhythm has its power, and at which frequencies.

Each pixel is the power at its own frequency in a Hann window around its own time, in decibels: the short-time
Fourier transform is taken at the image's rows and columns, so nothing is resized.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.images.colours import COLOUR_MAPS, colour_table

Floats = NDArray[np.float32]

_LEAST = 1e-12
"""Power in mV^2 of what is left of a constant where its mean is taken away, and less."""

_FRAMES_TOGETHER = 4096


@dataclass(frozen=True)
class SpectrogramOptions:
    """How spectrograms are drawn.

    Parameters
    ----------
    size
        Side of the images in pixels: rows are frequencies, columns are times.
    low_hz, high_hz
        Frequencies of the lowest and the highest row; rows lie evenly between them.
    window_s
        Length of the Hann window. Where they have lost 6 dB, a pure tone is 2 / ``window_s`` Hz wide and a
        moment ``window_s`` / 2 long.
    range_db
        Decibels from the darkest to the brightest colour.
    reference_mv2
        Power of the brightest colour in mV^2 (a sine of amplitude A mV has A^2 / 2). None: the greatest of
        each segment's own, so that gain does not matter.
    colours
        Of `ecgtune.images.colours.COLOUR_MAPS`.
    """

    size: int = 224
    low_hz: float = 0.5
    high_hz: float = 40.0
    window_s: float = 0.5
    range_db: float = 50.0
    reference_mv2: float | None = None
    colours: str = "viridis"

    def __post_init__(self) -> None:
        if self.size < 2:
            raise ValueError(f"spectrograms of side {self.size} asked for; at least 2")
        if not 0 <= self.low_hz < self.high_hz:
            raise ValueError(
                f"a band from {self.low_hz:g} to {self.high_hz:g} Hz; the first is 0 or more and lower"
            )
        if not self.window_s > 0 or not self.range_db > 0:
            raise ValueError(
                f"a window of {self.window_s:g} s and a range of {self.range_db:g} dB; both are above 0"
            )
        if self.reference_mv2 is not None and not self.reference_mv2 > 0:
            raise ValueError(f"a reference of {self.reference_mv2:g} mV^2; it is above 0")
        if self.colours not in COLOUR_MAPS:
            raise ValueError(f"unknown colour map {self.colours!r}; known: {', '.join(COLOUR_MAPS)}")

    def frequencies(self) -> NDArray[np.floating]:
        """Frequencies in Hz, ascending, [size]."""
        return np.linspace(self.low_hz, self.high_hz, self.size)

    def times(self, n_samples: int, fs: float) -> NDArray[np.floating]:
        """Middles of the windows in s from a segment's first sample, [size]."""
        width = self._width(n_samples, fs)
        return (self._starts(n_samples, fs) + (width - 1) / 2) / fs

    def _width(self, n_samples: int, fs: float) -> int:
        width = round(self.window_s * fs)
        if width < 4 or n_samples < width:
            raise ValueError(
                f"segments of {n_samples} samples at {fs:g} Hz; a window of {self.window_s:g} s needs "
                f"{max(width, 4)}"
            )
        if self.high_hz > fs / 2:
            raise ValueError(
                f"frequencies to {self.high_hz:g} Hz asked for; {fs:g} Hz hold those to {fs / 2:g} Hz"
            )
        return width

    def _starts(self, n_samples: int, fs: float) -> NDArray[np.int64]:
        last = n_samples - self._width(n_samples, fs)
        return np.rint(np.linspace(0, last, self.size)).astype(np.int64)


def spectrogram_power(segments: ArrayLike, fs: float, options: SpectrogramOptions) -> Floats:
    """Compute the power at each frequency and time of segments.

    Windows lie inside the segment: the first begins with it, the last ends with it, and they overlap. The
    segment's mean is taken away first.

    Parameters
    ----------
    segments
        mV, [n, samples].
    fs
        Sampling rate in Hz.
    options
        See `SpectrogramOptions`.

    Returns
    -------
    ndarray
        float32 [n, size, size] in mV^2, [segment, frequency, time], both ascending. A sine of amplitude A mV
        has A^2 / 2 at its own frequency.

    Raises
    ------
    ValueError
        On segments that are shorter than a window or have missing samples, and on frequencies that the
        sampling rate does not hold.
    """
    signal = _checked(segments)
    n, length = signal.shape
    width, starts = options._width(length, fs), options._starts(length, fs)
    signal = signal - signal.mean(axis=1, keepdims=True)
    # About the window's middle, which only turns phases.
    time = (np.arange(width) - (width - 1) / 2) / fs
    hann = np.hanning(width + 2)[1:-1]
    phase = 2 * np.pi * time[:, np.newaxis] * options.frequencies()
    # A product with waves, not a fast transform: it has the image's own frequencies, and is as fast.
    scaled = hann[:, np.newaxis] * (np.sqrt(2) / hann.sum())
    waves = np.concatenate([scaled * np.cos(phase), scaled * np.sin(phase)], axis=1).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(signal, width, axis=1)
    power = np.empty((n, options.size, options.size), dtype=np.float32)
    together = max(1, _FRAMES_TOGETHER // options.size)
    for at in range(0, n, together):
        parts = frames[at : at + together, starts].reshape(-1, width) @ waves
        parts *= parts
        both = parts[:, : options.size] + parts[:, options.size :]
        power[at : at + together] = both.reshape(-1, options.size, options.size).transpose(0, 2, 1)
    return power


def spectrograms(segments: ArrayLike, fs: float, options: SpectrogramOptions) -> NDArray[np.uint8]:
    """Draw segments of rhythm as spectrograms.

    Parameters
    ----------
    segments
        mV, [n, samples].
    fs
        Sampling rate in Hz.
    options
        See `SpectrogramOptions`.

    Returns
    -------
    ndarray
        uint8 [n, size, size, 3], RGB: time to the right, frequency upwards. A segment without any power is
        of the darkest colour.

    Raises
    ------
    ValueError
        As `spectrogram_power`.
    """
    power = spectrogram_power(segments, fs, options)
    table = colour_table(options.colours)
    images = np.empty((*power.shape, 3), dtype=np.uint8)
    for image, own in zip(images, power, strict=True):
        highest = float(own.max())
        reference = np.float32(options.reference_mv2 or highest)
        if highest < _LEAST:
            image[:] = table[0]
            continue
        np.maximum(own, np.float32(_LEAST), out=own)
        level = np.log10(own / reference) * np.float32(10 * 255 / options.range_db) + np.float32(255)
        np.take(table, np.rint(np.clip(level, 0, 255)).astype(np.uint8)[::-1], axis=0, out=image)
    return images


def layered_spectrograms(
    segments: ArrayLike, fs: float, options: SpectrogramOptions, windows_s: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """Draw segments as one spectrogram a colour: red, green and blue through a window of their own length.

    A short window shows when, a long one at which frequency; an image network reads three channels.

    Parameters
    ----------
    segments
        mV, [n, samples].
    fs
        Sampling rate in Hz.
    options
        See `SpectrogramOptions`; its window and colours are not used.
    windows_s
        Length in s of the Hann windows of red, green and blue.

    Returns
    -------
    ndarray
        uint8 [n, size, size, 3].

    Raises
    ------
    ValueError
        As `spectrogram_power`.
    """
    drawn = (
        spectrograms(segments, fs, replace(options, window_s=window, colours="grey")) for window in windows_s
    )
    return np.stack([images[..., 0] for images in drawn], axis=-1)


def _checked(segments: ArrayLike) -> Floats:
    signal: Floats = np.asarray(segments, dtype=np.float32)
    if signal.ndim != 2:
        raise ValueError(f"segments of shape {signal.shape}; give [n, samples]")
    if not np.isfinite(signal).all():
        missing = int(np.flatnonzero(~np.isfinite(signal).all(axis=1))[0])
        raise ValueError(f"segment {missing} has missing samples; bridge them first")
    return signal
