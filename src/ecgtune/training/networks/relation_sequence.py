"""The default network: a beat's relations to the typical beat, its shape, and the beats around it."""

import copy
import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ecgtune.beats.rhythm import RATIOS
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training.networks.beat_relations import LONG, SHIFT, BeatRelations, P, T
from ecgtune.training.networks.beat_sequence import BeatSequence

_SHAPED = CLASSES.index("V")
"""Classes from here on, V, F and Q, are known by their shape too; N and S differ in relations alone."""


class RelationSequence(BeatSequence):
    """Class of every beat from its relations to the typical beat, its shape, and the beats around it.

    Relations (`BeatRelations`) give logits of all classes and what the temporal network sees of a beat. The
    shape, read by convolutions, adds to the logits of V, F and Q alone: what it would say of N and S is how
    the training patients' atria look.

    Parameters
    ----------
    before
        Samples before the fiducial in a window.
    compared
        Width of the hidden layer over the relations.
    lost
        Share of relations that are left out at random in training.
    farthest
        Standard deviations beyond which a relation tells nothing more.
    earliest
        Logarithm of a ratio of RR intervals beyond which it tells nothing more.
    alike
        Whether ``channels`` hold the mean of look-alikes (`ecgtune.beats.look_alikes`) behind the typical
        beat. Its relations to the typical beat are then read beside the beat's own.
    familiar
        Whether the shape adds to N and S too, by weights that begin at zero: for a network that is tuned to
        one patient, whose atria it may learn by heart.
    channels, width, rhythm, classes, filters, size, summary, hidden, dilations, alone, dropout
        As in `BeatSequence`.

    Raises
    ------
    ModelError
        Where the window does not hold the waves that are compared.
    """

    given: ClassVar[tuple[str, ...]] = (*BeatSequence.given, "before", "alike")

    def __init__(
        self,
        channels: int,
        width: int,
        rhythm: int,
        before: int,
        classes: int = len(CLASSES),
        filters: Sequence[int] = (16, 32, 32),
        size: int = 32,
        compared: int = 64,
        lost: float = 0.1,
        summary: int = 8,
        hidden: int = 48,
        dilations: Sequence[int] = (1, 2, 4, 8),
        alone: float = 0.3,
        dropout: float = 0.2,
        farthest: float = 5.0,
        earliest: float = math.inf,
        alike: bool = False,
        familiar: bool = False,
    ) -> None:
        parts = 3 if alike else 2
        if channels % parts:
            raise ModelError(
                f"{channels} channels asked for; with alike = {str(alike).lower()} each lead has {parts}"
            )
        seen = 2 * channels // parts
        super().__init__(
            seen, width, rhythm, classes, filters, size, summary, hidden, dilations, alone, dropout
        )
        if before < -P[0] or width - before < max(T[1], LONG[1] + SHIFT):
            raise ModelError(
                f"windows of {before} + {width - before} samples asked for; relations are read from "
                f"{-P[0]} before the fiducial to {T[1]} after it"
            )
        self.size, self.farthest, self.earliest = size, farthest, earliest
        self.parts, self.seen = parts, seen
        self.relations = BeatRelations(before, width)
        related = (parts - 1) * BeatRelations.size
        self.norm = nn.BatchNorm1d(related, affine=False, momentum=0.02)
        self.compare = nn.Sequential(
            nn.Dropout(lost),
            nn.Linear(related, compared),
            nn.ReLU(),
            nn.Dropout(dropout / 2),
            nn.Linear(compared, size),
            nn.ReLU(),
        )
        self.look = nn.Linear(size, classes - _SHAPED)
        self.know = nn.Parameter(torch.zeros(_SHAPED, size)) if familiar else None

    def made_familiar(self) -> "RelationSequence":
        """Copy the network with ``familiar``; it says what this one says until it is tuned."""
        network = copy.deepcopy(self)
        if network.know is None:
            network.know = nn.Parameter(torch.zeros(_SHAPED, self.size))
        return network

    def encode(self, beats: Tensor) -> Tensor:
        """Vectors [batch, beats, 2 size] of beats [batch, beats, channels, width], each by itself."""
        flat = beats.flatten(0, 1)
        own, typical, *alike = flat.chunk(self.parts, dim=1)
        related = self.norm(self.relations(typical, own, *alike)).clamp(-self.farthest, self.farthest)
        encoded: Tensor = torch.cat([self.compare(related), self.encoder(flat[:, : self.seen])], 1)
        return encoded.view(*beats.shape[:2], 2 * self.size)

    def decide(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """Logits [batch, beats, classes] of vectors [batch, beats, 2 size] and RR features."""
        if self.earliest < math.inf:
            ratios = rhythm[..., :RATIOS].clamp(-self.earliest, self.earliest)
            rhythm = torch.cat([ratios, rhythm[..., RATIOS:]], -1)
        logits = super().decide(encoded[..., : self.size], rhythm)
        shape = encoded[..., self.size :]
        others, shaped = logits[..., :_SHAPED], logits[..., _SHAPED:] + self.look(shape)
        if self.know is not None:
            others = others + shape @ self.know.T
        return torch.cat([others, shaped], -1)
