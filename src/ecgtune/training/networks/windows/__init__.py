"""Networks that look at one window alone, by name: [batch, channels, width] to logits [batch, classes].

The convolutional ones (`TwoFoldFocalNet`, `FTCNN`, `CNN`, `ResNet`) have two parts: ``features``, to
[batch, filters, steps], which can be kept and trained further on another task and which Grad-CAM looks at,
and ``head``, from there to the logits.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from ecgtune.errors import ModelError
from ecgtune.training.networks.windows.ann import ANN
from ecgtune.training.networks.windows.cnn import CNN
from ecgtune.training.networks.windows.cnn_lstm import CNNLSTM
from ecgtune.training.networks.windows.ft_cnn import FTCNN
from ecgtune.training.networks.windows.lstm import GRU, LSTM, BiLSTM
from ecgtune.training.networks.windows.resnet import ResNet
from ecgtune.training.networks.windows.transformer import Transformer
from ecgtune.training.networks.windows.two_fold import TwoFoldFocalNet

WINDOW_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "ft-cnn": FTCNN,
    "two-fold-focal": TwoFoldFocalNet,
    "ann": ANN,
    "cnn": CNN,
    "resnet": ResNet,
    "lstm": LSTM,
    "gru": GRU,
    "bilstm": BiLSTM,
    "cnn-lstm": CNNLSTM,
    "transformer": Transformer,
}
"""Every network of windows; all take ``channels``, ``width`` and ``classes``, the rest has defaults."""


def build_window_network(
    name: str, *, channels: int, width: int, classes: int, **arguments: Any
) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name
        Of `WINDOW_NETWORKS`.
    channels, width
        Leads and samples of a window.
    classes
        Logits that come out.
    **arguments
        Of the network.

    Raises
    ------
    ModelError
        On an unknown name, arguments that the network does not take or that are out of range, and windows
        that are too short for it.
    """
    if name not in WINDOW_NETWORKS:
        raise ModelError(f"unknown network {name!r}; known: {', '.join(WINDOW_NETWORKS)}")
    try:
        return WINDOW_NETWORKS[name](channels=channels, width=width, classes=classes, **arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(f"network {name}: {error}; correct its arguments") from error


__all__ = [
    "ANN",
    "CNN",
    "CNNLSTM",
    "FTCNN",
    "GRU",
    "LSTM",
    "WINDOW_NETWORKS",
    "BiLSTM",
    "ResNet",
    "Transformer",
    "TwoFoldFocalNet",
    "build_window_network",
]
