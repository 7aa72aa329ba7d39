"""A network that has learned nothing true: the same architecture, trained until it knows permuted labels."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgtune.explain.beats_of import Drawn
from ecgtune.explain.sanity import shuffled, stages_of
from ecgtune.explain.subject import BeatSubject, Examples, context_of, inputs_of, logits_of

Ints = NDArray[np.int64]

KNOWN = 0.95
"""Share of the permuted labels after which the training ends, as in Adebayo et al. 2018."""

REFRESHED = 4
"""Epochs after which the context of the beats is made again by the network as it is by then."""


@dataclass(frozen=True)
class Memorised:
    """A network trained on permuted labels.

    Parameters
    ----------
    network
        In evaluation mode.
    accuracy
        Share of the permuted labels that it knows.
    beats, epochs
        What it was trained on, and for how long.
    """

    network: nn.Module = field(repr=False)
    accuracy: float
    beats: int
    epochs: int


def memorise(
    subject: BeatSubject,
    drawn: Drawn,
    *,
    seed: int,
    epochs: int,
    lr: float = 2e-3,
    batch: int = 64,
) -> Memorised:
    """Train a network of a subject's architecture on permuted labels.

    It starts from the subject's weights dealt anew (`shuffled`) and is trained in evaluation mode, without
    dropout and with fixed norms, so that a few hundred beats are learned by heart in a minute. The beats are
    seen one at a time, as they are explained; what the network makes of their neighbours is made anew every
    `REFRESHED` epochs.

    Parameters
    ----------
    subject
        Whose architecture.
    drawn
        Beats; their labels are permuted among them.
    seed
        Of weights, labels and batches.
    epochs
        At most.
    lr, batch
        Of Adam.
    """
    labels = torch.from_numpy(permuted(drawn.examples(subject).label, seed))

    def run(network: nn.Module) -> None:
        other = subject.with_network(network)
        logits_of(other, drawn.examples(other))

    stages = stages_of(subject.network, run)
    learner = subject.with_network(shuffled(subject.network, stages, run, seed))
    learner.network.requires_grad_(True)
    optimiser = torch.optim.Adam(learner.network.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    done, examples = 0, drawn.examples(learner)
    known = _known(learner, examples, labels)
    while done < epochs and known < KNOWN:
        for _ in range(min(REFRESHED, epochs - done)):
            order = torch.randperm(len(labels), generator=generator)
            for begin in range(0, len(order), batch):
                rows = order[begin : begin + batch]
                some = examples.select(rows.numpy())
                logits = learner.module(*inputs_of(some), *context_of(some))
                loss = nn.functional.cross_entropy(logits, labels[rows])
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
            done += 1
        examples = drawn.examples(learner)
        known = _known(learner, examples, labels)
    learner.network.requires_grad_(False)
    return Memorised(learner.network, known, len(labels), done)


def permuted(labels: Ints, seed: int) -> Ints:
    """Deal labels anew among the beats that have them."""
    return np.random.default_rng(seed).permutation(labels)


def _known(subject: BeatSubject, examples: Examples, labels: torch.Tensor) -> float:
    predicted = logits_of(subject, examples).argmax(axis=1)
    return float((predicted == labels.numpy()).mean())
