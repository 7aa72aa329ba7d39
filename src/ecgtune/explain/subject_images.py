"""Image networks: the same methods, over pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgtune.explain.layers import last_convolution
from ecgtune.explain.subject import Examples, SignalAlone
from ecgtune.training.image_networks import ImageInput, read_images
from ecgtune.training.image_networks.preprocessing import Bytes, as_input

BASELINES = ("zero", "noise")
"""``"zero"`` is the mean colour of the weights' own images, a medium grey."""

OCCLUDED = 7
"""Occlusion takes away a square whose side is this part of the image's; the next begins half of it later."""


@dataclass(frozen=True)
class ImageSubject:
    """An image network and what is done to images before it sees them.

    Parameters
    ----------
    name
        Of the model.
    network
        In evaluation mode: images [n, 3, size, size] to logits [n, classes].
    classes
        Names of the classes.
    input
        Preprocessing.
    """

    name: str
    network: nn.Module = field(repr=False)
    classes: tuple[str, ...]
    input: ImageInput
    baselines: tuple[str, ...] = BASELINES

    @property
    def module(self) -> nn.Module:
        """See `SignalAlone`."""
        return SignalAlone(self.network).eval()

    @property
    def convolution(self) -> nn.Module | None:
        """The last convolution that an image goes through."""
        return last_convolution(
            self.network, self.network, torch.zeros(1, 3, self.input.size, self.input.size)
        )

    @property
    def occluded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What occlusion takes away at a time: all colours of a square."""
        side = max(2, self.input.size // OCCLUDED)
        return (3, side, side), (3, side // 2, side // 2)

    def with_network(self, network: nn.Module) -> "ImageSubject":
        """Return the same with another network."""
        return replace(self, network=network.eval())

    def examples(self, images: Bytes, names: Sequence[str], labels: Sequence[int] | None = None) -> Examples:
        """Images as examples.

        Parameters
        ----------
        images
            uint8 [n, height, width, 3].
        names
            Of the images.
        labels
            Index of each image's class where it is known.
        """
        signal = as_input(images, self.input).contiguous().numpy()
        n = len(signal)
        unknown = np.full((n, 3), np.nan, dtype=np.float32)
        return Examples(
            signal=signal,
            rhythm=None,
            context=(),
            typical=np.zeros_like(signal),
            typical_rhythm=None,
            scale=unknown,
            offset=unknown,
            leads=np.tile(np.array(["red", "green", "blue"]), (n, 1)),
            rr=np.full((n, 2), np.nan, dtype=np.float32),
            label=np.full(n, -1, dtype=np.int64) if labels is None else np.asarray(labels, dtype=np.int64),
            database=np.full(n, ""),
            record=np.array([*names], dtype=np.str_),
            sample=np.zeros(n, dtype=np.int64),
            fs=np.ones(n),
        )

    def read(self, paths: Sequence[Path]) -> Examples:
        """Read image files as examples.

        Raises
        ------
        DataError
            On a file that is no image or is damaged.
        """
        return self.examples(read_images(paths, self.input), [str(path) for path in paths])

    def pixels(self, examples: Examples) -> NDArray[np.uint8]:
        """The images as the network sees them, uint8 [n, size, size, 3]."""
        mean, std = (np.array(each, dtype=np.float32) for each in (self.input.mean, self.input.std))
        shown = examples.signal.transpose(0, 2, 3, 1) * std + mean
        return np.asarray((shown * 255).round().clip(0, 255), dtype=np.uint8)
