"""Beats of one recording, chosen and explained: what `ecgtune explain` draws and prints."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import identify
from ecgtune.errors import ModelError, RecordError
from ecgtune.explain.attribution import Attribution, explain
from ecgtune.explain.regions import region_masks, region_shares, regions
from ecgtune.explain.subject import BeatSubject, Examples, Floats, Ints, Reading, logits_of
from ecgtune.record import Annotations, Record
from ecgtune.report.svg import clock

NEAR_S = 0.15
"""A time means the beat this near, as EC57 matches beats."""


@dataclass(frozen=True)
class Explained:
    """Explained beats of a recording.

    Parameters
    ----------
    subject
        The model.
    record
        The recording.
    reading
        All its beats.
    probability
        Of all its beats, float32 [beats, classes].
    rows
        Of the explained ones, int64 [n], ascending.
    examples, attribution
        Of these.
    logits
        Of these, float32 [n, classes].
    """

    subject: BeatSubject = field(repr=False)
    record: Record
    reading: Reading = field(repr=False)
    probability: Floats = field(repr=False)
    rows: Ints
    examples: Examples = field(repr=False)
    attribution: Attribution
    logits: Floats = field(repr=False)

    def __len__(self) -> int:
        """Count the explained beats."""
        return len(self.rows)

    @property
    def trained_on(self) -> bool:
        """Whether the model was trained on this patient, as far as its card and the recording tell."""
        return (identify(self.record) or self.record.patient) in self.subject.trained_on

    @property
    def predicted(self) -> Ints:
        """Class of each explained beat, int64 [n]."""
        return np.asarray(self.probability[self.rows].argmax(axis=1), dtype=np.int64)

    @property
    def times_ms(self) -> NDArray[np.float64]:
        """Milliseconds of a window's samples from the fiducial, [samples]."""
        return 1000 * (np.arange(self.subject.width) - self.subject.before) / self.subject.fs

    def shares(self) -> dict[str, NDArray[np.float64]]:
        """Share of P, QRS, T and elsewhere in the absolute attribution of the signal, by name, [n] each."""
        subject = self.subject
        masks = region_masks(self.examples.rr, fs=subject.fs, before=subject.before, width=subject.width)
        return region_shares(self.attribution.values, masks)


def explain_record(
    subject: BeatSubject,
    record: Record,
    *,
    at: Sequence[float] = (),
    label: str | None = None,
    count: int = 20,
    reference: Annotations | None = None,
    leads: Sequence[str | int] | None = None,
    target: str | None = None,
    **how: Any,
) -> Explained:
    """Label a recording, choose beats of it and explain their labels.

    Parameters
    ----------
    subject
        The model.
    record
        The recording.
    at
        Seconds from its start: the beats there.
    label
        A class, in place of ``at``: beats that the model gives this label, spread evenly over the recording.
    count
        How many of them, at most.
    reference
        Annotations in whose positions the beats are taken; the detector finds them where None.
    leads
        Names or indices of the leads to use.
    target
        Class whose logit is explained; that of each beat's own label where None.
    **how
        ``method``, ``baseline``, ``steps``, ``seed`` of `ecgtune.explain.explain`.

    Raises
    ------
    RecordError
        Where there is no beat near a time, the recording has none of the class, or lacks a lead.
    ModelError
        On an unknown class, method or baseline.
    """
    for name in (label, target):
        if name is not None and name not in subject.classes:
            raise ModelError(f"{subject.name}: no class {name!r}; it has {', '.join(subject.classes)}")
    reading = subject.read(record, reference, leads=leads)
    probability = subject.probability(reading)
    if label is None:
        rows = np.unique([_nearest(reading, seconds) for seconds in at]).astype(np.int64)
    else:
        rows = _spread(reading, probability, subject.classes, label, count)
    examples = subject.examples(reading, rows)
    # The label is the recording's, which the last digit of another sum could not change.
    wanted = probability[rows].argmax(axis=1) if target is None else target
    attribution = explain(subject, examples, target=wanted, **how)
    return Explained(
        subject, record, reading, probability, rows, examples, attribution, logits_of(subject, examples)
    )


