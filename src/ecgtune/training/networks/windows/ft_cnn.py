"""The network of the system ``ft-cnn``."""

from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.training.networks.windows.parts import Dropout, pooled_width, start_for_relu

WAVES = (("T", 0.200), ("P", 0.110), ("QRS", 0.090))
"""Usual widths in seconds, wide to narrow; each block's kernels span one of them."""

PLAIN_KERNEL = 5
FILTERS = (32, 64, 128)
DENSE = 64


class FTCNN(nn.Module):
    """Three blocks of two convolutions whose kernels are as wide as a T wave, a P wave and a QRS complex.

    Abdullah, "Fine-Tuned CNN (FT-CNN)": "adaptive kernel sizing for P-QRS-T morphological extraction",
    batch normalisation, dropout, L2. Its abstract gives neither the input rate, the window, the kernels nor
    the layers. Ours: 128 Hz, the rate that everything else of ecgtune works at (a QRS complex has little
    above 40 Hz, so nothing is lost, and a second costs a third of what it does at 360 Hz). Each block ends
    with pooling over two, so the rate halves from block to block, and the kernels are the wave's width at the
    block's own rate, to the nearest odd number: 25 samples (T, 195 ms), 7 (P, 109 ms) and 3 (QRS, 94 ms).
    The pooled maps are flattened, since beats are cut at their R peak and place is information.

    Each component can be taken out: kernels of 5 in every block, no batch normalisation, no dropout. L2,
    cosine annealing and the loss belong to the training (`ecgtune.training.window_options.WindowOptions`).

    Parameters
    ----------
    channels, width
        Of the window; at least 8 samples.
    classes
        Number of classes.
    rate
        Sampling rate of the windows in Hz.
    kernel_adaptation
        Kernels by the widths of waves; else 5 samples.
    batch_norm
        Whether each convolution is followed by batch normalisation.
    dropout
        After the dense layer; half as much after each block.

    Raises
    ------
    ModelError
        Where the rate is not above 0, or windows are too short.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        rate: float = 128.0,
        kernel_adaptation: bool = True,
        batch_norm: bool = True,
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        left = pooled_width(width, len(FILTERS))
        self.kernels = wave_kernels(rate) if kernel_adaptation else (PLAIN_KERNEL,) * len(FILTERS)
        layers: list[nn.Module] = []
        previous = channels
        for filters, kernel in zip(FILTERS, self.kernels, strict=True):
            for entering in (previous, filters):
                layers.append(nn.Conv1d(entering, filters, kernel, padding=kernel // 2, bias=not batch_norm))
                layers += [nn.BatchNorm1d(filters), nn.ReLU()] if batch_norm else [nn.ReLU()]
            layers += [nn.MaxPool1d(2), Dropout(dropout / 2)]
            previous = filters
        self.features = nn.Sequential(*layers)
        dense = nn.Linear(previous * left, DENSE)
        self.head = nn.Sequential(nn.Flatten(), dense, nn.ReLU(), Dropout(dropout), nn.Linear(DENSE, classes))
        start_for_relu(self.features)
        start_for_relu(dense)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        logits: Tensor = self.head(self.features(windows))
        return logits


def wave_kernels(rate: float) -> tuple[int, ...]:
    """Kernel of each block in samples at its own rate, which is half of the rate of the block before.

    Parameters
    ----------
    rate
        Of the windows in Hz.

    Returns
    -------
    tuple
        The odd number nearest to the width of each of `WAVES`, at least 3.
    """
    if not rate > 0:
        raise ModelError(f"windows at {rate:g} Hz; give their sampling rate")
    samples = [width * rate / 2**block for block, (_, width) in enumerate(WAVES)]
    return tuple(max(3, 2 * round((n - 1) / 2) + 1) for n in samples)
