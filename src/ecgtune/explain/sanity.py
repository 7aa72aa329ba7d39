"""Whether an attribution depends on what the network has learned.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps" (arXiv:1810.03292): weights are made random from the
last layer down to the first, and with each layer the attribution should have less in common with the
original one. What looks the same whatever the weights are explains nothing.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from ecgtune.explain.agreement import rank_correlation

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Run = Callable[[nn.Module], object]
"""Sends some examples through a network, or a copy of it."""


@dataclass(frozen=True)
class Stage:
    """A layer with a matrix of weights, and the norms that follow it.

    Parameters
    ----------
    name
        Of the first module in it.
    modules
        Names of its modules.
    """

    name: str
    modules: tuple[str, ...]


def stages_of(network: nn.Module, run: Run) -> list[Stage]:
    """Layers of a network in the order in which it uses them, the first first.

    Parameters
    ----------
    network
        Any network.
    run
        Sends examples through it.
    """
    own = {name: module for name, module in network.named_modules() if module._parameters}
    names = {id(module): name for name, module in own.items()}
    used: dict[str, None] = {}

    def note(module: nn.Module, _: object) -> None:
        used.setdefault(names[id(module)])

    handles = [module.register_forward_pre_hook(note) for module in own.values()]
    try:
        run(network)
    finally:
        for handle in handles:
            handle.remove()
    order = list(used)
    before = ""
    for name in own:
        # Parts whose weights are read without a call, as attention reads its output layer's, follow the part
        # before them.
        if name not in used:
            order.insert(order.index(before) + 1 if before else 0, name)
        before = name
    stages: list[Stage] = []
    for name in order:
        if stages and all(weight.ndim < 2 for weight in own[name].parameters(recurse=False)):
            stages[-1] = Stage(stages[-1].name, (*stages[-1].modules, name))
        else:
            stages.append(Stage(name, (name,)))
    return stages


def shuffled(network: nn.Module, stages: Sequence[Stage], run: Run, seed: int) -> nn.Module:
    """Copy a network with random weights in some of its layers.

    The values of each weight tensor are dealt anew, those of matrices with random signs. Fresh weights, as
    before a training, would shrink the signal of a network without normalisation ten thousand times, and its
    biases would decide alone; values that are dealt anew keep their size and forget what they meant. Without
    new signs, a matrix whose mean is below 0 would silence every ReLU behind it. Batch norms in these layers
    then take the mean and variance of what comes in now.

    Parameters
    ----------
    network
        Left as it is.
    stages
        Layers that become random.
    run
        Sends examples through a network; the batch norms look at them.
    seed
        Of the dealing.

    Returns
    -------
    Module
        In evaluation mode.
    """
    made = copy.deepcopy(network).eval()
    parts = dict(made.named_modules())
    generator = torch.Generator().manual_seed(seed)
    norms: list[BatchNorm] = []
    with torch.no_grad():
        # From the top down: with one seed, a layer has the same random weights at every depth of a cascade.
        for module in (parts[name] for stage in reversed(stages) for name in stage.modules):
            for weight in module.parameters(recurse=False):
                dealt = weight.flatten()[torch.randperm(weight.numel(), generator=generator)]
                if weight.ndim > 1:
                    dealt *= 2 * torch.randint(2, dealt.shape, generator=generator) - 1
                weight.copy_(dealt.view_as(weight))
            if isinstance(module, BatchNorm):
                norms.append(module)
    if norms:
        _measure(made, norms, run)
    return made


def _measure(network: nn.Module, norms: Sequence[BatchNorm], run: Run) -> None:
    """Set batch norms to the mean and variance of what comes in, each batch counting alike."""
    seen: dict[int, int] = {}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, BatchNorm)
        x = inputs[0].detach()
        rest = [axis for axis in range(x.ndim) if axis != 1]
        if norm.running_mean is None or norm.running_var is None or x.numel() <= x.shape[1]:
            return
        seen[id(norm)] = seen.get(id(norm), 0) + 1
        share = 1 / seen[id(norm)]
        norm.running_mean.lerp_(x.mean(rest), share)
        norm.running_var.lerp_(x.var(rest), share)

    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    try:
        run(network)
    finally:
        for handle in handles:
            handle.remove()


def depths_of(stages: Sequence[Stage], most: int) -> list[int]:
    """How many layers from the top are random at each point of a cascade: at most so many points.

    The first is the last layer alone, the last all of them.
    """
    points = np.linspace(1, len(stages), min(most, len(stages)))
    return sorted({round(point) for point in points.tolist()})


@dataclass(frozen=True)
class Likeness:
    """Rank correlation of attributions with the original ones, float64 [beats]; NaN where undefined.

    Parameters
    ----------
    signed
        Of the contributions.
    size
        Of their absolute values: what stays alike here says that the attribution is large in the same
        places, whatever it says there.
    """

    signed: Figures = field(repr=False)
    size: Figures = field(repr=False)


def likeness(original: Floats, other: Floats) -> Likeness:
    """Compare two attributions, [beats, leads, samples] each, as Adebayo does: with and without sign."""
    return Likeness(rank_correlation(original, other), rank_correlation(np.abs(original), np.abs(other)))


def mean_likeness(several: Sequence[Likeness]) -> Likeness:
    """Mean of each beat over several random networks; over those where it is defined."""

    def mean(values: Sequence[Figures]) -> Figures:
        stack = np.stack(values)
        known = ~np.isnan(stack)
        found = np.full(stack.shape[1], np.nan)
        np.divide(np.where(known, stack, 0).sum(0), known.sum(0), out=found, where=known.any(axis=0))
        return found

    return Likeness(mean([each.signed for each in several]), mean([each.size for each in several]))
