"""Stretches of training recordings with faults of their leads: noise, electrode pops, a lead that is lost.

Recordings of the databases are clean, those of patients who walk about are not. A network that has seen no
noise calls what is bent by it ventricular, and so it calls what the detector finds in noise where there is no
beat. Stretches of every training recording are therefore read once more with faults in them. A beat keeps its
label; a false detection is labelled Q, for nobody can say what it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing, detected_beats
from ecgtune.evaluation.ec57.intervals import Intervals, flutter, inside
from ecgtune.labels import CLASSES
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.signals.faults import Fault, with_faults
from ecgtune.signals.noise import measured_beats, noise_gain, qrs_amplitude
from ecgtune.training.sequences import Recording, prepare, stretches_around
from ecgtune.training.tables import RecordKey, open_until

KINDS = ("burst", "motion", "muscle", "pop", "flat")
"""Of `ecgtune.signals.faults.FAULT_KINDS`; ``flat`` spares one lead."""

CONTEXT = 64
"""Beats on either side of a stretch that are kept with it, with their labels."""

_SPOILT_S, _BETWEEN_S = (10.0, 60.0), (60.0, 200.0)
"""How long a stretch lasts, and what lies between two."""

_SHORTEST_S = 60.0
"""A recording that is shorter is left alone."""

_SNR_DB = (-4.0, 18.0)
"""Of noise, see `ecgtune.signals.noise`."""

_POP = (0.5, 4.0)
"""Height of an electrode pop beside that of the QRS."""

_EVERY_LEAD = 0.5
"""Share of the stretches with the fault in every lead; in the others it is one."""


class Faulty(NamedTuple):
    """A recording with faults.

    Parameters
    ----------
    record
        The recording; faults are put in as it is read.
    spoilt
        Samples of the stretches that have them, int64 [n, 2].
    """

    record: Record
    spoilt: Intervals


def put_in_faults(
    record: Record, annotations: Annotations, kinds: Sequence[str], draw: np.random.Generator
) -> Faulty:
    """Put faults into stretches of a recording, a fifth of it or so.

    Parameters
    ----------
    record, annotations
        The recording and its beats, by which the strength of noise is measured.
    kinds
        Of `KINDS`, each as often.
    draw
        Of everything.
    """
    amplitude = np.nan_to_num(qrs_amplitude(record.signal, record.fs, measured_beats(annotations)))
    faults: list[Fault] = []
    spoilt: list[tuple[int, int]] = []
    begin = draw.uniform(0, _BETWEEN_S[1])
    while begin + _SPOILT_S[0] < record.duration:
        end = min(begin + draw.uniform(*_SPOILT_S), record.duration)
        faults += _faults(str(draw.choice(kinds)), begin, end, amplitude, draw)
        spoilt.append((round(begin * record.fs), round(end * record.fs)))
        begin = end + draw.uniform(*_BETWEEN_S)
    return Faulty(
        with_faults(record, faults, seed=int(draw.integers(1 << 31))),
        np.array(spoilt, dtype=np.int64).reshape(-1, 2),
    )


def _faults(
    kind: str, begin: float, end: float, amplitude: NDArray[np.float64], draw: np.random.Generator
) -> list[Fault]:
    """A fault in every lead, or in one of them."""
    count = len(amplitude)
    if kind == "flat" and count == 1:
        return []
    if kind == "flat":
        amount = np.zeros(count)
    elif kind == "pop":
        amount = amplitude * draw.uniform(*_POP)
    else:
        amount = noise_gain(amplitude, np.ones(count), draw.uniform(*_SNR_DB))
    one = kind == "flat" or draw.random() >= _EVERY_LEAD
    leads = [int(draw.integers(count))] if one else range(count)
    return [Fault(lead, begin, end, kind, float(amount[lead])) for lead in leads]


def faulty_recordings(
    key: RecordKey, how: Preprocessing, kinds: Sequence[str], until: float = np.inf
) -> list[Recording]:
    """Prepare stretches of a recording with faults, and the beats around them.

    ``kinds`` are of `KINDS`, the other arguments those of `ecgtune.training.episodes.episode_recordings`. A
    recording that is short or has no beats gives nothing.
    """
    if not kinds:
        return []
    record, annotations = open_until(key, until)
    if record.duration < _SHORTEST_S or not len(annotations.beats()):
        return []
    # Drawn by the recording's name, as episodes are.
    draw = np.random.default_rng([1, *"/".join(key).encode()])
    return _around_faults(put_in_faults(record, annotations, kinds, draw), annotations, key, how)


def _around_faults(
    faulty: Faulty, annotations: Annotations, key: RecordKey, how: Preprocessing
) -> list[Recording]:
    record = faulty.record
    leads = preferred_leads(record, tuple(range(len(record.leads))), how.leads)
    table = detected_beats(record, annotations, leads, how, database=key[0])
    spoilt = inside(table.sample, faulty.spoilt)
    # In flutter nobody marked beats.
    false = spoilt & (table.label < 0) & ~inside(table.sample, flutter(annotations, record.n_samples))
    label = np.where(false, CLASSES.index("Q"), table.label).astype(table.label.dtype)
    (whole,) = prepare(replace(table, label=label), np.arange(len(table)), how)
    return stretches_around(whole, spoilt, CONTEXT, "faults")
