"""Recurrent networks: LSTM, GRU and the LSTM that reads in both directions."""

from functools import partial

import torch
from torch import Tensor, nn

from ecgtune.training.networks.windows.parts import Dropout, StridedStem


class Recurrent(nn.Module):
    """A strided convolution, recurrent layers over its steps, the output from where they end.

    Parameters
    ----------
    channels, width
        Of the window; the stem leaves at most 64 steps.
    classes
        Number of classes.
    cell
        ``"lstm"`` or ``"gru"``.
    both_ways
        Whether half of the layers reads from the end to the beginning.
    filters
        Of the stem.
    hidden
        Units of each layer and direction.
    layers
        One on the other.
    dropout
        Between the layers and before the output.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        classes: int,
        cell: str = "lstm",
        both_ways: bool = False,
        filters: int = 32,
        hidden: int = 96,
        layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"unknown cell {cell!r}; known: {', '.join(CELLS)}")
        self.stem = StridedStem(channels, width, filters)
        self.recurrent = CELLS[cell](
            filters,
            hidden,
            layers,
            batch_first=True,
            bidirectional=both_ways,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.directions = 2 if both_ways else 1
        self.dropout = Dropout(dropout)
        self.leave = nn.Linear(self.directions * hidden, classes)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch, classes] of windows [batch, channels, width]."""
        _, state = self.recurrent(self.stem(windows))
        # The LSTM's state is a pair; the last layer's hidden states come last, one a direction.
        hidden = state[0] if isinstance(state, tuple) else state
        ends = torch.cat(hidden[-self.directions :].unbind(), 1)
        logits: Tensor = self.leave(self.dropout(ends))
        return logits


CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}

LSTM = partial(Recurrent, cell="lstm")
"""Two layers of 96 units."""

GRU = partial(Recurrent, cell="gru")
"""Two layers of 96 units."""

BiLSTM = partial(Recurrent, cell="lstm", both_ways=True, hidden=64)
"""Two layers of 64 units in each direction."""
