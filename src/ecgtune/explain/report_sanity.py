"""A report's second half: what becomes of attributions with noise, random weights and permuted labels."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgtune.explain.attribution import explain
from ecgtune.explain.beats_of import Drawn
from ecgtune.explain.methods import METHODS
from ecgtune.explain.report_faith import By, methods_for
from ecgtune.explain.report_plan import Clock, Plan
from ecgtune.explain.sanity import Likeness, depths_of, likeness, mean_likeness, shuffled, stages_of
from ecgtune.explain.sanity_labels import Memorised, memorise
from ecgtune.explain.sensitivity import sensitivity
from ecgtune.explain.subject import BeatSubject, Examples, logits_of

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Ints = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Sanity:
    """What was measured of a few beats, by filling and method.

    Parameters
    ----------
    examples
        The beats.
    sensitivity
        float64 [beats].
    stages
        Names of the network's layers, the first first.
    depths
        How many layers from the top are random at each point of the cascade.
    weights
        Likeness to the original attribution at each point.
    labels
        Likeness to the attribution of the network that learned permuted labels.
    memorised
        That network.
    """

    examples: Examples = field(repr=False)
    sensitivity: dict[By, Figures] = field(repr=False)
    stages: tuple[str, ...]
    depths: tuple[int, ...]
    weights: dict[By, list[Likeness]] = field(repr=False)
    labels: dict[By, Likeness] = field(repr=False)
    memorised: Memorised


def measure_sanity(
    subject: BeatSubject, drawn: Drawn, learned: Drawn, plan: Plan, *, seed: int, clock: Clock
) -> Sanity:
    """Repeat the explanations of a few beats with noise and with networks that know nothing.

    Parameters
    ----------
    subject
        The model.
    drawn
        The beats.
    learned
        Beats that a network learns with permuted labels.
    plan
        How much.
    seed
        Of every draw.
    clock
        Takes the time of each part.
    """
    examples = drawn.examples(subject)
    target = logits_of(subject, examples).argmax(axis=1).astype(np.int64)

    def run(network: nn.Module) -> None:
        other = subject.with_network(network)
        logits_of(other, drawn.examples(other))

    with clock.part("sensitivity"):
        noisy = {
            (filling, method): sensitivity(
                subject,
                examples,
                target,
                method=method,
                baseline=filling,
                steps=plan.few_steps,
                draws=plan.noises,
                seed=seed,
            )
            for filling, method in distinct(subject)
        }
    original = explain_all(subject, drawn, target, plan, seed)
    stages = stages_of(subject.network, run)
    depths = depths_of(stages, plan.depths)
    cascade: dict[By, list[Likeness]] = {by: [] for by in original}
    with clock.part("random weights"):
        for depth in depths:
            several: dict[By, list[Likeness]] = {by: [] for by in original}
            for dealing in range(plan.dealings):
                network = shuffled(subject.network, stages[-depth:], run, seed + dealing)
                found = explain_all(subject.with_network(network), drawn, target, plan, seed)
                for by, values in found.items():
                    several[by].append(likeness(original[by], values))
            for by, each in several.items():
                cascade[by].append(mean_likeness(each))
    with clock.part("permuted labels, training"):
        memorised = memorise(subject, learned, seed=seed, epochs=plan.epochs)
    with clock.part("permuted labels"):
        other = subject.with_network(memorised.network)
        found = explain_all(other, drawn, target, plan, seed)
        labels = {by: likeness(original[by], values) for by, values in found.items()}
    return Sanity(
        examples,
        everywhere(subject, noisy),
        tuple(stage.name for stage in stages),
        tuple(depths),
        everywhere(subject, cascade),
        everywhere(subject, labels),
        memorised,
    )


def distinct(subject: BeatSubject) -> list[By]:
    """Fillings and methods that differ: a method without a baseline is the same with every filling."""
    first = subject.baselines[0]
    return [
        (filling, method)
        for filling in subject.baselines
        for method in methods_for(subject)
        if METHODS[method].needs_baseline or filling == first
    ]


def everywhere(subject: BeatSubject, found: dict[By, T]) -> dict[By, T]:
    """Give methods without a baseline their figures with every filling."""
    first = subject.baselines[0]
    return {
        (filling, method): found.get((filling, method), found[first, method])
        for filling in subject.baselines
        for method in methods_for(subject)
    }


def explain_all(subject: BeatSubject, drawn: Drawn, target: Ints, plan: Plan, seed: int) -> dict[By, Floats]:
    """Attributions of the beats as a subject's network sees them and their neighbours."""
    examples = drawn.examples(subject)
    return {
        (filling, method): explain(
            subject,
            examples,
            method=method,
            target=target,
            baseline=filling,
            steps=plan.few_steps,
            seed=seed,
        ).values
        for filling, method in distinct(subject)
    }
