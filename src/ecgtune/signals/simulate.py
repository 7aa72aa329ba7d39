"""Simulated ECG of any length whose beats are known: for tests, and long recordings for benchmarks."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ecgtune.record import Annotations, FloatArray, Record, normalise_lead
from ecgtune.signals.blocks import BlockSource
from ecgtune.signals.faults import Fault, with_faults
from ecgtune.signals.noise import with_noise
from ecgtune.signals.simulate_beats import LEADS, BeatShapes, Heart, breathing, shape_beats
from ecgtune.signals.simulate_rhythm import RHYTHMS, RhythmPlan, plan_rhythm

USUAL_ECTOPY: Mapping[str, float] = MappingProxyType({"S": 0.02, "V": 0.03, "F": 0.005, "paced": 0.0})
"""Fractions of ectopic beats where none are asked for."""

# The atria's dipole in fibrillation, mV along Frank's axes: largest in V1.
_F_WAVE = (-0.03, 0.04, -0.07)
_F_WAVE_FADE = 0.4


class SimulatedSource(BlockSource):
    """Samples of a simulated recording, made as they are read.

    The beats are decided beforehand; the signal is drawn in fixed blocks of at least a minute, so that any
    piece is bit-identical however it is read, and memory is bounded by the piece.

    Parameters
    ----------
    plan
        The beats.
    shapes
        How they look.
    heart
        The patient.
    leads
        Names from `ecgtune.signals.simulate_beats.LEADS`.
    fs
        Sampling rate in Hz.
    rng
        Decides drift by breathing and fibrillation waves.
    """

    def __init__(
        self,
        plan: RhythmPlan,
        shapes: BeatShapes,
        heart: Heart,
        leads: tuple[str, ...],
        fs: float,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(fs, len(leads))
        self._shapes = shapes
        self._heart = heart
        self._fibrillation = [(a, b) for a, b, name in plan.segments if name == "af"]
        seen = np.array([LEADS[lead] for lead in leads])
        self._drift = seen @ rng.normal(0, 0.03, 3)
        self._f_wave = seen @ np.array(_F_WAVE) * rng.uniform(0.7, 1.2)
        self._f_rate = rng.uniform(5.0, 7.5)

    def generate(self, index: int) -> FloatArray:
        """Samples of block number ``index`` in mV, float32 [block, leads]."""
        start = index * self.block
        t = (start + np.arange(self.block)) / self.fs
        signal = self._heart.draw(self._shapes, start, self.block)
        signal = signal + (breathing(t)[:, np.newaxis] * self._drift).astype(np.float32)
        if any(a < t[-1] and b > t[0] for a, b in self._fibrillation):
            signal += (self._fibrillating(t)[:, np.newaxis] * self._f_wave).astype(np.float32)
        return np.ascontiguousarray(signal)

    def _fibrillating(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fibrillation waves of unit size: a sawtooth of wandering rate and size, within the segments."""
        angle = (
            2 * np.pi * self._f_rate * t
            + 4 * np.sin(2 * np.pi * 0.13 * t)
            + 1.5 * np.sin(2 * np.pi * 0.71 * t)
        )
        wave = sum(np.sin(k * angle) / k for k in (1, 2, 3)) * (1 + 0.35 * np.sin(2 * np.pi * 0.23 * t + 1))
        inside = np.zeros(len(t))
        for a, b in self._fibrillation:
            if a < t[-1] and b > t[0]:
                inside += np.clip((t - a) / _F_WAVE_FADE, 0, 1) * np.clip((b - t) / _F_WAVE_FADE, 0, 1)
        return np.asarray(wave * inside)


