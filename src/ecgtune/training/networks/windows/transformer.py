"""A transformer encoder over the steps of a window."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ecgtune.training.networks.windows.parts import Dropout, StridedStem


class Layer(nn.Module):
    """Attention among the steps, then a dense part for each step, both added to what came in.

    Vaswani et al. 2017 (arXiv:1706.03762), with the normalisation before each part, which needs no warm-up
    of the learning rate, and without dropout among the attention's weights.
    """

    def __init__(self, size: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(size)
        self.asked = nn.Linear(size, 3 * size)
        self.answer = nn.Sequential(nn.Linear(size, size), Dropout(dropout))
        self.dense = nn.Sequential(
            nn.LayerNorm(size),
            nn.Linear(size, feed_forward),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(feed_forward, size),
            Dropout(dropout),
        )

    def forward(self, steps: Tensor) -> Tensor:
        """From and to [batch, steps, size]."""
        # [3, batch, heads, steps, size / heads]
        asked = self.asked(self.before(steps)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        # In bfloat16 torch's attention takes seven times as long on a processor.
        with torch.autocast(steps.device.type, enabled=False):
            found = F.scaled_dot_product_attention(*asked.float().unbind())
        steps = steps + self.answer(found.transpose(1, 2).flatten(2))
        made: Tensor = steps + self.dense(steps)
        return made


class Transformer(nn.Module):
    """A strided convolution, learnt positions, encoder layers, the mean over the steps.

    Parameters
    ----------
    channels, width
        Of the window.
    classes
        Number of classes.
    most_steps
        That the stem leaves; twice as many take twice as long, and a step of mitdb is 31 ms with these.
    size
        Values of each step.
    heads
        Of the attention; they divide the size.
    layers
        Of the encoder.
    feed_forward
        Units inside a layer.
    dropout
        In the layers.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        most_steps: int = 32,
        size: int = 96,
        heads: int = 4,
        layers: int = 3,
        feed_forward: int = 192,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if size % heads:
            raise ValueError(f"size {size} does not divide by {heads} heads")
        self.stem = StridedStem(channels, width, size, most_steps)
        self.place = nn.Parameter(0.02 * torch.randn(self.stem.steps, size))
        self.encoder = nn.Sequential(*(Layer(size, heads, feed_forward, dropout) for _ in range(layers)))
        self.leave = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, classes))

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        steps = self.encoder(self.stem(windows) + self.place)
        logits: Tensor = self.leave(steps.mean(1))
        return logits
