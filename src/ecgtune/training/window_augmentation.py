"""Augmentation of windows while a stack trains: noise, and other sampling rates."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def stretch(windows: Tensor, rate: Tensor, anchor: float = 0.5) -> Tensor:
    """Resample windows as if their sampling rate had been another.

    Parameters
    ----------
    windows
        [n, channels, width].
    rate
        Relative rate of each window, [n, 1]; above 1 everything comes nearer to the anchor.
    anchor
        Share of the width that stays where it is. What comes from beyond the window repeats its edge.
    """
    n, channels, width = windows.shape
    fixed = 2 * anchor - 1
    # Places in -1..1 from the first sample to the last.
    at = fixed + (torch.linspace(-1, 1, width) - fixed) * rate
    grid = torch.stack([at, torch.zeros_like(at)], 2).unsqueeze(1)
    flat = windows.reshape(n, channels, 1, width)
    return F.grid_sample(flat, grid, padding_mode="border", align_corners=True).squeeze(2)


@dataclass(frozen=True)
class WindowAugmentation:
    """Change every training window a little, each time it is drawn.

    Parameters
    ----------
    noise
        Standard deviation of white noise that is added, in the windows' unit.
    stretch
        Windows are resampled around their middle as if the rate had been up to this share lower or higher.
    """

    noise: float = 0.0
    stretch: float = 0.0

    def __call__(self, windows: Tensor, draw: torch.Generator) -> Tensor:
        """Return changed windows [models, batch, channels, width]; ``draw`` is where chance comes from."""
        if self.stretch:
            models, batch, channels, width = windows.shape
            rate = 1 + self.stretch * (2 * torch.rand(models * batch, 1, generator=draw) - 1)
            stretched = stretch(windows.flatten(0, 1), rate)
            windows = stretched.reshape(models, batch, channels, width)
        if self.noise:
            windows = windows + self.noise * torch.randn(windows.shape, generator=draw)
        return windows
