"""One row a beat, as comma-separated text.

The digits of whole columns are computed at once into a matrix of characters, a row a line, and the unused
ones dropped: for a day of beats some twenty times faster than formatting each line.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ecgtune.labelled import Labelled
from ecgtune.labels import CLASSES

HEADER = ",".join(("time_s", "sample", "label", *(f"probability_{name}" for name in CLASSES)))

_Characters = NDArray[np.uint8]
_ROWS = 65_536  # at a time, so that the matrices stay small for recordings of weeks
_UNUSED = 0
_PROBABILITY_STEPS = 10_000


def encode_csv(labelled: Labelled) -> bytes:
    """Encode the beats as CSV.

    Parameters
    ----------
    labelled
        The recording.

    Returns
    -------
    bytes
        ASCII: the header, then a row for each beat, lines ended by a line feed. ``time_s`` is in seconds from
        the recording's start, to the millisecond (``sample`` is exact); ``label`` is N, S, V, F or Q;
        probabilities have four decimals and are empty where there are none. Where beats below some confidence
        are called Q, a last column ``unsure`` has the model's own class of these and is empty for the others.
    """
    annotations = labelled.annotations
    sample = annotations.sample
    symbol = annotations.symbol.astype("S1").view(np.uint8)
    milliseconds = np.rint(sample * (1000 / labelled.record.fs)).astype(np.int64)
    probability = annotations.probability
    if probability is None:
        probability = np.full((len(sample), len(CLASSES)), np.nan, dtype=np.float32)
    unsure = _unsure(labelled)
    chunks = [f"{HEADER}{',unsure' if unsure is not None else ''}\n".encode()]
    for start in range(0, len(sample), _ROWS):
        rows = slice(start, start + _ROWS)
        own = None if unsure is None else unsure[rows]
        chunks.append(_lines(milliseconds[rows], sample[rows], symbol[rows], probability[rows], own))
    return b"".join(chunks)


def _unsure(labelled: Labelled) -> _Characters | None:
    """The model's own class of each beat that was called Q instead; None where none could be."""
    probability = labelled.annotations.probability
    if probability is None or not labelled.min_confidence:
        return None
    own = np.array(CLASSES, dtype="S1").view(np.uint8)[probability.argmax(axis=1)]
    return np.where(labelled.rejected, own, _UNUSED).astype(np.uint8)


def _lines(
    milliseconds: NDArray[np.int64],
    sample: NDArray[np.int64],
    symbol: _Characters,
    probability: NDArray[np.float32],
    unsure: _Characters | None,
) -> bytes:
    comma = np.full((len(sample), 1), ord(","), dtype=np.uint8)
    columns = [_decimal(milliseconds, 3), comma, _decimal(sample, 0), comma, symbol[:, np.newaxis]]
    known = np.isfinite(probability)
    steps = np.rint(np.where(known, probability, 0) * _PROBABILITY_STEPS).astype(np.int64)
    entries = np.where(known, np.clip(steps, 0, _PROBABILITY_STEPS), _PROBABILITY_STEPS + 1)
    for column in entries.T:
        columns += [comma, _probabilities()[column]]
    if unsure is not None:
        columns += [comma, unsure[:, np.newaxis]]
    columns.append(np.full_like(comma, ord("\n")))
    matrix = np.concatenate(columns, axis=1)
    used: _Characters = matrix[matrix != _UNUSED]
    return used.tobytes()


def _decimal(value: NDArray[np.int64], decimals: int) -> _Characters:
    """Digits of whole numbers >= 0, with a point before the last ``decimals``; leading zeros unused."""
    width = max(len(str(int(value.max(initial=0)))), decimals + 1)
    if value.max(initial=0) < 2**31:
        value = value.astype(np.int32)  # divides faster
    digits = np.empty((len(value), width + (decimals > 0)), dtype=np.uint8)
    rest = value
    for k in range(width):
        column = digits.shape[1] - 1 - k - (0 < decimals <= k)
        tenth = rest // 10
        digits[:, column] = rest - 10 * tenth + ord("0")
        if k > decimals:
            digits[rest == 0, column] = _UNUSED
        rest = tenth
    if decimals:
        digits[:, -1 - decimals] = ord(".")
    return digits


@cache
def _probabilities() -> _Characters:
    """The characters of 0.0000, 0.0001, ... 1.0000, and an unused entry for a missing one."""
    texts = [f"{k / _PROBABILITY_STEPS:.4f}" for k in range(_PROBABILITY_STEPS + 1)]
    return np.array([*texts, ""], dtype="S6").view(np.uint8).reshape(len(texts) + 1, 6)
