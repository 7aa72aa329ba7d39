"""One recording under every condition: beats found, labels, and the attributions of a few beats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing, annotated_beats
from ecgtune.errors import RecordError
from ecgtune.evaluation.ec57 import compare_beats
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.explain.agreement import rank_correlation
from ecgtune.explain.attribution import explain
from ecgtune.explain.load import beat_subject_of
from ecgtune.explain.robustness_noise import SETTLE_S, Stretch, spoilt, stretch_of
from ecgtune.explain.robustness_plan import Condition, Plan
from ecgtune.explain.subject import BeatSubject, Examples
from ecgtune.labels import CLASSES, class_indices
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.signals.resample import to_native
from ecgtune.training.tables import RecordKey, open_record

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What came of one recording under one condition.

    Parameters
    ----------
    detected
        Beats at detected positions by reference (row) and model (column), int64 [7, 7], in EC57's order
        N S V F Q O X; O is no beat.
    reference
        Beats at reference positions by true and predicted class, int64 [5, 5].
    kept
        Beats at reference positions that keep the label they have without noise, and all of them.
    correlation
        By method of attribution: sum over beats of the rank correlation with the attribution of the clean
        beat, and how many beats that is; NaN is left out.
    """

    detected: Counts = field(repr=False)
    reference: Counts = field(repr=False)
    kept: tuple[int, int]
    correlation: dict[str, tuple[float, int]]


@dataclass(frozen=True)
class Measured:
    """One recording under every condition.

    Parameters
    ----------
    found
        By the condition's name.
    floor
        By method, as `Found.correlation`: of the attribution of a clean beat with that of another beat of the
        same recording and predicted class.
    """

    found: dict[str, Found]
    floor: dict[str, tuple[float, int]]


@dataclass(frozen=True)
class Study:
    """What all recordings share.

    Parameters
    ----------
    model
        Name or folder.
    plan
        How much is measured.
    rows
        Beats of each record whose attributions are compared: samples of their annotations, int64.
    seed
        Of every draw.
    """

    model: str
    plan: Plan
    rows: Mapping[RecordKey, Ints] = field(repr=False)
    seed: int


def measure(study: Study, key: RecordKey) -> Measured:
    """Put one recording through every condition.

    Raises
    ------
    DataError
        Where it is not there.
    RecordError
        Where it is too short, has one lead, or too few for the model.
    """
    subject = _subject(study.model)
    record, annotations = open_record(key)
    seed = int.from_bytes("/".join(key).encode(), "big") % (1 << 31) + study.seed
    stretch = stretch_of(record, annotations, study.plan.minutes, seed)
    beats, annotated = fiducials(stretch.record)
    explained = np.flatnonzero(np.isin(annotated, study.rows[key] - stretch.start))
    clean = _Clean.of(subject, stretch, beats, explained, study.plan)

    def under(condition: Condition) -> Found:
        return _found(subject, stretch, spoilt(stretch, condition), beats, clean, study.plan)

    return Measured({each.name: under(each) for each in study.plan.conditions()}, clean.floor())


def fiducials(record: Record) -> tuple[Annotations, Ints]:
    """Reference beats where they lie in the clean signal: at the detection near each annotation.

    Returns
    -------
    beats
        Fiducials, with classes for symbols.
    annotated
        Samples of the annotations, int64, in the same order.
    """
    leads = preferred_leads(record, range(len(record.leads)), 2)
    table = annotated_beats(record, record.annotations["atr"], leads, Preprocessing(leads=len(leads)))
    at = np.clip(to_native(table.at, record.fs), 0, record.n_samples - 1)
    return Annotations(at, np.array(CLASSES)[table.label]), table.sample


def detected_labels(subject: BeatSubject, record: Record) -> Annotations:
    """Label a recording as `ecgtune classify` does, by whatever model; no beats where none is found."""
    try:
        reading = subject.read(record)
    except RecordError:
        return Annotations(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.str_))
    symbol = np.array(subject.classes)[subject.probability(reading).argmax(axis=1)]
    return Annotations(reading.sample[reading.readable], symbol[reading.readable])


@lru_cache(maxsize=1)
def _subject(model: str) -> BeatSubject:
    return beat_subject_of(model)


@dataclass(frozen=True)
class _Clean:
    """What the model makes of the clean stretch: labels of all beats, attributions of those of some rows."""

    label: Ints
    rows: Ints
    attributed: dict[str, Floats]

    @classmethod
    def of(
        cls, subject: BeatSubject, stretch: Stretch, beats: Annotations, rows: Ints, plan: Plan
    ) -> "_Clean":
        reading = subject.read(stretch.record, beats, snap=0)
        label = subject.probability(reading).argmax(axis=1).astype(np.int64)
        return cls(label, rows, _attributed(subject, subject.examples(reading, rows), label[rows], plan))

    @property
    def target(self) -> Ints:
        """Explained classes: those predicted without noise."""
        return self.label[self.rows]

    def floor(self) -> dict[str, tuple[float, int]]:
        """Compare each beat with the next of its class."""
        order = np.argsort(self.target, kind="stable")
        alike = self.target[order[:-1]] == self.target[order[1:]]
        left, right = order[:-1][alike], order[1:][alike]
        return {method: _alike(values[left], values[right]) for method, values in self.attributed.items()}


def _found(
    subject: BeatSubject, stretch: Stretch, record: Record, beats: Annotations, clean: _Clean, plan: Plan
) -> Found:
    reference = stretch.record.annotations["atr"]
    compared = compare_beats(
        reference,
        detected_labels(subject, record),
        record.fs,
        start=SETTLE_S,
        record=record.name,
        n_samples=record.n_samples,
    )
    reading = subject.read(record, beats, snap=0)
    label = subject.probability(reading).argmax(axis=1)
    scored = beats.sample >= SETTLE_S * record.fs
    truth = class_indices(beats.symbol).astype(np.int64)
    attributed = _attributed(subject, subject.examples(reading, clean.rows), clean.target, plan)
    return Found(
        compared.counts,
        confusion_matrix(truth[scored], label[scored], CLASSES),
        (int((label == clean.label)[scored].sum()), int(scored.sum())),
        {method: _alike(values, clean.attributed[method]) for method, values in attributed.items()},
    )


def _attributed(subject: BeatSubject, examples: Examples, target: Ints, plan: Plan) -> dict[str, Floats]:
    """Importance of each sample by each method: absolute contributions, float32 [beats, leads, samples]."""
    if not len(examples):
        return {method: np.empty((0, 1), dtype=np.float32) for method in plan.methods}
    return {
        method: np.abs(explain(subject, examples, method=method, target=target, steps=plan.steps).values)
        for method in plan.methods
    }


def _alike(first: Floats, second: Floats) -> tuple[float, int]:
    """Sum of the rank correlations of two attributions of each beat, and how many there are."""
    if not len(first):
        return 0.0, 0
    correlation = rank_correlation(first, second)
    known = correlation[~np.isnan(correlation)]
    return float(known.sum()), len(known)