def _nearest(reading: Reading, seconds: float) -> int:
    times = reading.sample / reading.fs
    row = int(np.where(reading.readable, np.abs(times - seconds), np.inf).argmin())
    if abs(times[row] - seconds) > NEAR_S:
        raise RecordError(
            f"{reading.record}: no beat within {1000 * NEAR_S:.0f} ms of {seconds:g} s; the nearest is at "
            f"{times[row]:.3f} s ({clock(float(times[row]), 1)})"
        )
    return row


def _spread(reading: Reading, probability: Floats, classes: Sequence[str], label: str, count: int) -> Ints:
    if count < 1:
        raise RecordError(f"{reading.record}: {count} beats asked for; give 1 or more")
    predicted = probability.argmax(axis=1)
    rows = np.flatnonzero((predicted == list(classes).index(label)) & reading.readable)
    if not len(rows):
        counts = np.bincount(predicted[reading.readable], minlength=len(classes)).tolist()
        there = ", ".join(f"{name} {n}" for name, n in zip(classes, counts, strict=True) if n)
        raise RecordError(f"{reading.record}: the model labels no beat {label}; it has {there}")
    # The middles of as many equal parts, so that neither end of the recording is preferred.
    most = min(count, len(rows))
    return rows[((np.arange(most) + 0.5) * len(rows) / most).astype(np.int64)].astype(np.int64)


def to_plain(found: Explained) -> dict[str, Any]:
    """All numbers as plain types, for JSON."""
    subject, attribution = found.subject, found.attribution
    return {
        "model": subject.name,
        "record": found.record.name,
        "trained_on": found.trained_on,
        "method": attribution.method,
        "baseline": attribution.baseline or None,
        "classes": list(subject.classes),
        "leads": list(found.reading.leads),
        "fs": subject.fs,
        "time_ms": _rounded(found.times_ms, 3),
        "rhythm_features": list(subject.rhythm_features),
        "beats": [_beat(found, i) for i in range(len(found))],
    }


def _beat(found: Explained, i: int) -> dict[str, Any]:
    subject, examples, attribution = found.subject, found.examples, found.attribution
    classes = subject.classes
    spans, shares = regions(examples.rr[i : i + 1]), found.shares()
    target, label = int(attribution.target[i]), int(examples.label[i])
    rhythm = None
    if examples.rhythm is not None:
        contributions = None if attribution.rhythm is None else attribution.rhythm[i]
        rhythm = {
            "value": _rounded(examples.rhythm[i]),
            "attribution": None if contributions is None else _rounded(contributions),
        }
    return {
        "time_s": round(float(examples.time[i]), 4),
        "sample": int(examples.sample[i]),
        "predicted": classes[int(found.predicted[i])],
        "annotated": classes[label] if label >= 0 else None,
        "probability": dict(zip(classes, _rounded(found.probability[found.rows[i]]), strict=True)),
        "explained": classes[target],
        "logit": float(found.logits[i, target]),
        "delta": None if attribution.delta is None else float(attribution.delta[i]),
        "rr_s": [None if np.isnan(rr) else round(float(rr), 4) for rr in examples.rr[i]],
        "regions": {
            name: {"from_ms": _ms(span[0, 0]), "to_ms": _ms(span[0, 1]), "share": float(shares[name][i])}
            for name, span in spans.items()
        },
        "elsewhere": {"share": float(shares["elsewhere"][i])},
        "signal_mv": [_rounded(lead) for lead in examples.millivolts[i]],
        "attribution": [_rounded(lead) for lead in attribution.values[i]],
        "rhythm": rhythm,
    }


def _rounded(values: NDArray[np.floating], digits: int = 6) -> list[float]:
    return [round(float(value), digits) for value in values]


def _ms(seconds: float) -> float:
    return round(1000 * float(seconds), 1)
