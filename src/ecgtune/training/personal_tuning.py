"""A few gradient steps from a trained network towards one patient, and not far."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ecgtune.evaluation.metrics import known_confusion
from ecgtune.self_training import SelfTraining
from ecgtune.training.networks import BeatNetwork, RelationEnsemble
from ecgtune.training.saying import said_of
from ecgtune.training.sequences import IGNORED, Excerpts, Inputs, Recording, class_weights


@dataclass(frozen=True)
class Tuning:
    """How a network is tuned; the values were compared on patients left out (docs/personalize.md).

    Parameters
    ----------
    steps
        Gradient steps; as many for five minutes of labels as for a day.
    batch, length
        Excerpts of a step, drawn without repetition, and beats of an excerpt.
    lr
        Of Adam at the first step; it falls to zero along a cosine.
    hold
        Weight of the squared distance to the parent's weights (L2-SP, Li 2018, arXiv:1802.01483); of an
        ensemble, of the mean over its members.
    class_weight, fewest
        Power of the inverse class frequency that weights the loss; a class with fewer beats is weighted as
        if it had as many.
    label_smoothing
        Of the cross-entropy.
    frozen
        Parts of the network that stay as they are, by a part of their parameters' names.
    """

    steps: int = 120
    batch: int = 16
    length: int = 64
    lr: float = 0.002
    hold: float = 0.02
    class_weight: float = 0.25
    fewest: int = 20
    label_smoothing: float = 0.02
    frozen: tuple[str, ...] = ()


def tune(parent: BeatNetwork, recording: Recording, options: Tuning, seed: int) -> BeatNetwork:
    """Tune a copy of a network to the labelled beats of one recording.

    The network stays in evaluation mode: running statistics of normalisations are the parent's, and nothing
    is dropped. Nothing but the order and position of the excerpts is drawn.

    Parameters
    ----------
    parent
        Takes beats and rhythm, gives logits [batch, beats, classes]; it is left as it is.
    recording
        Prepared beats; those without a label are context.
    options
        See `Tuning`.
    seed
        Of the excerpts.
    """
    network = parent.made_familiar().eval()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(set(name.split(".")).isdisjoint(options.frozen))
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    start = [parameter.detach().clone() for parameter in free]
    hold = options.hold / (len(network.members) if isinstance(network, RelationEnsemble) else 1)
    excerpts = Excerpts([recording], options.length, jitter=True)
    weight = class_weights([recording.label], options.class_weight, options.fewest)
    optimizer = torch.optim.Adam(free, lr=options.lr)
    generator = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        for step in range(options.steps):
            for group in optimizer.param_groups:
                group["lr"] = options.lr * 0.5 * (1 + math.cos(math.pi * step / options.steps))
            inputs, label = _draw(excerpts, options.batch)
            if not (label != IGNORED).any():
                continue
            loss = cross_entropy(
                network(**inputs).flatten(0, 1),
                label.flatten(),
                weight=weight,
                ignore_index=IGNORED,
                label_smoothing=options.label_smoothing,
            )
            moved = sum(((now - then) ** 2).sum() for now, then in zip(free, start, strict=True))
            optimizer.zero_grad()
            (loss + hold * moved).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    finally:
        torch.random.set_rng_state(generator)
    return network.requires_grad_(True)


def labelled_confusion(network: nn.Module, recording: Recording, how: SelfTraining) -> NDArray[np.int64]:
    """Confusion matrix [true, predicted] of the labelled beats of a recording, labelled as a model would.

    Parameters
    ----------
    network, recording, how
        As in `ecgtune.training.saying.said_of`.
    """
    return known_confusion(recording.label.numpy(), said_of(network, recording, how).argmax(axis=1))


def _draw(excerpts: Excerpts, batch: int) -> tuple[Inputs, Tensor]:
    chosen = torch.randperm(len(excerpts))[:batch].tolist()
    items = [excerpts[i] for i in chosen]
    inputs = {name: torch.stack([each[name] for each, _ in items]) for name in ("beats", "rhythm")}
    return inputs, torch.stack([label for _, label in items])
