"""A residual network over time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgtune.training.networks.windows.parts import Dropout

KERNEL = 5


class Block(nn.Module):
    """Two convolutions with batch normalisation, added to what came in.

    He et al. 2016 (doi:10.1109/CVPR.2016.90), over time. Where the stride or the filters change, a
    convolution of one sample brings what came in to the same shape.
    """

    def __init__(self, entering: int, filters: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(entering, filters, KERNEL, stride, padding=KERNEL // 2, bias=False),
            nn.BatchNorm1d(filters),
            nn.ReLU(),
            nn.Conv1d(filters, filters, KERNEL, padding=KERNEL // 2, bias=False),
            nn.BatchNorm1d(filters),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or entering != filters:
            self.skip = nn.Sequential(
                nn.Conv1d(entering, filters, 1, stride, bias=False), nn.BatchNorm1d(filters)
            )

    def forward(self, hidden: Tensor) -> Tensor:
        """From [batch, entering, steps] to [batch, filters, steps / stride]."""
        return torch.relu(self.layers(hidden) + self.skip(hidden))


class ResNet(nn.Module):
    """A convolution with stride 2, then stages of residual blocks, averaged over time.

    Parameters
    ----------
    channels, width
        Of the window.
    classes
        Number of classes.
    filters
        Of each stage; from the second on a stage halves the steps.
    blocks
        In each stage.
    dropout
        Before the output.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        filters: Sequence[int] = (32, 64, 128),
        blocks: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv1d(channels, filters[0], 7, stride=2, padding=3, bias=False),
            nn.BatchNorm1d(filters[0]),
            nn.ReLU(),
        ]
        previous = filters[0]
        for stage, wide in enumerate(filters):
            for block in range(blocks):
                layers.append(Block(previous, wide, stride=2 if stage and not block else 1))
                previous = wide
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), Dropout(dropout), nn.Linear(previous, classes)
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        logits: Tensor = self.head(self.features(windows))
        return logits
