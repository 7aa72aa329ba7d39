"""Beats of a recording: at detected positions, or at annotated ones moved to our own fiducial."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats.preprocessing import Preprocessing
from ecgtune.beats.table import Beats
from ecgtune.beats.windows import cut_windows
from ecgtune.errors import RecordError
from ecgtune.labels import class_indices
from ecgtune.record import Annotations, Record
from ecgtune.signals.candidates import nearest
from ecgtune.signals.detect import detect_beats, stream_beats
from ecgtune.signals.resample import WORKING_RATE, to_native, to_working
from ecgtune.signals.stream import Block, blocks, diagnostic_band

Ints = NDArray[np.int64]

SNAP = int(0.1 * WORKING_RATE)
"""An annotation takes the fiducial of a detected beat this near; annotators mark the R peak loosely."""

_DEFAULT = Preprocessing()

MATCH = int(0.15 * WORKING_RATE)
"""A detected beat takes the label of an annotation this near, as EC57 matches beats."""


def windows_of(block: Block, at: Ints, leads: Sequence[int], how: Preprocessing) -> NDArray[np.float32]:
    """Cut windows around beats (working samples) that lie in or near a block's core.

    float32 [beats, how.leads, how.width]; zeros where ``leads`` names fewer than the model reads.
    """
    band = diagnostic_band(block.signal[list(leads)], how.band)
    windows = cut_windows(band, at - block.start, how.before, how.after)
    if len(leads) < how.leads:
        windows = np.pad(windows, ((0, 0), (0, how.leads - len(leads)), (0, 0)))
    return windows


def stream_windows(
    record: Record, detect_in: Sequence[int], leads: Sequence[int], how: Preprocessing
) -> Iterator[tuple[Block, Ints, NDArray[np.float32]]]:
    """Detect beats block by block and cut their windows.

    Parameters
    ----------
    record
        The recording.
    detect_in
        Indices of the leads that the detector uses.
    leads
        Those of them whose windows are cut: positions in ``detect_in``, at most ``how.leads``.
    how
        The model's preprocessing.
    """
    for block, at in stream_beats(record, detect_in):
        yield block, at, windows_of(block, at, leads, how)


def beat_index(record: Record, annotations: Annotations, *, database: str = "") -> Beats:
    """Index of the annotated beats, without windows: reads no signal.

    Raises
    ------
    RecordError
        Where there is no beat among the annotations.
    """
    reference = _reference(record, annotations)
    at = np.round(to_working(reference.sample, record.fs)).astype(np.int64)
    no_windows = np.zeros((len(at), 0, 0), dtype=np.float32)
    return _table(record, database, reference.sample, class_indices(reference.symbol), at, no_windows)


def annotated_beats(
    record: Record,
    annotations: Annotations,
    leads: Sequence[int],
    how: Preprocessing = _DEFAULT,
    *,
    database: str = "",
    snap: int = SNAP,
) -> Beats:
    """Beats where the annotations have them; each is moved to the nearest detected beat.

    Parameters
    ----------
    record, annotations
        The recording, and its beats.
    leads
        Indices of the leads whose windows are cut.
    how
        The model's preprocessing.
    database
        Where the recording is from.
    snap
        Working samples that a beat is moved by at most; 0 leaves all where they are and detects nothing.

    Raises
    ------
    RecordError
        Where there is no beat among the annotations.
    """
    reference = _reference(record, annotations)
    at = np.round(to_working(reference.sample, record.fs)).astype(np.int64)
    found = detect_beats(record) if snap else np.empty(0, dtype=np.int64)
    detected = np.round(to_working(found, record.fs)).astype(np.int64)
    if len(detected):
        there = detected[nearest(detected, at)]
        at = np.where(np.abs(there - at) <= snap, there, at)
    order = np.argsort(at, kind="stable")
    at, reference = at[order], reference.select(order)
    pieces = []
    for block in blocks(record, range(len(record.leads))):
        begin, end = block.core
        own = at[(at >= begin) & (at < end if not block.last else True)]
        pieces.append(windows_of(block, own, leads, how))
    return _table(
        record, database, reference.sample, class_indices(reference.symbol), at, np.concatenate(pieces)
    )


def detected_beats(
    record: Record,
    annotations: Annotations,
    leads: Sequence[int],
    how: Preprocessing = _DEFAULT,
    *,
    database: str = "",
) -> Beats:
    """Beats as the detector finds them, labelled by the annotation within `MATCH`; -1 where there is none.

    Raises
    ------
    RecordError
        Where there is no beat among the annotations.
    """
    reference = _reference(record, annotations)
    every = range(len(record.leads))
    found = [(at, windows) for _, at, windows in stream_windows(record, every, leads, how)]
    at = np.concatenate([piece[0] for piece in found])
    marks = np.round(to_working(reference.sample, record.fs)).astype(np.int64)
    order = np.argsort(marks, kind="stable")
    marks, symbols, samples = marks[order], reference.symbol[order], reference.sample[order]
    label = np.full(len(at), -1, dtype=np.int8)
    sample = to_native(at, record.fs)
    if len(at):
        # An annotation labels the one beat nearest to it, so a false detection beside it stays unlabelled.
        mine = nearest(at, marks)
        near = np.abs(at[mine] - marks) <= MATCH
        label[mine[near]] = class_indices(symbols)[near]
        sample[mine[near]] = samples[near]
    return _table(record, database, sample, label, at, np.concatenate([piece[1] for piece in found]))


def _reference(record: Record, annotations: Annotations) -> Annotations:
    beats = annotations.beats()
    inside = (beats.sample >= 0) & (beats.sample < record.n_samples)
    if not inside.any():
        raise RecordError(
            f"{record.name}: no beat among its {len(annotations)} annotations; choose another annotator"
        )
    return beats.select(inside)


def _table(
    record: Record,
    database: str,
    sample: Ints,
    label: NDArray[np.int8],
    at: Ints,
    windows: NDArray[np.float32],
) -> Beats:
    n = len(at)
    return Beats(
        np.full(n, database),
        np.full(n, record.name),
        np.full(n, record.patient),
        sample,
        np.full(n, record.fs),
        label,
        at,
        windows,
    )
