"""Noise of ECG recordings: synthetic kinds, and adding noise at a signal-to-noise ratio.

The signal-to-noise ratio (SNR) is that of PhysioNet's noise stress test ``nst`` (Moody, Muldrow and Mark
1984) as measured by ``sigamp``: signal power is the square of the QRS peak-to-peak amplitude divided by 8
(the power of a sine of that amplitude), where the amplitude is taken within 50 ms of each beat that is
annotated as normal or supraventricular (`measured_beats`); noise power is the square of the RMS amplitude in
windows of one second, each about its own mean, so that drifts slower than a second do not count. Both are
means over the first 300 measurements without the largest and the smallest 5 %. Noise recordings are in
`ecgtune.signals.noise_recorded`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, rfftfreq

from ecgtune.labels import BEAT_SYMBOLS
from ecgtune.record import Annotations, FloatArray, Record, SignalSource
from ecgtune.signals.blocks import BlockSource

_MEASUREMENTS = 300
_HALF_QRS = 0.05

_UNMEASURED = frozenset("VErF?")
"""Beats that ``sigamp`` does not measure: ventricular, fusion, learning. It measures every other kind."""

NOISE_KINDS: tuple[str, ...] = ("white", "muscle", "wander", "motion", "mains50", "mains60")
"""Names of the synthetic kinds; see `NoiseSource`."""


def _shape(kind: str, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude spectrum of a kind of noise, in any unit."""
    f = np.maximum(frequency, 1e-6)
    if kind == "white":
        return np.ones_like(f)
    if kind == "muscle":
        return (f / 15) ** 2 / (1 + (f / 15) ** 2) / (1 + (f / 90) ** 2)
    if kind == "wander":
        return np.where((f >= 0.04) & (f <= 1.0), 1 / (f * (1 + (f / 0.4) ** 4)), 0.0)
    return np.where(f >= 0.3, 1 / (1 + (f / 4) ** 2), 0.0)


class NoiseSource(BlockSource):
    """Synthetic noise without end, of RMS about 1 and independent in each lead.

    Stationary kinds are Gaussian noise with a given spectrum, made by inverse FFT in segments of two blocks
    that overlap by one; sine windows keep the power constant across the overlap.

    ======== ===========================================================================================
    white    flat spectrum
    muscle   electromyogram: a broad hump from 10 to 100 Hz
    wander   baseline wander: 0.04 to 0.5 Hz, falling as 1/f
    motion   electrode motion: 0.3 to 8 Hz in bursts (log-normal envelope), which resembles P-QRS-T most
    mains50  hum of 50 Hz with 10 % of third harmonic, its amplitude swelling slowly; mains60 likewise
    ======== ===========================================================================================

    Parameters
    ----------
    kind
        One of `NOISE_KINDS`.
    fs
        Sampling rate in Hz; for hum above twice its frequency.
    n_leads
        Number of leads.
    seed
        The same seed gives the same noise.

    Raises
    ------
    ValueError
        On an unknown kind, a rate that is not positive, or too low for the hum.
    """

    def __init__(self, kind: str, fs: float, n_leads: int, seed: int = 0) -> None:
        if kind not in NOISE_KINDS:
            raise ValueError(f"unknown noise {kind!r}; known: {', '.join(NOISE_KINDS)}")
        if not fs > 0:
            raise ValueError(f"sampling rate {fs:g} Hz is not positive")
        if kind.startswith("mains") and fs <= 2 * float(kind[5:]):
            raise ValueError(f"{kind} needs a sampling rate above {2 * int(kind[5:])} Hz; it is {fs:g} Hz")
        super().__init__(fs, n_leads)
        self.kind = kind
        self.seed = seed
        self._segment: tuple[int, FloatArray] | None = None

    def generate(self, index: int) -> FloatArray:
        """Noise of block number ``index``, float32 [block, leads]."""
        if self.kind.startswith("mains"):
            return self._hum(index)
        block = self.block
        window = np.sin(np.pi * (np.arange(2 * block) + 0.5) / (2 * block)).astype(np.float32)[:, np.newaxis]
        before, after = self._gaussian(index), self._gaussian(index + 1)
        self._segment = (index + 1, after)
        return np.asarray(before[block:] * window[block:] + after[:block] * window[:block])

    def _gaussian(self, index: int) -> FloatArray:
        """Segment number ``index``, two blocks long."""
        if self._segment is not None and self._segment[0] == index:
            return self._segment[1]
        n = 2 * self.block
        rng = np.random.default_rng([self.seed, NOISE_KINDS.index(self.kind), index])
        frequency = rfftfreq(n, 1 / self.fs)
        noise = self._coloured(rng, _shape(self.kind, frequency), n)
        if self.kind == "motion":
            envelope = np.exp(0.8 * self._coloured(rng, _shape("wander", frequency), n) - 0.64)
            noise *= envelope
        return noise

    def _coloured(self, rng: np.random.Generator, shape: NDArray[np.float64], n: int) -> FloatArray:
        """Gaussian noise of RMS 1 with an amplitude spectrum, float32 [n, leads]."""
        used = np.flatnonzero(shape)
        scale = shape[used] / np.sqrt(2 * np.sum(shape[used] ** 2))
        spectrum = np.zeros((self.n_leads, len(shape)), dtype=np.complex64)
        parts = rng.standard_normal((self.n_leads, len(used), 2), dtype=np.float32)
        spectrum[:, used] = (parts[..., 0] + 1j * parts[..., 1]) * scale.astype(np.float32) * (n / np.sqrt(2))
        return np.asarray(irfft(spectrum, n, axis=1).T, dtype=np.float32)

    def _hum(self, index: int) -> FloatArray:
        frequency = float(self.kind[5:])
        rng = np.random.default_rng([self.seed, NOISE_KINDS.index(self.kind)])
        phase, swell = rng.uniform(0, 2 * np.pi, (2, self.n_leads))
        sample = index * self.block + np.arange(self.block, dtype=np.float64)[:, np.newaxis]
        angle = 2 * np.pi * ((sample * frequency / self.fs) % 1) + phase
        wave = np.sin(angle)
        if 6 * frequency < self.fs:
            wave += 0.1 * np.sin(3 * angle)
        amplitude = np.sqrt(2) * (1 + 0.2 * np.sin(2 * np.pi * sample / self.fs / 97 + swell))
        return np.asarray(amplitude * wave, dtype=np.float32)


