"""Convolutions, then an LSTM over what they find."""

from itertools import pairwise

from torch import Tensor, nn

from ecgtune.training.networks.windows.parts import Dropout, StridedStem, start_for_relu

KERNEL = 5


class CNNLSTM(nn.Module):
    """A strided convolution and two pooled ones give shapes, an LSTM reads them in order.

    Parameters
    ----------
    channels, width
        Of the window; the stem leaves at most 64 steps, the pooling a quarter of them.
    classes
        Number of classes.
    filters
        Of the stem and of each pooled convolution.
    hidden
        Units of the LSTM.
    dropout
        Before the LSTM and before the output.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        filters: tuple[int, int, int] = (32, 64, 128),
        hidden: int = 128,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = StridedStem(channels, width, filters[0])
        layers: list[nn.Module] = []
        for entering, wide in pairwise(filters):
            layers += [
                nn.Conv1d(entering, wide, KERNEL, padding=KERNEL // 2, bias=False),
                nn.BatchNorm1d(wide),
                nn.ReLU(),
                nn.MaxPool1d(2),
            ]
        self.shapes = nn.Sequential(*layers, Dropout(dropout))
        self.recurrent = nn.LSTM(filters[-1], hidden, batch_first=True)
        self.dropout = Dropout(dropout)
        self.leave = nn.Linear(hidden, classes)
        start_for_relu(self.shapes)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        shapes = self.shapes(self.stem(windows).transpose(1, 2))
        _, (hidden, _) = self.recurrent(shapes.transpose(1, 2))
        logits: Tensor = self.leave(self.dropout(hidden[-1]))
        return logits
