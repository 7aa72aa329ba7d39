"""Whether a model's explanations are faithful, sane and robust: decided by what was measured, in one place.

The limits are ours and were fixed before anything was measured by them.

* **Faithful**: deleting samples in order of attribution takes the label's probability away sooner than in
  random order and sooner than in order of steepness: the interval of each difference of areas lies below 0.
* **Sane**: with all weights random, and with a network that learned permuted labels, the attribution has less
  than half of its order left: rank correlations, with and without sign, lie below `LIMIT`, interval included.
* **Robust**: noise of 2 % of the beat's height changes the attribution by less than half of its norm,
  interval included.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ecgtune.evaluation.bootstrap import Interval, bootstrap_values
from ecgtune.explain.report_faith import EDGES, RANDOM, Faith
from ecgtune.explain.report_sanity import Sanity
from ecgtune.explain.subject import Examples

FAITHFUL, SANE, ROBUST = "faithful", "sane", "robust"
QUESTIONS = (FAITHFUL, SANE, ROBUST)

LIMIT = 0.5
"""Halfway between nothing in common and the same, and of a change as large as the attribution."""

FEWEST = 3
"""Records that an interval must be drawn over for a verdict: over one, it has no width."""


@dataclass(frozen=True)
class Verdict:
    """Whether a method passes with a filling.

    Parameters
    ----------
    question
        Of `QUESTIONS`.
    method, filling
        What is judged.
    holds
        Whether it passes.
    reason
        The figure that decides, in words: of several the one that fails, or the nearest to failing.
    """

    question: str
    method: str
    filling: str
    holds: bool
    reason: str


@dataclass(frozen=True)
class Criterion:
    """A figure that must lie below a limit, with its interval; ``what`` completes "it is ..." in words."""

    what: str
    interval: Interval
    limit: float

    @property
    def passed(self) -> bool:
        """Whether all of the interval does, over enough records."""
        return self.interval.n_records >= FEWEST and self.interval.high < self.limit

    @property
    def margin(self) -> float:
        """How far the interval's upper end is from the limit; less than 0 where it is beyond."""
        return self.limit - self.interval.high if self.interval.n_records >= FEWEST else -np.inf

    def __str__(self) -> str:
        found = self.interval
        if found.n_records < FEWEST:
            return f"{self.what} is defined in {found.n_records} records, too few for a verdict"
        return (
            f"{self.what} is {found.value:.3f} ({found.low:.3f} to {found.high:.3f}),"
            f" where less than {self.limit:g} is asked"
        )


def by_record(values: ArrayLike, examples: Examples, *, seed: int = 0) -> Interval:
    """Mean over records of a figure's mean in each, with an interval by resampling records.

    Parameters
    ----------
    values
        [beats]; NaN where a beat does not have the figure.
    examples
        The beats.
    seed
        Of the resampling.
    """
    keys = np.char.add(np.char.add(examples.database, "/"), examples.record)
    figures = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(figures)
    names, place = np.unique(keys[known], return_inverse=True)
    if not len(names):
        return bootstrap_values([], seed=seed)
    sums = np.bincount(place, figures[known], minlength=len(names))
    return bootstrap_values(sums / np.bincount(place, minlength=len(names)), seed=seed)


def judge(question: str, method: str, filling: str, criteria: Iterable[Criterion]) -> Verdict:
    """Decide by criteria that must all be met; the reason is the worst of them."""
    every = list(criteria)
    worst = min(every, key=lambda each: each.margin)
    return Verdict(question, method, filling, all(each.passed for each in every), str(worst))


def verdicts_of(faith: Faith, sanity: Sanity) -> list[Verdict]:
    """Judge every method with every filling by every question."""
    found = []
    for method in faith.methods:
        for filling in faith.fillings:
            by = (filling, method)
            found += [
                judge(FAITHFUL, method, filling, _faithful(faith, by)),
                judge(SANE, method, filling, _sane(sanity, by)),
                judge(ROBUST, method, filling, [_robust(sanity, by)]),
            ]
    return found


def _faithful(faith: Faith, by: tuple[str, str]) -> list[Criterion]:
    area = faith.deletion[by].area
    others = {RANDOM: "that of random orders", EDGES: "that of an edge detector"}
    return [
        Criterion(
            f"the deletion area less {words}",
            by_record(area - faith.deletion[by[0], other].area, faith.examples),
            0.0,
        )
        for other, words in others.items()
    ]


def _sane(sanity: Sanity, by: tuple[str, str]) -> list[Criterion]:
    pairs = {"all weights random": sanity.weights[by][-1], "permuted labels": sanity.labels[by]}
    return [
        Criterion(f"the rank correlation {of} with {words}", by_record(values, sanity.examples), LIMIT)
        for words, found in pairs.items()
        for of, values in (("of contributions", found.signed), ("of their sizes", found.size))
    ]


def _robust(sanity: Sanity, by: tuple[str, str]) -> Criterion:
    return Criterion("the change under noise", by_record(sanity.sensitivity[by], sanity.examples), LIMIT)


def passed(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Fillings with which each method passes each question, by method and question."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in verdicts:
        own = found.setdefault((each.method, each.question), [])
        own += [each.filling] * each.holds
    return {key: tuple(fillings) for key, fillings in found.items()}


def headline(name: str, verdicts: Sequence[Verdict]) -> str:
    """The first line of a report: what fails, or that nothing does.

    Parameters
    ----------
    name
        Of the model.
    verdicts
        Of all methods, fillings and questions.
    """
    failed: dict[str, dict[str, list[str]]] = {}
    fillings = tuple(dict.fromkeys(each.filling for each in verdicts))
    for each in verdicts:
        if not each.holds:
            failed.setdefault(each.method, {}).setdefault(each.question, []).append(each.filling)
    methods = tuple(dict.fromkeys(each.method for each in verdicts))
    if not failed:
        return (
            f"PASSED: {_listed(methods)} explain {name} faithfully, sanely and robustly with every filling."
        )
    said = "; ".join(f"{method} is {_failures(found, fillings)}" for method, found in failed.items())
    rest = [method for method in methods if method not in failed]
    fine = f" {_listed(rest)} passed everything." if rest else ""
    return f"FAILED: not every explanation of {name} can be trusted: {said}.{fine}"


def _failures(found: Mapping[str, Sequence[str]], fillings: Sequence[str]) -> str:
    said = []
    for question, where in found.items():
        every = "" if len(where) == len(fillings) else f" (filling {_listed(where)})"
        said.append(f"not {question}{every}")
    return _listed(said)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def reasons(verdicts: Sequence[Verdict]) -> list[str]:
    """Say for each method and question that fails why, by the first filling with which it does."""
    found: dict[tuple[str, str], str] = {}
    for each in verdicts:
        if not each.holds:
            found.setdefault(
                (each.method, each.question),
                f"{each.method} is not {each.question}: {each.reason} (filling {each.filling})",
            )
    return list(found.values())
