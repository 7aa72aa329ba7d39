"""Noise as it was recorded: PhysioNet's noise stress test database, at the strength that ``nst`` gives it.

Its recordings are ``bw`` (baseline wander), ``ma`` (muscle) and ``em`` (electrode motion). Where a copy of
the database lacks ``em``, it is won back from record 118e_6, which is mitdb 118 with em at -6 dB: what it has
more than 118 is em, 13 of its 30 minutes, since ``nst`` adds noise for two minutes in four.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ecgtune.databases import find_database
from ecgtune.errors import DataError
from ecgtune.readers import read_record
from ecgtune.record import FloatArray
from ecgtune.signals.noise import measured_beats, noise_level, qrs_amplitude
from ecgtune.signals.resample import working_ratio

STEP_MV = 1 / 200
"""Unit of the converter of these recordings."""

EM_SNR_DB = -6.0
"""At which em was added to mitdb 118 to make nstdb 118e_6."""

EM_MINUTES = tuple((float(minute), float(min(minute + 2, 30))) for minute in range(5, 30, 4))
"""Of the record, in which em was added."""

_EDGE_S = 0.1


@dataclass(frozen=True)
class RecordedNoise:
    """A noise recording.

    Parameters
    ----------
    name
        Of `RECORDED_NOISES`.
    fs
        Sampling rate in Hz.
    signal
        mV, float32 [samples, leads].
    level
        RMS of each lead by which ``nst`` weighs it, float64 [leads]; see `ecgtune.signals.noise.noise_level`.
        It is that of the recording's first 300 seconds at its own rate, however loud the rest may be.
    source
        Where it is from, in a few words.
    """

    name: str
    fs: float
    signal: FloatArray = field(repr=False)
    level: NDArray[np.float64]
    source: str = ""

    def at_rate(self, fs: float) -> "RecordedNoise":
        """Return the same resampled; its level stays what was measured at its own rate, as in ``nst``."""
        if fs == self.fs:
            return self
        # The ratio of either rate to the working rate is a small fraction.
        ratio = working_ratio(self.fs) / working_ratio(fs)
        first = self.signal[:1]
        resampled = resample_poly(self.signal - first, ratio.numerator, ratio.denominator, axis=0) + first
        return replace(self, fs=fs, signal=resampled.astype(np.float32))

    def piece(self, start: int, n_samples: int) -> FloatArray:
        """Samples from ``start`` on; after its end the recording begins again, without a step.

        Parameters
        ----------
        start
            First sample; may lie beyond the end.
        n_samples
            How many.

        Returns
        -------
        ndarray
            float32 [n_samples, leads].
        """
        rows = np.arange(start, start + n_samples)
        whole = self.signal[rows % len(self.signal)]
        step = self.signal[-1] - self.signal[0]
        return np.asarray(whole + (rows // len(self.signal))[:, np.newaxis] * step, dtype=np.float32)


def recorded_noise(name: str) -> RecordedNoise:
    """Read a noise recording.

    Parameters
    ----------
    name
        ``"bw"``, ``"ma"`` or ``"em"``.

    Raises
    ------
    ValueError
        On an unknown name.
    DataError
        Where nstdb (for em also mitdb's 118) is not there.
    """
    if name not in _READERS:
        raise ValueError(f"unknown noise recording {name!r}; known: {', '.join(_READERS)}")
    return _READERS[name](name)


def _plain(name: str) -> RecordedNoise:
    record = read_record(find_database("nstdb").path(name))
    signal = record.signal
    return RecordedNoise(
        name, record.fs, signal, noise_level(signal, record.fs, step=STEP_MV), f"nstdb {name}"
    )


def _electrode_motion(name: str) -> RecordedNoise:
    return _plain(name) if name in find_database("nstdb").records() else electrode_motion_of_118()


def electrode_motion_of_118() -> RecordedNoise:
    """Win em back from nstdb 118e_6 and mitdb 118, to the unit of the converter.

    Raises
    ------
    DataError
        Where one of them is not there, or they do not belong together.
    """
    clean = read_record(find_database("mitdb").path("118"))
    noisy = read_record(find_database("nstdb").path("118e_6"))
    if noisy.fs != clean.fs or noisy.n_samples != clean.n_samples:
        raise DataError(f"nstdb 118e_6 is not mitdb 118 with noise; download nstdb again ({noisy.path})")
    added = noisy.signal - clean.signal
    pieces, edge = [], round(_EDGE_S * clean.fs)
    end = np.zeros(added.shape[1], dtype=np.float32)
    for begin, stop in EM_MINUTES:
        piece = added[round(begin * 60 * clean.fs) + edge : round(stop * 60 * clean.fs) - edge]
        pieces.append(piece - piece[0] + end)
        end = pieces[-1][-1]
    amplitude = qrs_amplitude(clean.signal, clean.fs, measured_beats(clean.annotations["atr"]))
    # What nst took for em's level: by it, this much of em is EM_SNR_DB beside 118.
    level = amplitude / np.sqrt(8 * 10 ** (EM_SNR_DB / 10))
    source = f"{len(EM_MINUTES)} stretches of nstdb em, won back from nstdb 118e_6 and mitdb 118"
    return RecordedNoise("em", clean.fs, np.concatenate(pieces), level, source)


_READERS: dict[str, Callable[[str], RecordedNoise]] = {"bw": _plain, "ma": _plain, "em": _electrode_motion}

RECORDED_NOISES: tuple[str, ...] = tuple(_READERS)
"""Noise recordings: baseline wander, muscle artefact, electrode motion."""
