"""A network of dense layers."""

from collections.abc import Sequence

from torch import Tensor, nn

from ecgtune.training.networks.windows.parts import Dropout, start_for_relu


class ANN(nn.Module):
    """Dense layers over all samples of the window, each with batch normalisation, ReLU and dropout.

    Parameters
    ----------
    channels, width
        Of the window.
    classes
        Number of classes.
    hidden
        Units of each layer.
    dropout
        After each layer.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        hidden: Sequence[int] = (512, 256, 128),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        previous = channels * width
        for units in hidden:
            layers += [
                nn.Linear(previous, units, bias=False),
                nn.BatchNorm1d(units),
                nn.ReLU(),
                Dropout(dropout),
            ]
            previous = units
        self.layers = nn.Sequential(*layers)
        self.leave = nn.Linear(previous, classes)
        start_for_relu(self.layers)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        logits: Tensor = self.leave(self.layers(windows))
        return logits
