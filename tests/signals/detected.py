"""How well beats were found, counted as EC57 counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.ec57 import compare_beats
from ecgtune.record import Annotations, Record

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """Beats found, missed and invented, and how far the found ones lie from the reference in seconds."""

    found: int
    missed: int
    extra: int
    distance: NDArray[np.float64]

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.found + other.found,
            self.missed + other.missed,
            self.extra + other.extra,
            np.concatenate([self.distance, other.distance]),
        )

    @property
    def se(self) -> float:
        """Sensitivity in percent."""
        return 100 * self.found / (self.found + self.missed)

    @property
    def ppv(self) -> float:
        """Positive predictivity in percent."""
        return 100 * self.found / (self.found + self.extra)


NOTHING = Score(0, 0, 0, np.empty(0))


def score(record: Record, at: Ints, annotator: str, start: float = 0.0) -> Score:
    """Compare detected beats with a record's annotations, 150 ms apart at most, from ``start`` seconds on."""
    reference = record.annotations[annotator]
    compared = compare_beats(
        reference,
        Annotations(at, np.full(len(at), "N")),
        record.fs,
        start=start,
        n_samples=record.n_samples,
    )
    pairs, counts = compared.pairs, compared.counts
    both = pairs.matched
    distance = np.abs(reference.sample[pairs.reference[both]] - at[pairs.test[both]]) / record.fs
    return Score(int(counts[:5, :5].sum()), int(counts[:5, 5:].sum()), int(counts[5:, :5].sum()), distance)


def shared(one: Ints, other: Ints, within: float) -> float:
    """Share of the beats of either row that the other has too, at most ``within`` samples away."""
    there = [
        np.abs(b[np.clip(np.searchsorted(b, a)[:, None] + [-1, 0], 0, len(b) - 1)] - a[:, None]).min(axis=1)
        for a, b in ((one, other), (other, one))
    ]
    return float(np.mean(np.concatenate(there) <= within))
