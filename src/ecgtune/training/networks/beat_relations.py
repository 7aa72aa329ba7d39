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


_SPANS = (QRS, WIDE, LONG, P, T)
"""Spans in which beats are compared."""

_MOVED = tuple((QRS[0] + by, QRS[1] + by) for by in range(-SHIFT, SHIFT + 1, STEP) if by)
"""Spans of a beat that are compared with the typical QRS too."""


class _Measured(NamedTuple):
    """What is measured of each beat by itself.

    Parameters
    ----------
    mean, squares, variance
        Mean of the samples, of their squares, and their variance in each span, [n, parts, leads, spans].
    height, spread, area, slope
        Of the QRS, [n, parts, leads].
    """

    mean: Tensor
    squares: Tensor
    variance: Tensor
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

    spans: Tensor
    flat: Tensor
    powers: Tensor

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.before = before
        # Means over spans are products with this matrix: one pass over the samples instead of many.
        spans = (*_SPANS, *_MOVED)
        means = torch.zeros(width, len(spans))
        for i, (start, stop) in enumerate(spans):
            means[before + start : before + stop, i] = 1 / (stop - start)
        self.register_buffer("spans", means, persistent=False)
        self.register_buffer("flat", _FLAT * means.amax(0).square(), persistent=False)
        time = torch.arange(WIDTH[1] - WIDTH[0] - 1) / 10
        self.register_buffer("powers", torch.stack([time**0, time, time**2], 1), persistent=False)

    def forward(self, beats: Tensor) -> Tensor:
        """Relations [n, (parts - 1) x size] of all parts but the typical beat to it.

        Parameters
        ----------
        beats
            [n, parts, leads, width]; the second part is the typical beat.
        """
        measured = self._measure(beats)
        usual = _Measured(*(each[:, 1:2] for each in measured))
        own = _Measured(*(_without_typical(each) for each in measured))
        of_leads = torch.stack(self._of_leads(beats, own, usual), dim=-1)
        there = usual.squares.amax(-1, keepdim=True) > 0
        there = there | ~there.any(dim=2, keepdim=True)
        mean = (of_leads * there).sum(2) / there.sum(2)
        largest = of_leads.masked_fill(~there, -torch.inf).amax(2)
        smallest = of_leads.masked_fill(~there, torch.inf).amin(2)
        return torch.cat([mean, largest, smallest], dim=-1).flatten(1)

    def _measure(self, beats: Tensor) -> _Measured:
        qrs, wave = self._part(beats, QRS), self._part(beats, WIDTH)
        steps = wave.diff(dim=-1)
        # Products, since a runtime takes squares for powers, which are slow.
        steep = (steps * steps) @ self.powers
        shares = steep / (steep[..., :1] + 1e-5)
        centre = shares[..., 1]
        spread = shares[..., 2] - centre * centre * (2 - shares[..., 0])
        size = (wave - wave[..., :8].mean(-1, keepdim=True)).abs()
        inner = steps[..., WIDE[0] - WIDTH[0] : WIDE[1] - 1 - WIDTH[0]]
        mean, squares = beats @ self.spans, (beats * beats) @ self.spans
        return _Measured(
            mean,
            squares,
            (squares - mean * mean).clamp(min=0),
            torch.log(qrs.amax(-1) - qrs.amin(-1) + 0.02),
            torch.sqrt(spread.clamp(min=0) + _FLAT),
            size.sum(-1) / (size.amax(-1) + 0.02) / 10,
            torch.log(inner.abs().amax(-1) + 0.01),
        )

    def _of_leads(self, beats: Tensor, own: _Measured, usual: _Measured) -> list[Tensor]:
        """Relations [n, parts - 1, leads] each."""
        qrs, wide, long, p, t = range(len(_SPANS))
        fixed = slice(len(_SPANS))
        typical = beats[:, 1:2]
        usual_qrs = self._part(typical, QRS)
        moved = [(self._part(beats, span) * usual_qrs).mean(-1, keepdim=True) for span in _MOVED]
        product = _without_typical(torch.cat([(beats * typical) @ self.spans[:, fixed], *moved], -1))
        covariance = product - own.mean * _facing(usual.mean)
        likeness = covariance / torch.sqrt(own.variance * _facing(usual.variance) + self.flat)
        squares = own.squares[..., fixed] + usual.squares[..., fixed] - 2 * product[..., fixed]
        difference = torch.log(squares.clamp(min=0) + _FLAT)
        usual_energy = torch.log(usual.variance[..., fixed] + _FLAT)
        change = torch.log(own.variance[..., fixed] + _FLAT) - usual_energy
        return [
            likeness[..., qrs],
            torch.maximum(likeness[..., qrs], likeness[..., len(_SPANS) :].amax(-1)),
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
            usual_energy[..., p].expand_as(own.height),
            difference[..., p],
            likeness[..., t],
            change[..., t],
            difference[..., t],
        ]

    def _part(self, beats: Tensor, span: tuple[int, int]) -> Tensor:
        return beats[..., self.before + span[0] : self.before + span[1]]


def _without_typical(parts: Tensor) -> Tensor:
    return torch.cat([parts[:, :1], parts[:, 2:]], 1)


def _facing(usual: Tensor) -> Tensor:
    """What each span of a beat is compared with, of the typical beat's: moved ones with its QRS."""
    qrs = usual[..., :1].expand(*usual.shape[:-1], len(_MOVED))
    return torch.cat([usual[..., : len(_SPANS)], qrs], -1)
