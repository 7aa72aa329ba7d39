"""Finding a network's layers without knowing the network."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def last_convolution(network: nn.Module, call: Callable[..., Any], *example: Tensor) -> nn.Module | None:
    """Find the last convolution that an input goes through, or None where there is none.

    Parameters
    ----------
    network
        Whose layers are watched.
    call
        The network, or a part of what it does.
    example
        What ``call`` takes.
    """
    used: list[nn.Module] = []

    def note(layer: nn.Module, *_: Any) -> None:
        used.append(layer)

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv1d | nn.Conv2d)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.inference_mode():
            call(*example)
    finally:
        for handle in handles:
            handle.remove()
    return used[-1] if used else None
