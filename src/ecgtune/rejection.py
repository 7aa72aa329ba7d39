"""Beats that a model is not sure enough of: they are called Q, and left to a person."""

from dataclasses import replace

import numpy as np

from ecgtune.errors import EcgtuneError
from ecgtune.labelled import Labelled, confidence
from ecgtune.labels import CLASSES


def reject(labelled: Labelled, min_confidence: float) -> Labelled:
    """Call beats Q of which the model is less sure than a limit, for a person to look at.

    What the model would have said stays in ``probability``, and in ``aux`` (``"V 0.43, below 0.6"``).

    Parameters
    ----------
    labelled
        A recording with probabilities; beats called Q for an earlier limit get their class back first.
    min_confidence
        Smallest highest class probability with which a beat keeps its class, 0 to 1.

    Raises
    ------
    EcgtuneError
        Where the limit is no probability, or there are no probabilities to judge by.
    """
    check_confidence(min_confidence)
    annotations = labelled.annotations
    best = confidence(annotations)
    if annotations.probability is None or best is None:
        raise EcgtuneError(
            f"{labelled.record.name}: labels without probabilities; classify the recording again"
        )
    own = np.array(CLASSES)[annotations.probability.argmax(axis=1)]
    below = best < min_confidence
    symbol, aux = np.where(below, "Q", own), np.full(len(own), "", dtype="<U32")
    for beat in np.flatnonzero(below):
        aux[beat] = f"{own[beat]} {best[beat]:.2f}, below {min_confidence:g}"
    return replace(
        labelled,
        annotations=replace(annotations, symbol=symbol, aux=aux),
        min_confidence=float(min_confidence),
    )


def check_confidence(min_confidence: float) -> None:
    """Refuse a limit that is no probability.

    Raises
    ------
    EcgtuneError
        Where it is not within 0 to 1.
    """
    if not 0 <= min_confidence <= 1:
        raise EcgtuneError(f"min_confidence {min_confidence:g}; give a probability, 0 to 1")


def rejection_note(labelled: Labelled) -> str:
    """Say in a line how many beats are called Q for lack of confidence, and what they might be."""
    counts = labelled.rejected_counts
    beats, n = len(labelled.annotations), sum(counts.values())
    might = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return (
        f"{n:,} of {beats:,} beats less sure than {labelled.min_confidence:g} and therefore Q"
        + f" (the model's own labels: {might})" * bool(n)
    )