def _trimmed_mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over the first axis without the largest and the smallest 5 %; NaN where nothing is left."""
    out = np.full(values.shape[1], np.nan)
    for lead in range(values.shape[1]):
        kept = np.sort(values[:, lead][np.isfinite(values[:, lead])]).astype(np.float64)
        cut = len(kept) // 20
        if len(kept):
            out[lead] = kept[cut : len(kept) - cut].mean()
    return out


def _two_dimensional(signal: ArrayLike) -> FloatArray:
    array = np.asarray(signal, dtype=np.float32)
    return array[:, np.newaxis] if array.ndim == 1 else array


def _amplitude(
    source: SignalSource, n_samples: int, fs: float, beats: NDArray[np.integer]
) -> NDArray[np.float64]:
    half = max(1, round(_HALF_QRS * fs))
    whole = beats[(beats >= half) & (beats < n_samples - half)][:_MEASUREMENTS]
    if not len(whole):
        raise ValueError("no beat at which to measure the signal")
    return _trimmed_mean(
        np.array([np.ptp(source.read(int(beat) - half, int(beat) + half + 1), axis=0) for beat in whole])
    )


def qrs_amplitude(signal: ArrayLike, fs: float, beats: ArrayLike) -> NDArray[np.float64]:
    """QRS peak-to-peak amplitude of each lead as ``sigamp`` measures it, in the unit of ``signal``.

    Parameters
    ----------
    signal
        [samples] or [samples, leads].
    fs
        Sampling rate in Hz.
    beats
        Sample numbers of the (normal) beats, [n]; the first 300 are used.

    Returns
    -------
    ndarray
        float64 [leads]; NaN where a lead is missing at every beat.

    Raises
    ------
    ValueError
        Where no beat lies at least 50 ms inside the signal.
    """
    record = Record.from_array(_two_dimensional(signal), fs)
    return _amplitude(record.source, record.n_samples, fs, np.asarray(beats, dtype=np.int64))


def measured_beats(annotations: Annotations) -> NDArray[np.int64]:
    """Samples of the beats whose QRS ``sigamp`` measures, int64 [n]; of all beats where there is none.

    All but ventricular and fusion beats count: ``N L R B e j A a J S n / f Q``.
    """
    beats = annotations.beats()
    usual = np.isin(beats.symbol, sorted(BEAT_SYMBOLS - _UNMEASURED))
    return beats.sample[usual] if usual.any() else beats.sample


def noise_level(noise: ArrayLike, fs: float, *, step: float | None = None) -> NDArray[np.float64]:
    """RMS of noise in windows of a second about their means, as ``sigamp`` measures it.

    Parameters
    ----------
    noise
        [samples] or [samples, leads]; the first 300 seconds are used.
    fs
        Sampling rate in Hz.
    step
        Unit of the converter in the unit of ``noise``. Where given, each sample's distance from the mean is
        cut to whole units, as in ``sigamp``: PhysioNet's noise recordings then measure 0.2 to 0.4 dB weaker
        than they are, and ``nst`` adds as much more of them.

    Returns
    -------
    ndarray
        float64 [leads], in the unit of ``noise``.
    """
    array = _two_dimensional(noise)
    width = min(max(1, round(fs)), max(1, len(array)))
    n = min(len(array) // width, _MEASUREMENTS)
    pieces = array[: n * width].reshape(n, width, array.shape[1]).astype(np.float64)
    distance = pieces - pieces.mean(axis=1, keepdims=True)
    if step is not None:
        units = np.round(pieces / step)
        distance = np.trunc(units - units.mean(axis=1, keepdims=True)) * step
    return _trimmed_mean(np.sqrt((distance**2).mean(axis=1)))


def snr_db(signal: ArrayLike, noise: ArrayLike, fs: float, beats: ArrayLike) -> NDArray[np.float64]:
    """Signal-to-noise ratio of each lead in dB, see the module; arguments as in `add_noise`."""
    power = qrs_amplitude(signal, fs, beats) ** 2 / 8
    return np.asarray(10 * np.log10(power / noise_level(noise, fs) ** 2))


def noise_gain(
    amplitude: NDArray[np.float64], level: NDArray[np.float64], wanted_db: float
) -> NDArray[np.float64]:
    """Factor of each lead for the noise; 0 where the lead or the noise is silent or missing.

    Parameters
    ----------
    amplitude
        QRS amplitude of each lead, see `qrs_amplitude`.
    level
        Of the noise that each lead gets, in the same unit, see `noise_level`.
    wanted_db
        Signal-to-noise ratio in dB.
    """
    gain = np.zeros_like(amplitude)
    usable = (amplitude > 0) & (level > 0)
    gain[usable] = amplitude[usable] / level[usable] / np.sqrt(8 * 10 ** (wanted_db / 10))
    return gain


def add_noise(signal: ArrayLike, noise: ArrayLike, snr_db: float, fs: float, beats: ArrayLike) -> FloatArray:
    """Add noise, synthetic or recorded, at a signal-to-noise ratio as ``nst`` defines it (see the module).

    Noise that is shorter than the signal starts again from its beginning; where it has fewer leads, they are
    used again in turn, as in ``nst``.

    Parameters
    ----------
    signal
        mV, [samples] or [samples, leads].
    noise
        Any unit, [samples] or [samples, leads], at the rate of the signal.
    snr_db
        Wanted signal-to-noise ratio in dB, the same in every lead.
    fs
        Sampling rate of both in Hz.
    beats
        Sample numbers of the beats that the signal is measured by, [n]; see `measured_beats`.

    Returns
    -------
    ndarray
        float32, shaped as ``signal``.

    Raises
    ------
    ValueError
        Where there is no noise, or no beat to measure the signal by.
    """
    clean, added = _two_dimensional(signal), _two_dimensional(noise)
    if not len(added):
        raise ValueError("the noise has no samples")
    gain = noise_gain(
        qrs_amplitude(clean, fs, beats),
        noise_level(added, fs)[np.arange(clean.shape[1]) % added.shape[1]],
        snr_db,
    ).astype(np.float32)
    rows = np.arange(len(clean)) % len(added)
    out = clean.copy()
    for lead in range(clean.shape[1]):
        out[:, lead] += gain[lead] * added[rows, lead % added.shape[1]]
    return out.reshape(np.shape(signal))


@dataclass(frozen=True)
class _NoisySource:
    source: SignalSource
    noises: tuple[tuple[NoiseSource, FloatArray], ...]

    def read(self, start: int, stop: int) -> FloatArray:
        piece = self.source.read(start, stop).astype(np.float32)
        for noise, gain in self.noises:
            piece += gain * noise.read(start, stop)
        return piece


def with_noise(record: Record, noise: Mapping[str, float], *, annotator: str, seed: int = 0) -> Record:
    """The same record with synthetic noise, added as it is read.

    Parameters
    ----------
    record
        Any record, simulated or real.
    noise
        Kind (one of `NOISE_KINDS`) to signal-to-noise ratio in dB; each kind has its own ratio, measured on
        the first 300 of the record's `measured_beats`.
    annotator
        Whose annotations of ``record`` say where the beats are.
    seed
        The same seed gives the same noise.

    Raises
    ------
    ValueError
        On an unknown kind, or where there is no beat to measure the signal by.
    """
    if not noise:
        return record
    sources = [NoiseSource(kind, record.fs, len(record.leads), seed) for kind in noise]
    beats = measured_beats(record.annotations[annotator])
    amplitude = _amplitude(record.source, record.n_samples, record.fs, beats)
    head = round(_MEASUREMENTS * record.fs)
    measured = partial(noise_level, fs=record.fs)
    gains = [
        noise_gain(amplitude, measured(source.read(0, head)), wanted).astype(np.float32)
        for source, wanted in zip(sources, noise.values(), strict=True)
    ]
    return replace(record, source=_NoisySource(record.source, tuple(zip(sources, gains, strict=True))))
