"""What the networks of windows have in common."""

import math

import torch
from torch import Tensor, nn

from ecgtune.errors import ModelError

MOST_STEPS = 64
"""Steps that a sequence model sees; without a limit an epoch of mitdb takes 48 to 700 s on two cores."""


class Dropout(nn.Dropout):
    """Dropout that takes its chance from random bits, sixteen for each value.

    torch's own draws a number for each value, five times as slow on a processor: a third of the time of a
    step of the small networks here. The share that is dropped is rounded to 1/65,536, and the values that
    stay are scaled by what the rounded share leaves.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop values while training; in evaluation nothing changes."""
        dropped = round(self.p * 2**16)
        if not self.training or dropped in (0, 2**16):
            return super().forward(input)
        # Wide integers over their whole range, read as four narrow ones each.
        drawn = torch.empty(math.ceil(input.numel() / 4), dtype=torch.int64).random_(-(2**63), None)
        bits = drawn.view(torch.int16)[: input.numel()].view(input.shape)
        stays = (bits >= dropped - 2**15).to(input.dtype)
        return input * stays.mul_(2**16 / (2**16 - dropped))


class StridedStem(nn.Module):
    """A convolution whose stride leaves a sequence model few steps, at most `MOST_STEPS`.

    Parameters
    ----------
    channels, width
        Of the window.
    filters
        Values of each step.
    most
        Steps.
    """

    def __init__(self, channels: int, width: int, filters: int, most: int = MOST_STEPS) -> None:
        super().__init__()
        self.stride = math.ceil(width / most)
        self.steps = math.ceil(width / self.stride)
        # Each step sees its own samples and as many on either side.
        kernel = 2 * self.stride + 1
        self.layers = nn.Sequential(
            nn.Conv1d(channels, filters, kernel, self.stride, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(filters),
            nn.ReLU(),
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Steps [batch, steps, filters] of windows [batch, channels, width]."""
        made: Tensor = self.layers(windows)
        return made.transpose(1, 2)


def pooled_width(width: int, pools: int) -> int:
    """Samples that a window has after so many poolings by two.

    Raises
    ------
    ModelError
        Where none is left.
    """
    if width < 2**pools:
        raise ModelError(
            f"windows of {width} samples are too short for {pools} poolings by 2; give {2**pools} or more"
        )
    return width >> pools


def start_for_relu(layers: nn.Module) -> None:
    """Draw weights so that signals keep their size through layers with ReLU.

    He et al. 2015 (doi:10.1109/ICCV.2015.123); with torch's own start, twelve convolutions without batch
    normalisation shrink a signal 10,000 times, and a small learning rate takes epochs to undo it.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Conv1d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
