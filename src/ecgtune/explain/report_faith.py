"""A report's first half: what attributions say of all drawn beats, and whether the labels rest on it."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecgtune.explain.agreement import order_of, rank_correlation, top_overlap
from ecgtune.explain.attribution import Attribution, explain
from ecgtune.explain.baselines import baseline_of
from ecgtune.explain.edges import edges
from ecgtune.explain.faithfulness import (
    Curves,
    infidelity,
    predictor,
    random_orders,
    replace_in_order,
    reversed_curves,
)
from ecgtune.explain.methods import METHODS
from ecgtune.explain.regions import region_masks, region_shares
from ecgtune.explain.report_plan import Clock, Plan
from ecgtune.explain.subject import BeatSubject, Examples, logits_of

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Ints = NDArray[np.int64]
By = tuple[str, str]
"""A filling, and a method or one of the orders that need no network."""

EDGES, RANDOM = "edges", "random"
"""Orders that need no network."""


@dataclass(frozen=True)
class Faith:
    """What was measured of all beats; float64 [beats] where nothing else is said.

    Parameters
    ----------
    examples
        The beats.
    target
        The label that the model gives each, int64 [beats]: what is explained.
    methods, fillings
        Names. What stands for "nothing there" for a method, its baseline, is also what fills the place of
        samples that are taken away.
    values
        Attributions, float32 [beats, leads, samples].
    error
        By filling: how far the contributions of Integrated Gradients miss the sum that they promise, as a
        share of it.
    deletion, insertion
        Curves of methods, edges and random orders.
    infidelity
        Of methods and edges.
    agreement
        By filling and two names: rank correlation, and overlap of the most important samples.
    between
        By method and two fillings: rank correlation.
    regions
        Share of each region in the attribution, by region.
    room
        Share of each region in the window, by region.
    """

    examples: Examples = field(repr=False)
    target: Ints = field(repr=False)
    methods: tuple[str, ...]
    fillings: tuple[str, ...]
    values: dict[By, Floats] = field(repr=False)
    error: dict[str, Figures] = field(repr=False)
    deletion: dict[By, Curves] = field(repr=False)
    insertion: dict[By, Curves] = field(repr=False)
    infidelity: dict[By, Figures] = field(repr=False)
    agreement: dict[tuple[str, str, str], tuple[Figures, Figures]] = field(repr=False)
    between: dict[tuple[str, str, str], Figures] = field(repr=False)
    regions: dict[By, dict[str, Figures]] = field(repr=False)
    room: dict[str, Figures] = field(repr=False)


def methods_for(subject: BeatSubject) -> tuple[str, ...]:
    """Methods that a subject's network allows: Grad-CAM needs convolutions."""
    return tuple(name for name in METHODS if name != "grad-cam" or subject.convolution is not None)


def measure_faith(subject: BeatSubject, examples: Examples, plan: Plan, *, seed: int, clock: Clock) -> Faith:
    """Explain beats by every method and filling, and test what comes of it.

    Parameters
    ----------
    subject
        The model.
    examples
        The beats.
    plan
        How much.
    seed
        Of every draw.
    clock
        Takes the time of each part.
    """
    methods = methods_for(subject)
    target = logits_of(subject, examples).argmax(axis=1).astype(np.int64)
    values, error = _explanations(subject, examples, target, methods, plan, seed, clock)
    slopes = edges(examples.signal, subject.fs)
    bench = _Bench(subject, examples, target, plan, seed)
    with clock.part("deletion and insertion"):
        deletion, insertion = _curves(bench, values, slopes, methods)
    with clock.part("infidelity"):
        foretold = _infidelity(bench, values, slopes, methods)
    with clock.part("agreement and regions"):
        masks = region_masks(examples.rr, fs=subject.fs, before=subject.before, width=subject.width)
        return Faith(
            examples=examples,
            target=target,
            methods=methods,
            fillings=subject.baselines,
            values=values,
            error=error,
            deletion=deletion,
            insertion=insertion,
            infidelity=foretold,
            agreement=_agreement(values, slopes, methods, subject.baselines, seed),
            between={
                (method, one, other): rank_correlation(values[one, method], values[other, method])
                for method in methods
                if METHODS[method].needs_baseline
                for one, other in combinations(subject.baselines, 2)
            },
            regions={by: _where(each, masks) for by, each in values.items()},
            room={name: mask.mean(axis=1) for name, mask in masks.items()},
        )


