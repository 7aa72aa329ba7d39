"""Sensitivity, positive predictivity and false positive rate from the standard's table of counts."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""Events by reference (row) and test (column), int64 [7, 7], in the order of `EVENTS`."""

EVENTS: tuple[str, ...] = ("N", "S", "V", "F", "Q", "O", "X")
"""The five classes, then no counterpart: O, no beat there; X, no beat there, in a shutdown."""

N, S, V, F, Q, O, X = range(7)  # noqa: E741  the standard's own letters


@dataclass(frozen=True)
class Rate:
    """A proportion that remembers what it was made of.

    Parameters
    ----------
    numerator, denominator
        Counts.
    """

    numerator: int
    denominator: int

    @property
    def value(self) -> float:
        """The proportion, 0 to 1; NaN where the denominator is 0."""
        return self.numerator / self.denominator if self.denominator else math.nan

    @property
    def percent(self) -> float:
        """The proportion in percent; NaN where the denominator is 0."""
        # Multiplied first: the order decides the last printed digit where the value is a tie.
        return 100.0 * self.numerator / self.denominator if self.denominator else math.nan


@dataclass(frozen=True)
class BeatRates:
    """The standard's figures of one comparison, or of the summed counts of several.

    The standard leaves it open whether an F or Q called V is wrong, and a Q called S: such beats count
    neither for nor against predictivity. An F called S is wrong. Beats missed in a shutdown count as missed.

    Parameters
    ----------
    qrs_sensitivity, qrs_predictivity
        Of detection, whatever the class.
    veb_sensitivity, veb_predictivity
        Of ventricular ectopic beats (V).
    veb_false_positive_rate
        Share of events called V among those that the reference holds to be N, S or no beat.
    sveb_sensitivity, sveb_predictivity, sveb_false_positive_rate
        The same of supraventricular ectopic beats (S); the last among N, V, F and no beat.
    """

    qrs_sensitivity: Rate
    qrs_predictivity: Rate
    veb_sensitivity: Rate
    veb_predictivity: Rate
    veb_false_positive_rate: Rate
    sveb_sensitivity: Rate
    sveb_predictivity: Rate
    sveb_false_positive_rate: Rate


def beat_rates(counts: Counts) -> BeatRates:
    """Compute the standard's figures.

    Parameters
    ----------
    counts
        int64 [7, 7], one record's or summed.

    Returns
    -------
    BeatRates
        Each with its numerator and denominator.
    """
    matched = int(counts[:O, :O].sum())
    qrs_sensitivity = Rate(matched, int(counts[:O].sum()))
    qrs_predictivity = Rate(matched, int(counts[:, :O].sum()))
    return BeatRates(
        qrs_sensitivity,
        qrs_predictivity,
        *_ectopic_rates(counts, V, [N, S, O, X]),
        *_ectopic_rates(counts, S, [N, V, F, O, X]),
    )


def _ectopic_rates(counts: Counts, ectopic: int, others: list[int]) -> tuple[Rate, Rate, Rate]:
    """Sensitivity, predictivity and false positive rate of a class; `others` are certainly not of it."""
    true = int(counts[ectopic, ectopic])
    negatives = counts[others, :O]
    false = int(negatives[:, ectopic].sum())
    return (
        Rate(true, int(counts[ectopic].sum())),
        Rate(true, true + false),
        Rate(false, int(negatives.sum())),
    )
