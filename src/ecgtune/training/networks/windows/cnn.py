"""A plain convolutional network."""

from collections.abc import Sequence

from torch import Tensor, nn

from ecgtune.training.networks.windows.parts import Dropout, pooled_width, start_for_relu

KERNEL = 5
DENSE = 64


class CNN(nn.Module):
    """Convolutions of 5 samples, each followed by ReLU and max-pooling over 2; a dense layer; the output.

    Parameters
    ----------
    channels, width
        Of the window.
    classes
        Number of classes.
    filters
        Of each convolution.
    dropout
        After the dense layer.

    Raises
    ------
    ModelError
        Where windows are too short.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        filters: Sequence[int] = (32, 64, 128),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        left = pooled_width(width, len(filters))
        layers: list[nn.Module] = []
        previous = channels
        for wide in filters:
            layers += [nn.Conv1d(previous, wide, KERNEL, padding=KERNEL // 2), nn.ReLU(), nn.MaxPool1d(2)]
            previous = wide
        self.features = nn.Sequential(*layers)
        dense = nn.Linear(previous * left, DENSE)
        self.head = nn.Sequential(nn.Flatten(), dense, nn.ReLU(), Dropout(dropout), nn.Linear(DENSE, classes))
        start_for_relu(self.features)
        start_for_relu(dense)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        logits: Tensor = self.head(self.features(windows))
        return logits
