"""Numbers that say how a beat differs from its patient's typical beat, whatever the lead.

What they measure (likeness, height, width, energy of QRS, P and T, each beside the typical beat's) means the
same in every patient, which the shape itself does not: a network that sees the numbers has less to learn by
heart. The choice follows de Chazal 2004 (doi:10.1109/TBME.2004.827359) and Llamedo 2011
(doi:10.1109/TBME.2010.2068048), who normalise features by the patient's own beats.
"""

import torch
from torch import Tensor, nn

QRS, WIDE, LONG, WIDTH = (-13, 16), (-20, 26), (-25, 50), (-24, 34)
P, T = (-36, -9), (22, 70)
"""Where the waves are looked for: working samples (1/128 s) from the fiducial."""

SHIFT, STEP = 4, 2
"""Working samples by which a QRS may be moved to fit the typical one, and how finely."""

_FLAT = 1e-4
"""Energy, in squares of the typical QRS height, below which a wave counts as flat."""


class BeatRelations(nn.Module):
    """Relations of each beat to the typical beat: of each lead, then their mean, largest and smallest.

    A lead that is lost (a typical beat of zeros) takes no part; where all are, the numbers are those of flat
    lines. It has no weights and passes gradients on.

    Parameters
    ----------
    before
        Samples before the fiducial in a window.
    """

    of_a_lead = 18
    """Numbers of each lead."""

    size = 3 * of_a_lead
    """Numbers of a beat."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before

    def forward(self, own: Tensor, typical: Tensor) -> Tensor:
        """Relations [n, size] of beats to their typical beats, both [n, leads, width]."""
        found = torch.stack(self._of_leads(own, typical), dim=-1)
        there = (typical.abs().amax(-1) > 0)[..., None]
        some = there.any(dim=1)
        there = there | ~some[:, None]
        mean = (found * there).sum(1) / there.sum(1)
        infinite = torch.full_like(found, torch.inf)
        largest = torch.where(there, found, -infinite).amax(1)
        smallest = torch.where(there, found, infinite).amin(1)
        return torch.cat([mean, largest, smallest], dim=1)

    def _of_leads(self, own: Tensor, typical: Tensor) -> list[Tensor]:
        qrs, usual = self._part(own, QRS), self._part(typical, QRS)
        moved = [self._part(own, (QRS[0] + by, QRS[1] + by)) for by in range(-SHIFT, SHIFT + 1, STEP)]
        wide, usual_wide = self._part(own, WIDE), self._part(typical, WIDE)
        spread, area = _spread(self._part(own, WIDTH)), _area_by_height(self._part(own, WIDTH))
        usual_spread = _spread(self._part(typical, WIDTH))
        usual_area = _area_by_height(self._part(typical, WIDTH))
        found = [
            _likeness(qrs, usual),
            torch.stack([_likeness(each, usual) for each in moved]).amax(0),
            _likeness(self._part(own, LONG), self._part(typical, LONG)),
            _height(qrs) - _height(usual),
            _energy(wide) - _energy(usual_wide),
            _difference(wide, usual_wide) - _energy(usual_wide),
            spread - usual_spread,
            spread,
            area - usual_area,
            area,
            _slope(wide) - _slope(usual_wide),
        ]
        p, usual_p = self._part(own, P), self._part(typical, P)
        t, usual_t = self._part(own, T), self._part(typical, T)
        found += [
            _likeness(p, usual_p),
            _energy(p) - _energy(usual_p),
            _energy(usual_p),
            _difference(p, usual_p),
        ]
        return [*found, _likeness(t, usual_t), _energy(t) - _energy(usual_t), _difference(t, usual_t)]

    def _part(self, beats: Tensor, span: tuple[int, int]) -> Tensor:
        return beats[..., self.before + span[0] : self.before + span[1]]


def _likeness(one: Tensor, other: Tensor) -> Tensor:
    """Correlation, near 0 where one is flat."""
    one, other = (each - each.mean(-1, keepdim=True) for each in (one, other))
    power = one.square().sum(-1) * other.square().sum(-1)
    return (one * other).sum(-1) / torch.sqrt(power + _FLAT)


def _energy(wave: Tensor) -> Tensor:
    """Logarithm of the variance."""
    return torch.log((wave - wave.mean(-1, keepdim=True)).square().mean(-1) + _FLAT)


def _difference(one: Tensor, other: Tensor) -> Tensor:
    """Logarithm of the mean square of the difference."""
    return torch.log((one - other).square().mean(-1) + _FLAT)


def _height(wave: Tensor) -> Tensor:
    return torch.log(wave.amax(-1) - wave.amin(-1) + 0.02)


def _slope(wave: Tensor) -> Tensor:
    """Logarithm of the steepest slope."""
    return torch.log(wave.diff(dim=-1).abs().amax(-1) + 0.01)


def _spread(wave: Tensor) -> Tensor:
    """Standard deviation in time of where the signal is steep, in tenths of samples: a width of the QRS."""
    steep = wave.diff(dim=-1).square()
    share = steep / (steep.sum(-1, keepdim=True) + 1e-5)
    time = torch.arange(steep.shape[-1], device=wave.device) / 10
    centre = (share * time).sum(-1, keepdim=True)
    return torch.sqrt((share * (time - centre).square()).sum(-1) + _FLAT)


def _area_by_height(wave: Tensor) -> Tensor:
    """Area over largest deviation from the level before the QRS, in tenths of samples: another width."""
    size = (wave - wave[..., :8].mean(-1, keepdim=True)).abs()
    return size.sum(-1) / (size.amax(-1) + 0.02) / 10
