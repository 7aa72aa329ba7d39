"""The small residual network that looks at one window, as one network or as a stack of many."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

BLOCKS, FILTERS, KERNEL, STRIDE, DENSE = 4, 32, 5, 2, 160


class ResidualWindow(nn.Module):
    """Convolution, four residual blocks with max-pooling, a dense layer without bias, a linear output.

    The network of `patient-transfer`: kernels of 5 (5 x 5 on images), 32 filters, pooling over 5 with stride
    2, 160 dense units. With one channel of 128 samples and one output it has 67,169 parameters.

    A stack of networks is the same thing with grouped convolutions and batched products: every parameter
    has the networks as its first dimension, and network ``k`` reads the ``k``-th input alone. A stack takes
    less time than its networks one after the other; ``benchmarks/bench_stacks.py`` measures how much less.

    Parameters
    ----------
    channels
        Of the input.
    width
        Samples of a window; height and width of an image.
    outputs
        1 for a binary answer (a logit), else the number of classes.
    dimensions
        1 for windows, 2 for images.
    models
        Networks in the stack.
    """

    def __init__(
        self, channels: int = 1, width: int = 128, outputs: int = 1, dimensions: int = 1, models: int = 1
    ) -> None:
        super().__init__()
        self.models, self.dimensions = models, dimensions
        kernel = (KERNEL,) * dimensions
        self.enter = _convolution(models, channels, kernel)
        self.convolutions = nn.ParameterList(
            parameter for _ in range(2 * BLOCKS) for parameter in _convolution(models, FILTERS, kernel)
        )
        for _ in range(BLOCKS):
            width = (width - KERNEL) // STRIDE + 1
        flat = FILTERS * width**dimensions
        self.dense = nn.Parameter(_uniform((models, flat, DENSE), flat))
        self.leave = nn.ParameterList(
            [_uniform((models, DENSE, outputs), DENSE), _uniform((models, 1, outputs), DENSE)]
        )

    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: first convolution, each block, dense layer, output."""
        inner = list(self.convolutions)
        blocks = [inner[4 * i : 4 * i + 4] for i in range(BLOCKS)]
        return [list(self.enter), *blocks, [self.dense], list(self.leave)]

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [models, batch, outputs] of windows [models, batch, channels, width] (or images)."""
        models, batch = windows.shape[:2]
        hidden = windows.transpose(0, 1).flatten(1, 2)
        if self.dimensions == 1:
            # As images one sample high: oneDNN is faster on them, channels last, than on 1-D signals.
            hidden = hidden.unsqueeze(2)
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        hidden = self._convolve(hidden, *self.enter)
        pool = (1, KERNEL) if self.dimensions == 1 else KERNEL
        stride = (1, STRIDE) if self.dimensions == 1 else STRIDE
        for i in range(BLOCKS):
            weight, bias, second, second_bias = (self.convolutions[4 * i + j] for j in range(4))
            inner = F.relu_(self._convolve(hidden, weight, bias))
            # The sum and the ReLU overwrite the convolution's output, whose gradient does not need it.
            inner = F.relu_(self._convolve(inner, second, second_bias).add_(hidden))
            hidden = F.max_pool2d(inner, pool, stride)
        flat = hidden.reshape(batch, models, -1).transpose(0, 1)
        weight, bias = self.leave
        return torch.baddbmm(bias, F.relu(torch.bmm(flat, self.dense)), weight)

    def _convolve(self, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        weight = weight.flatten(0, 1)
        if self.dimensions == 1:
            weight = weight.unsqueeze(2)
        padding = (0, KERNEL // 2) if self.dimensions == 1 else KERNEL // 2
        return F.conv2d(hidden, weight, bias.flatten(), padding=padding, groups=self.models)


def _convolution(models: int, channels: int, kernel: tuple[int, ...]) -> nn.ParameterList:
    fan_in = channels * math.prod(kernel)
    weight = _uniform((models, FILTERS, channels, *kernel), fan_in)
    return nn.ParameterList([weight, _uniform((models, FILTERS), fan_in)])


def _uniform(shape: tuple[int, ...], fan_in: int) -> nn.Parameter:
    """Draw as torch's own layers do by default."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
