"""The default network: a beat's relations to the typical beat, its shape, and the beats around it."""

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ecgtune.beats.rhythm import RATIOS
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training.networks.beat_relations import LONG, SHIFT, BeatRelations, P, T
from ecgtune.training.networks.beat_sequence import BeatSequence

BENDS = (-2.5, -1.5, -0.8, -0.3, 0.0, 0.3, 0.8, 1.5, 2.5)
"""Standard deviations from the mean; closer where most beats are."""

_SHAPED = CLASSES.index("V")
"""Classes from here on, V, F and Q, are known by their shape too; N and S differ in relations alone."""


class PiecewiseLinear(nn.Module):
    """Numbers as their positions in each of successive intervals: -1 below it, 1 above, linear inside.

    Parameters
    ----------
    bends
        Limits of the intervals, ascending, two at least.

    Raises
    ------
    ModelError
        Where they are fewer or do not ascend.
    """

    slope: Tensor
    offset: Tensor

    def __init__(self, bends: Sequence[float]) -> None:
        super().__init__()
        limits = torch.tensor(bends, dtype=torch.float32)
        if len(limits) < 2 or bool((limits.diff() <= 0).any()):
            raise ModelError(f"bends {list(bends)} asked for; give two or more, ascending")
        self.count = len(limits) - 1
        self.lowest, self.highest = float(bends[0]), float(bends[-1])
        slope = 2 / limits.diff()
        self.register_buffer("slope", slope, persistent=False)
        self.register_buffer("offset", -1 - slope * limits[:-1], persistent=False)

    def limited(self, numbers: Tensor) -> Tensor:
        """Numbers without what lies beyond the outermost limits."""
        return numbers.clamp(self.lowest, self.highest)

    def forward(self, numbers: Tensor) -> Tensor:
        """[n, count x features] of [n, features]."""
        tiled = torch.cat([numbers] * self.count, 1)
        slope, offset = (each.repeat_interleave(numbers.shape[1]) for each in (self.slope, self.offset))
        return (tiled * slope + offset).clamp(-1, 1)


class RelationSequence(BeatSequence):
    """Class of every beat from its relations to the typical beat, its shape, and the beats around it.

    Relations (`BeatRelations`) and, where ``timed``, RR features give logits of all classes and what the
    temporal network sees of a beat. They are read piecewise linearly (Gorishniy 2022, arXiv:2203.05556): as
    trees do, the weights behind may take a number another way here than there. The shape, read by
    convolutions, adds to the logits of V, F and Q alone: what it would say of N and S is how the training
    patients' atria look.

    Parameters
    ----------
    before
        Samples before the fiducial in a window.
    compared
        Width of the hidden layer over the relations.
    lost
        Share of relations that are left out at random in training.
    bends
        Where the reading of a relation or RR feature may bend, in standard deviations, ascending; beyond the
        outermost it tells nothing more.
    earliest
        Logarithm of a ratio of RR intervals beyond which it tells nothing more.
    leads_told
        Whether the share of leads that are not lost is read beside the relations: of one lead, mean, largest
        and smallest are the same.
    timed
        Whether a beat's own RR features are read beside its relations; the temporal network always sees them.
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
        bends: Sequence[float] = BENDS,
        earliest: float = math.inf,
        leads_told: bool = False,
        timed: bool = True,
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
        self.size, self.earliest, self.leads_told, self.timed = size, earliest, leads_told, timed
        self.parts, self.seen = parts, seen
        self.relations = BeatRelations(before, width)
        known = (parts - 1) * BeatRelations.size + leads_told + (rhythm if timed else 0)
        self.norm = nn.BatchNorm1d(known, affine=False, momentum=0.02)
        self.pieces = PiecewiseLinear(bends)
        self.compare = nn.Sequential(
            nn.Dropout(lost),
            nn.Linear(known * self.pieces.count, compared),
            nn.ReLU(),
            nn.Dropout(dropout / 2),
            nn.Linear(compared, size),
            nn.ReLU(),
        )
        self.look = nn.Linear(size, classes - _SHAPED)
        self.know = nn.Parameter(torch.zeros(_SHAPED, size)) if familiar else None

    @property
    def is_familiar(self) -> bool:
        """Whether the shape adds to N and S too."""
        return self.know is not None

    def made_familiar(self) -> Self:
        """Copy the network with ``familiar``; it says what this one says until it is tuned."""
        network = super().made_familiar()
        if network.know is None:
            network.know = nn.Parameter(torch.zeros(_SHAPED, self.size))
        return network

    def encode(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Vectors [batch, beats, 2 size] of beats [batch, beats, channels, width] and RR features."""
        return self.encode_known(beats, self.evidence(beats, rhythm))

    def evidence(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Relations, leads and RR features, as far as they are read, standardised, [batch, beats, numbers].

        They are limited to what ``bends`` tell apart.
        """
        flat = beats.flatten(0, 1)
        parts = flat.view(flat.shape[0], self.parts, -1, flat.shape[2])
        known = [self.relations(parts)]
        if self.leads_told:
            there = parts[:, 1].abs().amax(-1) > 0
            known.append(there.to(flat.dtype).mean(1, keepdim=True))
        if self.timed:
            known.append(self._limited(rhythm).flatten(0, 1))
        limited = self.pieces.limited(self.norm(torch.cat(known, 1)))
        return limited.view(*beats.shape[:2], limited.shape[1])

    def encode_known(self, beats: Tensor, evidence: Tensor) -> Tensor:
        """Vectors of beats, as `encode` gives them, whose `evidence` is known already."""
        return self.encode_maps(self.maps(beats), evidence)

    def maps(self, beats: Tensor) -> Tensor:
        """What the convolutions make of windows and typical beats, [batch x beats, filters, width]."""
        maps: Tensor = self.encoder.convolutions(beats.flatten(0, 1)[:, : self.seen])
        return maps

    def encode_maps(self, maps: Tensor, evidence: Tensor) -> Tensor:
        """Vectors of beats, as `encode` gives them, whose `maps` and `evidence` are known already."""
        compared = self.compare(self.pieces(evidence.flatten(0, 1)))
        encoded = torch.cat([compared, self.encoder.from_maps(maps)], 1)
        return encoded.view(*evidence.shape[:2], 2 * self.size)

    def tell(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """Of the relations and RR features alone; see `BeatSequence.tell`."""
        return super().tell(encoded[..., : self.size], self._limited(rhythm))

    def _limited(self, rhythm: Tensor) -> Tensor:
        if self.earliest == math.inf:
            return rhythm
        ratios = rhythm[..., :RATIOS].clamp(-self.earliest, self.earliest)
        return torch.cat([ratios, rhythm[..., RATIOS:]], -1)

    def _add(self, encoded: Tensor, context: Tensor) -> Tensor:
        logits = super()._add(encoded[..., : self.size], context)
        shape = encoded[..., self.size :]
        others, shaped = logits[..., :_SHAPED], logits[..., _SHAPED:] + self.look(shape)
        if self.know is not None:
            others = others + shape @ self.know.T
        return torch.cat([others, shaped], -1)
