"""Stretches of recordings, clean and spoilt."""

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.explain.robustness_plan import CLEAN, Condition
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, ArraySource, FloatArray, Record
from ecgtune.signals.faults import Fault, with_faults
from ecgtune.signals.noise import (
    NOISE_KINDS,
    NoiseSource,
    measured_beats,
    noise_gain,
    noise_level,
    qrs_amplitude,
)
from ecgtune.signals.noise_recorded import RecordedNoise, recorded_noise

SETTLE_S = 10.0
"""Seconds of a stretch that are read before the part that is scored. In them no lead is lost for good: a lead
that is flat from the first sample on is left out by whoever reads it, and none of this study's business."""

LOST_S = (1.0, 10.0)
"""Shortest and longest time for which a lead is lost and comes back."""

_MEASURED_S = 300
_SHARES = {"loss-10": 0.1, "loss-30": 0.3, "loss-50": 0.5}


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, and what noise is measured by.

    Parameters
    ----------
    record
        The part, in memory; its annotations ``atr`` are the beats.
    start
        Its first sample in the recording.
    amplitude
        QRS amplitude of each lead of the whole recording in mV, as ``sigamp`` measures it, float64 [leads].
    seed
        Of all that is drawn for it.
    """

    record: Record = field(repr=False)
    start: int
    amplitude: NDArray[np.float64]
    seed: int


def stretch_of(record: Record, annotations: Annotations, minutes: tuple[float, float], seed: int) -> Stretch:
    """Cut out some minutes, and `SETTLE_S` before them.

    Parameters
    ----------
    record, annotations
        The recording and its reference beats.
    minutes
        First and last; the recording's end where it is shorter.
    seed
        See `Stretch`.

    Raises
    ------
    RecordError
        Where the recording ends before, has no beat there, or a single lead.
    """
    if len(record.leads) < 2:
        raise RecordError(f"{record.name}: one lead; a study of lead loss needs two")
    start = max(0, round((60 * minutes[0] - SETTLE_S) * record.fs))
    stop = min(record.n_samples, round(60 * minutes[1] * record.fs))
    beats = annotations.select((annotations.sample >= start) & (annotations.sample < stop))
    if start >= stop or not len(beats.beats()):
        raise RecordError(
            f"{record.name}: no beats from minute {minutes[0]:g} to {minutes[1]:g}; take another record"
        )
    shifted = replace(beats, sample=beats.sample - start)
    amplitude = qrs_amplitude(record.signal, record.fs, measured_beats(annotations))
    part = replace(
        record,
        n_samples=stop - start,
        source=ArraySource(record.read(start, stop)),
        annotations={"atr": shifted},
    )
    return Stretch(part, start, amplitude, seed)


def spoilt(stretch: Stretch, condition: Condition) -> Record:
    """Spoil a stretch; the same stretch and condition give the same samples.

    Noise of one kind is the same at every ratio but for its strength, and lies where ``nst`` would put it: at
    the same time of the noise recording as of the ECG.
    """
    kind, record = condition.kind, stretch.record
    if kind == CLEAN:
        return record
    if condition.snr is None:
        return _with_losses(stretch, record, kind)
    alone = kind.endswith("-alone")
    noise, level = _noise(stretch, kind.removesuffix("-alone"))
    gain = noise_gain(stretch.amplitude, level, condition.snr).astype(np.float32)
    noisy = replace(record, source=ArraySource(record.signal + gain * noise))
    return _with_losses(stretch, noisy, "loss-first") if alone else noisy


def _noise(stretch: Stretch, kind: str) -> tuple[FloatArray, NDArray[np.float64]]:
    """Noise of each lead from 0 on, float32 [samples, leads], and its level by ``nst``, float64 [leads]."""
    record = stretch.record
    leads, n = len(record.leads), record.n_samples
    if kind in NOISE_KINDS:
        source = NoiseSource(kind, record.fs, leads, stretch.seed)
        level = noise_level(source.read(0, round(_MEASURED_S * record.fs)), record.fs)
        drawn = source.read(stretch.start, stretch.start + n)
    else:
        recorded = _recorded(kind, record.fs)
        pairs = np.arange(leads) % recorded.signal.shape[1]
        level = recorded.level[pairs]
        drawn = recorded.piece(stretch.start, n)[:, pairs]
    return drawn - drawn[:1], level


@cache
def _recorded(name: str, fs: float) -> RecordedNoise:
    return recorded_noise(name).at_rate(fs)


def _with_losses(stretch: Stretch, record: Record, kind: str) -> Record:
    first, second = preferred_leads(record, range(len(record.leads)), 2)
    if kind in _SHARES:
        faults = [fault for lead in (first, second) for fault in _comes_and_goes(stretch, lead, kind)]
    else:
        faults = [Fault(first if kind == "loss-first" else second, SETTLE_S, np.inf, "flat")]
    return with_faults(record, faults)


def _comes_and_goes(stretch: Stretch, lead: int, kind: str) -> list[Fault]:
    """Draw times at which a lead is lost; together they are the kind's share of the stretch on average."""
    share, duration = _SHARES[kind], stretch.record.duration
    rng = np.random.default_rng([stretch.seed, lead, round(100 * share)])
    between = float(np.mean(LOST_S)) * (1 - share) / share
    faults, at = [], SETTLE_S + rng.exponential(between)
    while at < duration:
        length = rng.uniform(*LOST_S)
        faults.append(Fault(lead, at, min(at + length, duration), "flat"))
        at += length + rng.exponential(between)
    return faults
