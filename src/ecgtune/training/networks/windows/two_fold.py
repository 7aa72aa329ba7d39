"""The network of the system ``two-fold-focal``."""

from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.training.networks.windows.parts import Dropout, pooled_width, start_for_relu

FILTERS = {6: (32, 32, 64, 64, 128, 128), 3: (32, 64, 128)}
KERNEL = 5
DENSE = 64


class TwoFoldFocalNet(nn.Module):
    """Pairs of convolutions, each followed by max-pooling and dropout; a dense layer; the output.

    Ali 2024, "Arrhythmia classification and analysis on ECG using convolutional networks and two-fold focal
    loss". Its formula has six pairs, its text "six convolutional layers in pairs of two", which are three;
    both can be built. Filters, kernel, pooling, dense layer, shares of dropout and the start of the weights
    are not given. Ours: 32, 32, 64, 64, 128, 128 filters (32, 64, 128 for three pairs), kernels of 5 that
    keep the width, pooling over 2, 64 dense units, `start_for_relu`. Of Kachuee's 187 samples six poolings
    leave 2 (187, 93, 46, 23, 11, 5, 2), and the network has 391,589 parameters for five classes; three
    leave 23, and it has 348,133.

    Parameters
    ----------
    channels, width
        Of the window; at least 64 samples for six pairs, 8 for three.
    classes
        Number of classes.
    pairs
        6 or 3.
    dropout
        After each pair.
    dense_dropout
        After the dense layer.

    Raises
    ------
    ModelError
        On another number of pairs, or windows that are too short.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        pairs: int = 6,
        dropout: float = 0.1,
        dense_dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if pairs not in FILTERS:
            raise ModelError(f"{pairs} pairs of convolutions asked for; give one of: {_known()}")
        left = pooled_width(width, pairs)
        layers: list[nn.Module] = []
        previous = channels
        for filters in FILTERS[pairs]:
            for entering in (previous, filters):
                layers += [nn.Conv1d(entering, filters, KERNEL, padding=KERNEL // 2), nn.ReLU()]
            layers += [nn.MaxPool1d(2), Dropout(dropout)]
            previous = filters
        self.features = nn.Sequential(*layers)
        dense = nn.Linear(previous * left, DENSE)
        self.head = nn.Sequential(
            nn.Flatten(), dense, nn.ReLU(), Dropout(dense_dropout), nn.Linear(DENSE, classes)
        )
        start_for_relu(self.features)
        start_for_relu(dense)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        logits: Tensor = self.head(self.features(windows))
        return logits


def _known() -> str:
    return ", ".join(map(str, FILTERS))
