"""An encoder of single beats, then a temporal network over successive beats."""

import copy
import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn


class BeatEncoder(nn.Module):
    """Convolutions with stride two over one beat's window, to a vector.

    Parameters
    ----------
    channels
        Input channels (`Preprocessing.channels`).
    width
        Samples of a window.
    filters
        Channels of each convolution.
    size
        Length of the vector.
    dropout
        Before the last layer.
    """

    def __init__(self, channels: int, width: int, filters: Sequence[int], size: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = channels
        for i, wide in enumerate(filters):
            kernel = 7 if i == 0 else 5
            layers += [
                nn.Conv1d(previous, wide, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm1d(wide),
                nn.ReLU(),
            ]
            previous = wide
            width = -(-width // 2)
        self.convolutions = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.vector = nn.Linear(previous * width, size)

    def forward(self, beats: Tensor) -> Tensor:
        """Encode beats [n, channels, width] to [n, size]."""
        return self.from_maps(self.convolutions(beats))

    def from_maps(self, maps: Tensor) -> Tensor:
        """Encode what the convolutions gave, [n, filters, width], to [n, size]."""
        return torch.relu(self.vector(self.dropout(maps.flatten(1))))


class BeatSequence(nn.Module):
    """Class of every beat from its own shape, and from its rhythm among the beats around it.

    The shape gives logits of its own, to which the temporal network adds. The latter sees of each beat the RR
    features and a narrow summary of the shape, and in training it is silent for some sequences: otherwise it
    learns the rhythm of the few training patients, and calls ventricular what merely comes early.

    Parameters
    ----------
    channels, width
        Of each beat's input.
    rhythm
        Number of RR features.
    classes
        Number of classes.
    filters, size
        Of the beat encoder.
    summary
        Numbers that the temporal network sees of each beat's shape.
    hidden
        Channels of the temporal network.
    dilations
        Of its residual convolutions of three beats; their sum is `reach`.
    alone
        Share of training sequences in which the shape has to do without the temporal network.
    dropout
        In the temporal network; half as much in the encoder.
    """

    given: ClassVar[tuple[str, ...]] = ("channels", "width", "rhythm")
    """Arguments that follow from the preprocessing."""

    def __init__(
        self,
        channels: int,
        width: int,
        rhythm: int,
        classes: int = 5,
        filters: Sequence[int] = (16, 32, 32),
        size: int = 32,
        summary: int = 8,
        hidden: int = 48,
        dilations: Sequence[int] = (1, 2, 4),
        alone: float = 0.3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.dilations = tuple(dilations)
        self.reach = sum(dilations)
        self.alone = alone
        self.encoder = BeatEncoder(channels, width, filters, size, dropout / 2)
        self.shape = nn.Linear(size, classes)
        self.summary = nn.Linear(size, summary)
        self.enter = nn.Conv1d(summary + rhythm, hidden, 1)
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(hidden, hidden, 3, padding=d, dilation=d), nn.BatchNorm1d(hidden), nn.ReLU()
            )
            for d in dilations
        )
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Conv1d(hidden, classes, 1)

    @property
    def is_familiar(self) -> bool:
        """Whether it is one that `made_familiar` gives, where that differs from others."""
        return False

    def made_familiar(self) -> Self:
        """Copy the network as it may be tuned to one patient, with what it must not learn of many."""
        return copy.deepcopy(self)

    def forward(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Logits [batch, beats, classes] of sequences.

        Parameters
        ----------
        beats
            [batch, beats, channels, width].
        rhythm
            [batch, beats, features].
        """
        return self.decide(self.encode(beats, rhythm), rhythm)

    def encode(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Vectors [batch, beats, size] of beats [batch, beats, channels, width], each by itself.

        RR features [batch, beats, features] belong to what may be known of a beat by itself; here the shape
        alone is read.
        """
        encoded: Tensor = self.encoder(beats.flatten(0, 1)).unflatten(0, beats.shape[:2])
        return encoded

    def tell(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """What the temporal network is told, [batch, beats, summary + features], of each beat by itself."""
        return torch.cat([torch.tanh(self.summary(encoded)), rhythm], 2)

    def decide(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """Logits [batch, beats, classes] of vectors [batch, beats, size] and RR features."""
        hidden = self._enter(self.tell(encoded, rhythm))
        for step in self.steps:
            hidden = hidden + step(self.dropout(hidden))
        context = self.leave(self.dropout(hidden)).transpose(1, 2)
        if self.training and self.alone > 0:
            context = context * (torch.rand(len(context), 1, 1, device=context.device) >= self.alone)
        return self._add(encoded, context)

    def decide_middle(self, encoded: Tensor, told: Tensor, sides: Tensor) -> Tensor:
        """Logits [n, classes] of the middle one of 2 `reach` + 1 beats, as `decide` gives them in evaluation.

        Of the beats around only those are followed through the layers that reach the middle.

        Parameters
        ----------
        encoded
            Of the middle one, [n, size].
        told
            Of all, as `tell` gives it, [n, 2 reach + 1, summary + features].
        sides
            How many beats the recording has before and after the middle one, at most ``reach``, int64 [n, 2];
            what stands for others is not looked at.
        """
        # What reaches the middle through the layers left lies as far apart as their dilations allow.
        spacing = math.gcd(*self.dilations) or 1
        at = torch.arange(-self.reach, self.reach + 1, spacing)
        hidden = self._enter(told[:, ::spacing])
        for i, step in enumerate(self.steps):
            convolution, *then = step.children()
            assert isinstance(convolution, nn.Conv1d)
            there = (at >= -sides[:, :1]) & (at <= sides[:, 1:])
            by = self.dilations[i] // spacing
            further = math.gcd(*self.dilations[i + 1 :]) // spacing or 1
            seen = nn.functional.conv1d(
                hidden * there[:, None], convolution.weight, convolution.bias, stride=further, dilation=by
            )
            for layer in then:
                seen = layer(seen)
            kept = slice(by, len(at) - by, further)
            hidden = hidden[:, :, kept] + seen
            at, spacing = at[kept], spacing * further
        return self._add(encoded, self.leave(hidden)[:, :, 0])

    def _enter(self, told: Tensor) -> Tensor:
        return torch.relu(self.enter(told.transpose(1, 2)))

    def _add(self, encoded: Tensor, context: Tensor) -> Tensor:
        """Logits [..., classes] of vectors [..., size] and what the temporal network says of them."""
        logits: Tensor = self.shape(encoded) + context
        return logits
