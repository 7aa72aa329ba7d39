"""Augmentation of small classes: more windows of them, each a little different."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ecgtune.errors import ModelError
from ecgtune.training.window_augmentation import stretch


@dataclass(frozen=True)
class SmallClasses:
    """Show more windows of small classes in each epoch, drawn and changed anew each time.

    Ali 2024 shows class counts "before augmentation" and says nothing else of it; what is varied here is
    what differs among beats of a class: their duration, their size, and noise.

    Parameters
    ----------
    targets
        Windows of each class that an epoch shows at least, in the order of the classes; 0 leaves a class as
        it is. What a class lacks is drawn from its own windows, with replacement, and changed.
    stretch
        Added windows last up to this share longer or shorter.
    anchor
        Share of the window's width that a stretch leaves in place: 0.5 where the R peak is in the middle, 0
        where the window begins at it.
    amplitude
        Added windows are up to this share larger or smaller.
    noise
        Standard deviation of white noise on added windows, in their unit. Samples that are exactly 0 stay
        so: they are the padding of short beats, and noise there would give the added windows away.
    everywhere
        Whether windows that are not added are changed too.

    Raises
    ------
    ModelError
        On a value that is out of range.
    """

    targets: tuple[int, ...]
    stretch: float = 0.1
    anchor: float = 0.5
    amplitude: float = 0.1
    noise: float = 0.01
    everywhere: bool = False

    def __post_init__(self) -> None:
        if any(target < 0 for target in self.targets):
            raise ModelError(f"augmentation to {min(self.targets)} windows asked for; give 0 or more")
        for name, most in (("stretch", 0.5), ("anchor", 1.0), ("amplitude", 0.9), ("noise", float("inf"))):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ModelError(f"augmentation with {name} {value:g} asked for; give 0 to {most:g}")

    def counts(self, counts: Tensor) -> Tensor:
        """Windows of each class that an epoch shows, from those that there are; int64 [classes].

        Raises
        ------
        ModelError
            Where there is not one target for each class.
        """
        if len(self.targets) != len(counts):
            raise ModelError(
                f"augmentation has {len(self.targets)} targets for {len(counts)} classes; give one for each"
            )
        return torch.where(counts > 0, torch.maximum(counts, torch.tensor(self.targets)), 0)

    def added(self, labels: Tensor) -> Tensor:
        """Draw which windows to add: indices into ``labels`` [n] (classes), from torch's generator."""
        counts = torch.bincount(labels, minlength=len(self.targets))
        lacking = self.counts(counts) - counts
        drawn = []
        for label in lacking.nonzero()[:, 0]:
            own = (labels == label).nonzero()[:, 0]
            drawn.append(own[torch.randint(len(own), (int(lacking[label]),))])
        return torch.cat(drawn) if drawn else torch.zeros(0, dtype=torch.int64)

    def __call__(self, windows: Tensor) -> Tensor:
        """Return changed windows [n, channels, width]; draws from torch's generator."""
        n = len(windows)
        if self.stretch and n:
            windows = stretch(windows, 1 + self.stretch * _spread(n, 1), self.anchor)
        if self.amplitude:
            windows = windows * (1 + self.amplitude * _spread(n, 1, 1))
        if self.noise:
            windows = windows + self.noise * torch.randn(windows.shape) * (windows != 0)
        return windows


def _spread(*shape: int) -> Tensor:
    """Draw evenly from -1 to 1."""
    return 2 * torch.rand(shape) - 1
