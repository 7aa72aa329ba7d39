"""Heads of image networks as linear models on features."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ecgtune.training.image_networks import head_of, replace_head

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def linear_head(network: nn.Module) -> nn.Linear:
    """Head of a network as a layer on pooled features, to which a convolution before the average is equal."""
    _, head = head_of(network)
    linear = nn.Linear(head.weight.shape[1], head.weight.shape[0], bias=head.bias is not None)
    with torch.no_grad():
        linear.weight.copy_(head.weight.flatten(1))
        if head.bias is not None:
            linear.bias.copy_(head.bias)
    return linear


def head_values(linear: nn.Module) -> tuple[Floats, Floats]:
    """Weights [classes, features] and bias [classes] of a linear layer; zeros where it has no bias."""
    assert isinstance(linear, nn.Linear)
    weight: Floats = linear.weight.detach().numpy()
    none = np.zeros(len(weight), dtype=np.float32)
    return weight, none if linear.bias is None else linear.bias.detach().numpy()


def set_head(network: nn.Module, weight: ArrayLike, bias: ArrayLike) -> None:
    """Put the weights [classes, features] and bias [classes] of a linear model into a network's head.

    The head becomes one of as many classes.
    """
    matrix = torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32))
    shift = torch.from_numpy(np.ascontiguousarray(bias, dtype=np.float32))
    if len(head_of(network)[1].weight) != len(matrix):
        replace_head(network, len(matrix))
    _, head = head_of(network)
    assert head.bias is not None
    with torch.no_grad():
        head.weight.copy_(matrix.reshape(head.weight.shape))
        head.bias.copy_(shift)


def train_head(
    features: Floats, labels: Labels, classes: int, *, lr: float, epochs: int, batch: int, seed: int
) -> Callable[[Floats], Labels]:
    """Train a linear head on features in memory with Adam; returns what labels others by it.

    Parameters
    ----------
    features
        float32 [n, features].
    labels
        Index of each row's class, int64 [n].
    classes
        How many.
    lr, epochs, batch
        Learning rate, passes, and rows in a batch.
    seed
        Of weights and order.
    """
    x, y = torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(x.shape[1], classes)
        optimizer = torch.optim.Adam(head.parameters(), lr=lr)
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(x)), batch):
                optimizer.zero_grad()
                loss: torch.Tensor = nn.functional.cross_entropy(head(x[rows]), y[rows])
                torch.autograd.backward(loss)
                optimizer.step()

    def label(others: Floats) -> Labels:
        with torch.inference_mode():
            return np.asarray(head(torch.from_numpy(np.ascontiguousarray(others))).argmax(1).numpy())

    return label
