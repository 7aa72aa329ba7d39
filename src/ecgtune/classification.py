"""The main job: a recording in, every heartbeat of it labelled."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import stream_windows
from ecgtune.databases import identify
from ecgtune.errors import RecordError
from ecgtune.labelled import Labelled
from ecgtune.labels import CLASSES
from ecgtune.model import Model, Predictor, load_model, preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.rejection import check_confidence, reject, rejection_note
from ecgtune.signals.resample import WORKING_RATE, check_rate, to_native
from ecgtune.signals.stream import choose_leads, probe
from ecgtune.tuned import other_recording_note

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

SHORTEST_S = 3.0
"""A recording must be this long; detection learns its thresholds in the first seconds."""

NOTED_S = 5
"""A lead lost for as many seconds is mentioned in the notes."""

FEW_A_MINUTE = 10
"""Fewer beats a minute of readable signal than any heart keeps up are mentioned in the notes."""

_MOST_NOTES = 20


def classify(
    record: Record,
    model: Model | str | Path = "default",
    *,
    leads: Sequence[str | int] | None = None,
    min_confidence: float = 0.0,
) -> Labelled:
    """Find and label every heartbeat of a recording.

    Parameters
    ----------
    record
        100 to 2000 Hz, one lead or more, any length; it is read piece by piece.
    model
        A loaded model, the name of one that ships with ecgtune, or a model folder.
    leads
        Names or indices of the leads to use; all where not given. Detection uses all of them, the model the
        best known one or two.
    min_confidence
        Beats whose highest class probability is below this are called Q; see `ecgtune.rejection.reject`.

    Returns
    -------
    Labelled
        Beats with class and probabilities, and notes: leads left out or lost, rejected beats, hardly any
        beats, a model that was tuned to another recording.

    Raises
    ------
    EcgtuneError
        Where `min_confidence` is no probability.
    RecordError
        Where the recording is too short or too slow, holds no signal, or no beat is found.
    ModelError
        Where the model cannot be loaded.
    """
    check_confidence(min_confidence)
    if not isinstance(model, Model):
        model = load_model(model)
    check_rate(record)
    if record.duration < SHORTEST_S:
        raise RecordError(
            f"{record.name}: {record.duration:.2f} s long; at least {SHORTEST_S:g} s are needed to find beats"
        )
    asked = choose_leads(record, leads)
    usable = probe(record, asked)
    if not usable:
        names = ", ".join(record.leads[i] for i in asked)
        raise RecordError(f"{record.name}: no signal in lead {names} (flat or missing); choose another lead")
    read = preferred_leads(record, usable, model.preprocessing.leads)
    predictor = Predictor(model)
    lost: list[NDArray[np.bool_]] = []
    done: list[tuple[Ints, Floats]] = []
    cut = [usable.index(lead) for lead in read]
    for block, at, windows in stream_windows(record, usable, cut, model.preprocessing):
        lost.append(block.lost)
        done += predictor.push(at, windows)
    done += predictor.finish()
    if not done:
        raise _no_beats(record)
    seconds = np.concatenate(lost, axis=1)
    at = np.concatenate([positions for positions, _ in done])
    probability = np.concatenate([rows for _, rows in done])
    unreadable: NDArray[np.bool_] = np.asarray(seconds.all(axis=0))
    readable = ~unreadable[np.minimum(at // WORKING_RATE, seconds.shape[1] - 1)]
    at, probability = at[readable], probability[readable]
    if not len(at):
        raise _no_beats(record)
    annotations = Annotations(
        np.minimum(to_native(at, record.fs), record.n_samples - 1),
        np.array(CLASSES)[probability.argmax(axis=1)],
        probability=probability,
    )
    gaps = _gaps(unreadable, record)
    readable_s = record.duration - float(np.diff(gaps, axis=1).sum()) / record.fs
    said = (other_recording_note(model, record), _few_beats_note(len(at), readable_s))
    patient = identify(record)
    labelled = Labelled(
        record if patient is None else replace(record, patient=patient),
        annotations,
        tuple(record.leads[i] for i in read),
        model.name,
        model.hash,
        (*(note for note in said if note), *_notes(record, asked, usable, seconds)),
        (patient or record.patient) in model.trained_on,
        gaps,
    )
    if not min_confidence:
        return labelled
    labelled = reject(labelled, min_confidence)
    return replace(labelled, notes=(*labelled.notes, rejection_note(labelled)))


def _no_beats(record: Record) -> RecordError:
    return RecordError(f"{record.name}: no beats found in {record.duration:.0f} s; is this an ECG?")


def _few_beats_note(n: int, readable_s: float) -> str | None:
    if n >= FEW_A_MINUTE * readable_s / 60:
        return None
    found = f"{n} beat{'s' * (n != 1)} in {_clock(readable_s)} of signal"
    return f"hardly any beats were found ({found}): look at the leads, they may show no ECG"


def _stretches(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _notes(
    record: Record, asked: tuple[int, ...], usable: tuple[int, ...], lost: NDArray[np.bool_]
) -> tuple[str, ...]:
    notes = list(record.notes)
    notes += [f"lead {record.leads[i]} carries no signal and was left out" for i in asked if i not in usable]
    for row, lead in enumerate(usable):
        for begin, end in _stretches(lost[row]):
            if end - begin >= NOTED_S:
                until = min(float(end), record.duration)
                notes.append(f"lead {record.leads[lead]} flat or missing {_clock(begin)}-{_clock(until)}")
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], f"{len(notes) - _MOST_NOTES} more stretches of lost leads"]
    return tuple(notes)


def _gaps(lost: NDArray[np.bool_], record: Record) -> Ints:
    seconds = np.array(list(_stretches(lost)), dtype=np.int64).reshape(-1, 2)
    return np.minimum(to_native(seconds * WORKING_RATE, record.fs), record.n_samples)
