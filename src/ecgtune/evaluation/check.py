"""Whether two sets of annotations can be compared, said in one line where they cannot."""

import numpy as np

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.ec57.period import Period
from ecgtune.labels import BEAT_SYMBOLS, is_beat
from ecgtune.record import Annotations

MARKS = frozenset("[]!x()ptu`'^|~+sT*D=\"@")
"""WFDB's symbols that mark no beat."""


def check_annotations(annotations: Annotations, record: str, annotator: str, n_samples: int | None) -> None:
    """Refuse annotations that would make the comparison meaningless.

    Two annotations at one sample are in order (svdb has such) as long as only one of them is a beat.

    Parameters
    ----------
    annotations
        What one annotator says of the record.
    record, annotator
        Names, for the message.
    n_samples
        Length of the recording; None where it is not known. A beat at the very end is accepted.

    Raises
    ------
    EvaluationError
        On unsorted samples, two beats at one sample, samples outside the record, unknown symbols, no beats.
    """
    who = f"{record}: annotator {annotator}"
    sample, symbol = annotations.sample, annotations.symbol
    unknown = sorted(set(np.unique(symbol).tolist()) - BEAT_SYMBOLS - MARKS)
    if unknown:
        at = int(sample[symbol == unknown[0]][0])
        raise EvaluationError(
            f"{who}: unknown symbol {unknown[0]!r} at sample {at}: no telling whether it is a beat;"
            " use WFDB's symbols"
        )
    beat = is_beat(symbol)
    if not beat.any():
        raise EvaluationError(f"{who} has no beats ({len(sample)} other annotations)")
    steps = np.diff(sample)
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise EvaluationError(
            f"{who}: annotations out of order: sample {sample[at + 1]} follows {sample[at]}; sort the file"
        )
    beats = sample[beat]
    repeated = np.diff(beats) == 0
    if repeated.any():
        at = int(beats[int(np.argmax(repeated))])
        raise EvaluationError(
            f"{who}: two beats at sample {at} ({int(repeated.sum())} such pairs); remove one of each"
        )
    if sample[0] < 0 or (n_samples is not None and sample[-1] > n_samples):
        outside = int(sample[0] if sample[0] < 0 else sample[-1])
        raise EvaluationError(
            f"{who}: annotation at sample {outside}, outside the record's {n_samples} samples:"
            " annotations of another record or at another sampling rate"
        )


def check_period(reference: Annotations, record: str, period: Period, fs: float) -> None:
    """Refuse a test period without reference beats.

    Raises
    ------
    EvaluationError
        Where there is none.
    """
    beats = reference.sample[is_beat(reference.symbol)]
    if not period.holds(beats).any():
        raise EvaluationError(
            f"{record}: no reference beats in the test period (beats from {beats[0] / fs:.0f} to"
            f" {beats[-1] / fs:.0f} s, test from {period.start / fs:.0f} s); choose another start, e.g. 0"
        )
