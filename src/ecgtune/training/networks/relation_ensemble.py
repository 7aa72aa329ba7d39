"""Several networks of one kind that were trained apart and label beats together."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.training.networks.relation_sequence import RelationSequence


class RelationEnsemble(nn.Module):
    """The mean of the logits of several `RelationSequence`.

    What a network makes of a new patient depends on how its training happened to begin; the mean of several
    depends on it less. It has the methods of its members: what they give is joined along the last dimension.

    Parameters
    ----------
    members
        How many fresh ones, or trained ones. Evidence is then standardised alike for all: by the mean of what
        each has seen in its training.
    arguments
        Of each fresh one, as of `RelationSequence`.

    Raises
    ------
    ModelError
        Where there is no member, or a member's arguments make no sense.
    """

    given: ClassVar[tuple[str, ...]] = RelationSequence.given

    def __init__(self, members: int | Sequence[RelationSequence] = 2, **arguments: Any) -> None:
        super().__init__()
        if isinstance(members, int):
            members = [RelationSequence(**arguments) for _ in range(members)]
        if not members:
            raise ModelError("an ensemble of no members asked for; give 1 or more")
        self.members = nn.ModuleList(members)
        self.joined_maps = nn.Identity()
        _standardise_alike([member.norm for member in members])

    @property
    def reach(self) -> int:
        """Beats on either side that a label depends on."""
        return self._each[0].reach

    @property
    def is_familiar(self) -> bool:
        """Whether its members are; see `RelationSequence.is_familiar`."""
        return self._each[0].is_familiar

    def made_familiar(self) -> "RelationEnsemble":
        """Copy it with members that are `RelationSequence.made_familiar`."""
        return RelationEnsemble([member.made_familiar() for member in self._each])

    def forward(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Logits [batch, beats, classes]; see `RelationSequence`."""
        return self.decide(self.encode(beats, rhythm), rhythm)

    def encode(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """Vectors of beats; see `RelationSequence.encode`."""
        return self.encode_known(beats, self.evidence(beats, rhythm))

    def evidence(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        """What is known of each beat; see `RelationSequence.evidence`."""
        return self._each[0].evidence(beats, rhythm)

    def encode_known(self, beats: Tensor, evidence: Tensor) -> Tensor:
        """Vectors of beats; see `RelationSequence.encode_known`."""
        maps = self.joined_maps(torch.cat([member.maps(beats) for member in self._each], 1))
        of_each = zip(self._each, self._shared_out(maps, 1), strict=True)
        return torch.cat([member.encode_maps(own, evidence) for member, own in of_each], 2)

    def tell(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """What the temporal networks are told; see `BeatSequence.tell`."""
        of_each = zip(self._each, self._shared_out(encoded), strict=True)
        return torch.cat([member.tell(own, rhythm) for member, own in of_each], -1)

    def decide(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        """Logits of vectors and RR features; see `BeatSequence.decide`."""
        of_each = zip(self._each, self._shared_out(encoded), strict=True)
        return torch.stack([member.decide(own, rhythm) for member, own in of_each]).mean(0)

    def decide_middle(self, encoded: Tensor, told: Tensor, sides: Tensor) -> Tensor:
        """Logits of the middle one of successive beats; see `BeatSequence.decide_middle`."""
        of_each = zip(self._each, self._shared_out(encoded), self._shared_out(told), strict=True)
        said = [member.decide_middle(own, heard, sides) for member, own, heard in of_each]
        return torch.stack(said).mean(0)

    @property
    def _each(self) -> list[RelationSequence]:
        return list(self.members)  # type: ignore[arg-type]

    def _shared_out(self, joined: Tensor, dim: int = -1) -> tuple[Tensor, ...]:
        return joined.chunk(len(self.members), dim)


def _standardise_alike(norms: Sequence[nn.BatchNorm1d]) -> None:
    with torch.no_grad():
        for name in ("running_mean", "running_var"):
            mean = torch.stack([getattr(norm, name) for norm in norms]).mean(0)
            for norm in norms:
                getattr(norm, name).copy_(mean)