class _Bench:
    """The beats, what fills the place of their samples, and what the model makes of either."""

    def __init__(self, subject: BeatSubject, examples: Examples, target: Ints, plan: Plan, seed: int) -> None:
        self.predict = predictor(subject, examples)
        self.signal = np.ascontiguousarray(examples.signal)
        self.fillings = {
            name: np.ascontiguousarray(baseline_of(examples, name, seed)[0]) for name in subject.baselines
        }
        self.target, self.plan, self.seed = target, plan, seed
        # Of a model that has one: its probabilities are those that its labels come with.
        self.temperature = float(getattr(subject, "temperature", 1.0))

    def replace(self, start: Floats, end: Floats, orders: list[Ints]) -> Curves:
        """Mean curves of some orders."""
        shares, warm = self.plan.shares, self.temperature
        return _mean(
            [replace_in_order(self.predict, start, end, each, self.target, shares, warm) for each in orders]
        )


def _curves(
    bench: _Bench, values: dict[By, Floats], slopes: Floats, methods: tuple[str, ...]
) -> tuple[dict[By, Curves], dict[By, Curves]]:
    """Deletion and insertion in every order, with every filling."""
    n, cells = len(bench.signal), bench.signal[0].size
    chance = [random_orders(n, cells, bench.seed + draw) for draw in range(bench.plan.orders)]
    steepest = [order_of(slopes, bench.seed)]
    deletion: dict[By, Curves] = {}
    insertion: dict[By, Curves] = {}
    for filling, empty in bench.fillings.items():
        orders = {name: [order_of(values[filling, name], bench.seed)] for name in methods}
        for name, several in (orders | {EDGES: steepest}).items():
            deletion[filling, name] = bench.replace(bench.signal, empty, several)
            insertion[filling, name] = bench.replace(empty, bench.signal, several)
        deletion[filling, RANDOM] = bench.replace(bench.signal, empty, chance)
        insertion[filling, RANDOM] = reversed_curves(deletion[filling, RANDOM])
    return deletion, insertion


def _infidelity(
    bench: _Bench, values: dict[By, Floats], slopes: Floats, methods: tuple[str, ...]
) -> dict[By, Figures]:
    found: dict[By, Figures] = {}
    for filling, empty in bench.fillings.items():
        named = {name: values[filling, name] for name in methods} | {EDGES: slopes}
        measured = infidelity(
            bench.predict,
            bench.signal,
            empty,
            named,
            bench.target,
            draws=bench.plan.pieces,
            seed=bench.seed,
        )
        found |= {(filling, name): each for name, each in measured.items()}
    return found


def _explanations(
    subject: BeatSubject,
    examples: Examples,
    target: Ints,
    methods: tuple[str, ...],
    plan: Plan,
    seed: int,
    clock: Clock,
) -> tuple[dict[By, Floats], dict[str, Figures]]:
    """Attributions by every method and filling, and the relative convergence error by filling."""
    values: dict[By, Floats] = {}
    error: dict[str, Figures] = {}
    first = subject.baselines[0]
    for method in methods:
        with clock.part(method):
            for filling in subject.baselines:
                if not METHODS[method].needs_baseline and filling != first:
                    values[filling, method] = values[first, method]
                    continue
                found = explain(
                    subject,
                    examples,
                    method=method,
                    target=target,
                    baseline=filling,
                    steps=plan.steps,
                    seed=seed,
                )
                values[filling, method] = found.values
                if found.delta is not None:
                    error[filling] = _relative_error(found)
    return values, error


def _relative_error(found: Attribution) -> Figures:
    """Size of the convergence delta as a share of the sum that the contributions should have."""
    assert found.delta is not None
    total = found.values.sum(axis=(1, 2), dtype=np.float64)
    if found.rhythm is not None:
        total = total + found.rhythm.sum(axis=1, dtype=np.float64)
    promised = np.abs(total - found.delta)
    missed = np.full(len(promised), np.nan)
    np.divide(np.abs(found.delta), promised, out=missed, where=promised > 0)
    return missed


def _mean(curves: list[Curves]) -> Curves:
    """Mean of each beat's curves."""
    probability = np.mean([each.probability for each in curves], axis=0)
    return Curves(curves[0].shares, probability, np.mean([each.logit for each in curves], axis=0))


def _agreement(
    values: dict[By, Floats], slopes: Floats, methods: tuple[str, ...], fillings: tuple[str, ...], seed: int
) -> dict[tuple[str, str, str], tuple[Figures, Figures]]:
    found = {}
    for filling in fillings:
        named = {name: values[filling, name] for name in methods}
        for one, other in combinations(named, 2):
            pair = (named[one], named[other])
            found[filling, one, other] = rank_correlation(*pair), top_overlap(*pair, seed=seed)
        for name, each in named.items():
            # Edges have no sign, so sizes are compared.
            size = np.abs(each)
            found[filling, name, EDGES] = rank_correlation(size, slopes), top_overlap(size, slopes, seed=seed)
    return found


def _where(values: Floats, masks: dict[str, NDArray[np.bool_]]) -> dict[str, Figures]:
    """Share of each region; NaN where the attribution is 0 everywhere."""
    empty = ~np.any(values, axis=(1, 2))
    return {name: np.where(empty, np.nan, share) for name, share in region_shares(values, masks).items()}
