"""What `ecgtune.beats.usual_beat` says of a beat as a function of its samples that gradients pass through."""

import torch
from torch import Tensor

from ecgtune.beats.look_alikes import COMPARED
from ecgtune.beats.usual_beat import FLAT, LEVEL, LOST, LOW, SHIFTS, WIDTH


def beside_usual(windows: Tensor, typical: Tensor, usual: Tensor, before: int) -> Tensor:
    """Likeness and width of each beat's QRS beside the usual one, means over leads, [n, 2].

    Parameters
    ----------
    windows, typical, usual
        Beats, their typical beats and usual beats, [n, leads, width] each.
    before
        Where the fiducial lies in a window.
    """
    there = (typical != 0).any(2) & (usual != 0).any(2)
    begin, end = before - COMPARED[0], before + COMPARED[1]
    qrs = usual[..., begin:end] - usual[..., begin:end].mean(2, keepdim=True)
    energy = qrs.square().sum(2)
    own = windows[..., begin:end]
    shown = there & ((own - own.mean(2, keepdim=True)).square().sum(2) > LOST)
    shown = shown | ~shown.any(1, keepdim=True)
    share = shown / shown.sum(1, keepdim=True)
    fits = []
    for by in SHIFTS:
        own = windows[..., begin + by : end + by]
        own = own - own.mean(2, keepdim=True)
        fits.append((own * qrs).sum(2) / torch.sqrt((own.square().sum(2) + FLAT) * (energy + FLAT)))
    likeness = torch.stack(fits).amax(0)
    wider = _width(windows, before) - _width(usual, before)
    return torch.stack([(each * share).sum(1) for each in (likeness, wider)], 1)


def _width(windows: Tensor, before: int) -> Tensor:
    wave = windows[..., before + WIDTH[0] : before + WIDTH[1]]
    size = (wave - wave[..., :LEVEL].mean(2, keepdim=True)).abs()
    return size.sum(2) / (size.amax(2) + LOW) / 10
