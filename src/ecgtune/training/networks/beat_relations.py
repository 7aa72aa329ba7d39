"""Numbers that say how a beat differs from its patient's typical beat, whatever the lead.

What they measure (likeness, height, width, energy of QRS, P and T, each beside the typical beat's) means the
same in every patient, which the shape itself does not: a network that sees the numbers has less to learn by
heart. The choice follows de Chazal 2004 (doi:10.1109/TBME.2004.827359) and Llamedo 2011
(doi:10.1109/TBME.2010.2068048), who normalise features by the patient's own beats.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

QRS, WIDE, LONG, WIDTH = (-13, 16), (-20, 26), (-25, 50), (-24, 34)
P, T = (-36, -9), (22, 70)
"""Where the waves are looked for: working samples (1/128 s) from the fiducial."""

SHIFT, STEP = 4, 2
"""Working samples by which a QRS may be moved to fit the typical one, and how finely."""

_FLAT = 1e-4
"""Energy, in squares of the typical QRS height, below which a wave counts as flat."""


_MOVES = tuple(by for by in range(-SHIFT, SHIFT + 1, STEP) if by)

_SPANS = (QRS, WIDE, LONG, P, T)
"""Spans in which beats are compared."""


class _Measured(NamedTuple):
    """What is measured of each beat by itself.

    Parameters
    ----------
    sums, squares
        Sums over `_SPANS` of the samples and of their squares, [n, leads, spans].
    height, spread, area, slope
        Of the QRS, [n, leads].
    """

    sums: Tensor
    squares: Tensor
    height: Tensor
    spread: Tensor
    area: Tensor
    slope: Tensor


class BeatRelations(nn.Module):
    """Relations of each beat to the typical beat: of each lead, then their mean, largest and smallest.

    A lead that is lost (a typical beat of zeros) takes no part; where all are, the numbers are those of flat
    lines. It has no weights and passes gradients on.

    Parameters
    ----------
    before
        Samples before the fiducial in a window.
    width
        Samples of a window.
    """

    of_a_lead = 18
    """Numbers of each lead."""

    size = 3 * of_a_lead
    """Numbers of a beat."""

    inside: Tensor
    powers: Tensor
    lengths: Tensor

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.before = before
        # Sums over spans are products with this matrix: one pass over the samples instead of many.
        inside = torch.zeros(width, len(_SPANS))
        for i, (start, stop) in enumerate(_SPANS):
            inside[before + start : before + stop, i] = 1
        time = torch.arange(WIDTH[1] - WIDTH[0] - 1) / 10
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("powers", torch.stack([time**0, time, time**2], 1), persistent=False)
        self.register_buffer("lengths", inside.sum(0), persistent=False)

    def forward(self, typical: Tensor, *several: Tensor) -> Tensor:
        """Relations [n, several x size] of several beats to the typical one, all [n, leads, width]."""
        usual = self._measure(typical)
        there = (typical.abs().amax(-1) > 0)[..., None]
        there = there | ~there.any(dim=1)[:, None]
        found = []
        for beats in several:
            of_leads = torch.stack(self._of_leads(beats, self._measure(beats), typical, usual), dim=-1)
            mean = (of_leads * there).sum(1) / there.sum(1)
            largest = of_leads.masked_fill(~there, -torch.inf).amax(1)
            smallest = of_leads.masked_fill(~there, torch.inf).amin(1)
            found += [mean, largest, smallest]
        return torch.cat(found, dim=1)

    def _measure(self, beats: Tensor) -> _Measured:
        qrs, wave = self._part(beats, QRS), self._part(beats, WIDTH)
        steps = wave.diff(dim=-1)
        steep = steps.square() @ self.powers
        shares = steep / (steep[..., :1] + 1e-5)
        centre = shares[..., 1]
        spread = shares[..., 2] - centre.square() * (2 - shares[..., 0])
        size = (wave - wave[..., :8].mean(-1, keepdim=True)).abs()
        inner = steps[..., WIDE[0] - WIDTH[0] : WIDE[1] - 1 - WIDTH[0]]
        return _Measured(
            beats @ self.inside,
            beats.square() @ self.inside,
            torch.log(qrs.amax(-1) - qrs.amin(-1) + 0.02),
            torch.sqrt(spread.clamp(min=0) + _FLAT),
            size.sum(-1) / (size.amax(-1) + 0.02) / 10,
            torch.log(inner.abs().amax(-1) + 0.01),
        )

    def _of_leads(self, beats: Tensor, own: _Measured, typical: Tensor, usual: _Measured) -> list[Tensor]:
        """Relations [n, leads] each."""
        product = (beats * typical) @ self.inside
        energy, usual_energy = self._variance(own), self._variance(usual)
        covariance = product - own.sums * usual.sums / self.lengths
        power = energy * usual_energy * self.lengths.square()
        likeness = covariance / torch.sqrt(power + _FLAT)
        squares = own.squares + usual.squares - 2 * product
        difference = torch.log((squares / self.lengths).clamp(min=0) + _FLAT)
        energy, usual_energy = torch.log(energy + _FLAT), torch.log(usual_energy + _FLAT)
        change = energy - usual_energy
        qrs, wide, long, p, t = range(len(_SPANS))
        usual_qrs = self._part(typical, QRS)
        moved = [_likeness(self._part(beats, (QRS[0] + by, QRS[1] + by)), usual_qrs) for by in _MOVES]
        return [
            likeness[..., qrs],
            torch.stack([likeness[..., qrs], *moved]).amax(0),
            likeness[..., long],
            own.height - usual.height,
            change[..., wide],
            difference[..., wide] - usual_energy[..., wide],
            own.spread - usual.spread,
            own.spread,
            own.area - usual.area,
            own.area,
            own.slope - usual.slope,
            likeness[..., p],
            change[..., p],
            usual_energy[..., p],
            difference[..., p],
            likeness[..., t],
            change[..., t],
            difference[..., t],
        ]

    def _variance(self, measured: _Measured) -> Tensor:
        mean = measured.sums / self.lengths
        return (measured.squares / self.lengths - mean.square()).clamp(min=0)

    def _part(self, beats: Tensor, span: tuple[int, int]) -> Tensor:
        return beats[..., self.before + span[0] : self.before + span[1]]


def _likeness(one: Tensor, other: Tensor) -> Tensor:
    """Correlation, near 0 where one is flat."""
    one, other = (each - each.mean(-1, keepdim=True) for each in (one, other))
    power = one.square().sum(-1) * other.square().sum(-1)
    return (one * other).sum(-1) / torch.sqrt(power + _FLAT)