def simulate(
    duration: float,
    fs: float = 360.0,
    leads: Sequence[str] = ("MLII", "V1"),
    *,
    seed: int = 0,
    heart_rate: float = 70.0,
    heart_rate_std: float = 2.0,
    rhythm: str | Sequence[tuple[str, float]] = "sinus",
    ectopy: Mapping[str, float] | None = None,
    noise: Mapping[str, float] | None = None,
    faults: Iterable[Fault | tuple[str | int, float, float, str]] = (),
) -> Record:
    """Simulate an ECG recording with known beats.

    Rhythm and waves follow published models; `ecgtune.signals.simulate_rhythm` and
    `ecgtune.signals.simulate_beats` name the sources and the deviations from them. Fibrillation waves are
    sawtooths as in Stridh and Sörnmo 2001 (doi:10.1109/10.900266), in one direction for all leads.

    Parameters
    ----------
    duration
        Length in seconds, from 0 to weeks: samples are made as they are read.
    fs
        Sampling rate in Hz.
    leads
        Names from `ecgtune.signals.simulate_beats.LEADS` (`STANDARD_LEADS` are the twelve).
    seed
        The same arguments and seed give the same recording; another seed is another patient.
    heart_rate, heart_rate_std
        Mean and standard deviation of the sinus rate in beats a minute; the mean also in fibrillation.
    rhythm
        ``"sinus"``, ``"af"`` (atrial fibrillation), ``"vt"`` (ventricular tachycardia), or
        ``(rhythm, seconds)`` in turn, again from the first when all have passed.
    ectopy
        Fractions of supraventricular (``S``), ventricular (``V``), fusion (``F``) and ``paced`` beats outside
        tachycardia; `USUAL_ECTOPY` where not given, none of the kinds that are left out. In fibrillation
        ``S`` has no meaning and is left out.
    noise
        Kind to signal-to-noise ratio in dB, see `ecgtune.signals.noise`; none where not given. It is
        independent in each lead, so that III = II - I holds only without it.
    faults
        Lead faults, see `ecgtune.signals.faults`.

    Returns
    -------
    Record
        Annotator ``truth``: a symbol (N, A, V, F, /) at every beat, where the heart's QRS vector is
        longest; that is within some milliseconds of the peak in most leads. It does not depend on the
        leads. Annotator ``rhythm``: rhythm changes (``+`` with ``(N``, ``(AFIB``, ``(VT``).

    Raises
    ------
    ValueError
        On an argument that makes no sense; the text says which and why.
    """
    if not 0 <= duration < np.inf:
        raise ValueError(f"duration {duration:g} s is negative or not a length")
    if not 50 <= fs <= 20000:
        raise ValueError(f"sampling rate {fs:g} Hz lies outside 50 to 20000 Hz")
    names = tuple(normalise_lead(lead) for lead in leads)
    unknown = [name for name in names if name not in LEADS]
    if unknown or not names:
        raise ValueError(f"unknown lead {', '.join(unknown) or '(none given)'}; known: {', '.join(LEADS)}")
    n_samples = round(duration * fs)
    beat_rng, shape_rng, heart_rng, source_rng = (np.random.default_rng([seed, part]) for part in range(4))
    plan = plan_rhythm(
        n_samples / fs,
        heart_rate,
        heart_rate_std,
        rhythm,
        USUAL_ECTOPY if ectopy is None else ectopy,
        beat_rng,
    )
    shapes, heart = shape_beats(plan, shape_rng), Heart(names, fs, heart_rng)
    record = Record(
        f"simulated-{seed}",
        float(fs),
        names,
        n_samples,
        SimulatedSource(plan, shapes, heart, names, fs, source_rng),
        f"simulated-{seed}",
        annotations=_annotations(plan, heart.peak(shapes), fs, n_samples),
    )
    record = with_noise(record, noise or {}, annotator="truth", seed=seed)
    return with_faults(record, faults, seed=seed)


def _annotations(
    plan: RhythmPlan, peak: NDArray[np.float64], fs: float, n_samples: int
) -> dict[str, Annotations]:
    sample = np.round(peak * fs).astype(np.int64)
    inside = (sample >= 0) & (sample < n_samples)
    starts = np.array([round(start * fs) for start, _, _ in plan.segments], dtype=np.int64)
    labels = np.array([RHYTHMS[name] for _, _, name in plan.segments], dtype=np.str_)
    return {
        "truth": Annotations(sample[inside], plan.symbol[inside]),
        "rhythm": Annotations(starts, np.full(len(starts), "+"), labels),
    }
