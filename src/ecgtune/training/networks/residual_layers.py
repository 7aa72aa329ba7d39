"""One network of a stack (`ResidualWindow`) in torch's own layers, so that it can be looked into."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ecgtune.errors import ModelError
from ecgtune.training.networks.residual_window import BLOCKS, KERNEL, STRIDE, ResidualWindow


class ResidualLayers(nn.Module):
    """The same network as one of a stack of windows, with the same weights.

    A binary network's one output z becomes the two logits -z/2 and z/2, whose softmax is its probability.

    Parameters
    ----------
    stack
        Of windows (``dimensions`` 1).
    which
        Place of the network in the stack.

    Raises
    ------
    ModelError
        Where the stack is of images, or has no such network.
    """

    def __init__(self, stack: ResidualWindow, which: int = 0) -> None:
        super().__init__()
        if stack.dimensions != 1 or not 0 <= which < stack.models:
            raise ModelError(
                f"network {which} of a stack of {stack.models} in {stack.dimensions} dimensions asked for; "
                "give one of a stack of windows"
            )
        parameters = list(stack.convolutions)
        pairs = [tuple(stack.enter), *(parameters[i : i + 2] for i in range(0, len(parameters), 2))]
        self.convolutions = nn.ModuleList(_convolution(weight[which], bias[which]) for weight, bias in pairs)
        weight, bias = stack.leave
        self.dense = _linear(stack.dense[which], None)
        self.leave = _linear(weight[which], bias[which, 0])

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        hidden: Tensor = self.convolutions[0](windows)
        for i in range(BLOCKS):
            first, second = self.convolutions[2 * i + 1], self.convolutions[2 * i + 2]
            hidden = F.max_pool1d(F.relu(second(F.relu(first(hidden))) + hidden), KERNEL, STRIDE)
        logits: Tensor = self.leave(F.relu(self.dense(hidden.flatten(1))))
        return torch.cat([-logits / 2, logits / 2], 1) if logits.shape[1] == 1 else logits


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv1d:
    filters, channels, kernel = weight.shape
    made = nn.Conv1d(channels, filters, kernel, padding=kernel // 2)
    with torch.no_grad():
        made.weight.copy_(weight)
        assert made.bias is not None
        made.bias.copy_(bias)
    return made


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    entering, leaving = weight.shape
    made = nn.Linear(entering, leaving, bias=bias is not None)
    with torch.no_grad():
        made.weight.copy_(weight.T)
        if bias is not None:
            made.bias.copy_(bias)
    return made
