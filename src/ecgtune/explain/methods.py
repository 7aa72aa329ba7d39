"""Methods of attribution by name, all of them captum's, over the single-example view of a network."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ecgtune.errors import MissingExtraError, ModelError
from ecgtune.explain.subject import Examples, Subject, context_of, inputs_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_VALUES_TOGETHER, _FEWEST, _MOST = 2**18, 8, 1024
"""Values that go through the network in one step, and inputs at least and most: 1,024 beats, 8 images."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a method: classes int64 [n], baseline of signal and RR features, steps."""

    method: str
    target: Ints = field(repr=False)
    baseline: tuple[Floats, Floats | None] | None = field(repr=False)
    steps: int


@dataclass(frozen=True)
class Found:
    """Contributions: values float32 like the signal, RR features [n, features], deltas [n]."""

    values: Floats
    rhythm: Floats | None = None
    delta: Floats | None = None


@dataclass(frozen=True)
class Piece:
    """A few examples as tensors, small enough for one step."""

    inputs: tuple[Tensor, ...]
    context: tuple[Tensor, ...]
    target: Tensor
    baselines: tuple[Tensor, ...]


def attribute(subject: Subject, examples: Examples, asked: Asked) -> Found:
    """Run a method over examples, piece by piece."""
    method = METHODS[asked.method]
    size = max(1, _together(examples.signal[0].size) // method.evaluations(asked.steps))
    found = []
    for at in range(0, len(examples), size):
        own = slice(at, at + size)
        some = examples.select(own)
        baselines: tuple[Tensor, ...] = ()
        if asked.baseline is not None:
            parts = [part[own] for part in asked.baseline if part is not None]
            baselines = tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        piece = Piece(inputs_of(some), context_of(some), torch.from_numpy(asked.target[own]), baselines)
        found.append(method.run(subject, piece, asked.steps))

    def joined(name: str) -> Floats | None:
        parts = [getattr(each, name) for each in found]
        return None if parts[0] is None else np.concatenate(parts)

    values = joined("values")
    assert values is not None
    return Found(values, joined("rhythm"), joined("delta"))


def _together(values: int) -> int:
    """How many inputs of so many values go through the network in one step."""
    return min(max(_VALUES_TOGETHER // values, _FEWEST), _MOST)


def _integrated_gradients(subject: Subject, piece: Piece, steps: int) -> Found:
    """Sundararajan et al. 2017 (arXiv:1703.01365), by Gauss and Legendre's nodes."""
    method = captum_part("attr").IntegratedGradients(subject.module)
    count = len(piece.target)
    together = max(count, _together(piece.inputs[0][0].numel()))
    parts, delta = method.attribute(
        piece.inputs,
        baselines=piece.baselines,
        target=piece.target,
        additional_forward_args=piece.context or None,
        n_steps=steps,
        internal_batch_size=together if count * steps > together else None,
        return_convergence_delta=True,
    )
    return Found(*_plain(parts), delta=delta.detach().numpy().astype(np.float32))


def _grad_cam(subject: Subject, piece: Piece, steps: int) -> Found:
    """Selvaraju et al. 2017 (arXiv:1610.02391) on the last convolution, stretched to the signal's samples."""
    layer = subject.convolution
    if layer is None:
        raise ModelError(
            f"{subject.name}: its network has no convolution, which grad-cam needs; take integrated-gradients"
        )
    attr = captum_part("attr")
    weights = attr.LayerGradCam(subject.module, layer).attribute(
        piece.inputs,
        target=piece.target,
        additional_forward_args=piece.context or None,
        relu_attributions=True,
    )
    signal = piece.inputs[0]
    stretched = F.interpolate(weights, signal.shape[2:], mode="linear" if signal.ndim == 3 else "bilinear")
    return Found(np.ascontiguousarray(stretched.expand_as(signal).detach().numpy(), dtype=np.float32))


def _occlusion(subject: Subject, piece: Piece, steps: int) -> Found:
    """What the logit loses when a window of the signal, or an RR feature, is replaced by the baseline.

    Zeiler and Fergus 2014 (doi:10.1007/978-3-319-10590-1_53). A window's loss is shared out among its
    samples; a sample that several windows cover has the mean of its shares.
    """
    window, stride = subject.occluded
    windows, strides = ((window, (1,)), (stride, (1,))) if len(piece.inputs) > 1 else ((window,), (stride,))
    parts = (
        captum_part("attr")
        .Occlusion(subject.module)
        .attribute(
            piece.inputs,
            sliding_window_shapes=windows,
            strides=strides,
            baselines=piece.baselines,
            target=piece.target,
            additional_forward_args=piece.context or None,
            perturbations_per_eval=max(1, _together(piece.inputs[0][0].numel()) // len(piece.target)),
        )
    )
    values, rhythm = _plain(parts)
    return Found(values / np.float32(math.prod(window)), rhythm)


def _plain(parts: tuple[Tensor, ...]) -> tuple[Floats, Floats | None]:
    values = [part.detach().numpy().astype(np.float32) for part in parts]
    return values[0], values[1] if len(values) > 1 else None


def captum_part(name: str) -> Any:
    """Import a part of captum: ``"attr"``, its methods, or ``"metrics"``.

    Raises
    ------
    MissingExtraError
        Where captum is not installed.
    """
    try:
        return import_module(f"captum.{name}")
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "explaining a model") from error


@dataclass(frozen=True)
class Method:
    """A method: how it runs, whether it compares with a baseline, evaluations of each example."""

    run: Callable[[Subject, Piece, int], Found]
    needs_baseline: bool
    evaluations: Callable[[int], int]


METHODS: dict[str, Method] = {
    "integrated-gradients": Method(_integrated_gradients, True, lambda steps: steps),
    "grad-cam": Method(_grad_cam, False, lambda _: 1),
    "occlusion": Method(_occlusion, True, lambda _: 1),
}
"""Every method."""

METHOD_NAMES = {
    "integrated-gradients": "Integrated Gradients",
    "grad-cam": "Grad-CAM",
    "occlusion": "Occlusion",
}
"""What tables and pictures call them."""

__all__ = ["METHODS", "METHOD_NAMES", "Asked", "Found", "Method", "attribute", "captum_part"]
