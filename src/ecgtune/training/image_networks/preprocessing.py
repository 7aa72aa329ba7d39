"""What an image network sees: images brought to its side, mean and standard deviation.

It belongs to the weights as much as the network does. Images are bytes, RGB, [n, height, width, 3], until
`as_input` makes numbers of them; a spectrogram or strip drawn at the network's side is not resized at all.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ecgtune.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

Bytes = NDArray[np.uint8]

FITS = ("crop", "stretch", "pad")
"""Ways from any image to a square."""

INTERPOLATIONS = ("bilinear", "bicubic")

SMALLEST = 32
"""Least side of an image file in pixels; a smaller one shows nothing."""

_RESIZED_TOGETHER = 64


@dataclass(frozen=True)
class ImageInput:
    """What is done to an image before the network sees it.

    Parameters
    ----------
    size
        Side of the square that the network sees, in pixels.
    resize
        Shorter side before the centre is cropped; for ``"crop"`` alone.
    fit
        ``"crop"``: the shorter side to ``resize``, then the centre, as for ImageNet's photographs;
        ``"stretch"``: the whole image to the square, whatever its shape; ``"pad"``: the whole image in its
        shape, white beside it.
    interpolation
        Of `INTERPOLATIONS`, anti-aliased.
    mean, std
        Of each channel, from 0 to 1.
    """

    size: int = 224
    resize: int = 256
    fit: str = "crop"
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise ValueError(f"unknown fit {self.fit!r}; known: {', '.join(FITS)}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"unknown interpolation {self.interpolation!r}; known: {', '.join(INTERPOLATIONS)}"
            )
        if not 1 <= self.size <= self.resize:
            raise ValueError(
                f"images of side {self.size} cropped from a shorter side of {self.resize}; "
                "the first is at least 1 and at most the second"
            )

    def of_size(self, size: int) -> "ImageInput":
        """Return the same for another side, cropped from as much more as before."""
        resize = max(size, round(size * self.resize / self.size))
        return ImageInput(size, resize, self.fit, self.interpolation, self.mean, self.std)


def read_images(paths: Sequence[Path], how: ImageInput) -> Bytes:
    """Read image files and bring each to the square that a network sees.

    Parameters
    ----------
    paths
        Files of any format that pillow reads. What is transparent becomes white; what a camera turned is
        turned back.
    how
        Side, fit and interpolation.

    Returns
    -------
    ndarray
        uint8 [n, size, size, 3].

    Raises
    ------
    DataError
        On a file that is no image, is damaged, or is smaller than `SMALLEST` pixels on a side.
    MissingExtraError
        Where pillow is not installed.
    """
    images = np.empty((len(paths), how.size, how.size, 3), dtype=np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[:] = _read(path, how)
    return images


def fit_images(images: Bytes, how: ImageInput) -> Bytes:
    """Bring images in memory to the square that a network sees.

    Parameters
    ----------
    images
        uint8 [n, height, width, 3]; returned as they are where they have the right side, whatever the fit.
    how
        Side, fit and interpolation.

    Returns
    -------
    ndarray
        uint8 [n, size, size, 3].

    Raises
    ------
    ValueError
        On an array of another kind.
    """
    _check(images)
    height, width = images.shape[1:3]
    if (height, width) == (how.size, how.size):
        return images
    rows, columns = _resized_shape(height, width, how)
    fitted = np.empty((len(images), how.size, how.size, 3), dtype=np.uint8)
    for at in range(0, len(images), _RESIZED_TOGETHER):
        several = torch.from_numpy(np.ascontiguousarray(images[at : at + _RESIZED_TOGETHER]))
        resized = F.interpolate(
            several.permute(0, 3, 1, 2), (rows, columns), mode=how.interpolation, antialias=True
        )
        fitted[at : at + _RESIZED_TOGETHER] = _squared(resized.permute(0, 2, 3, 1).numpy(), how)
    return fitted


def as_input(images: Bytes, how: ImageInput) -> Tensor:
    """Make numbers of images: scaled to 0..1, then by mean and standard deviation of each channel.

    Parameters
    ----------
    images
        uint8 [n, height, width, 3]; those of another side than the network's are brought to it.
    how
        See `ImageInput`.

    Returns
    -------
    Tensor
        float32 [n, 3, size, size], channels last in memory, which torch's convolutions on a processor take
        twice as fast.

    Raises
    ------
    ValueError
        On an array of another kind.
    """
    fitted = torch.from_numpy(np.ascontiguousarray(fit_images(images, how)))
    mean, std = torch.tensor(how.mean), torch.tensor(how.std)
    return ((fitted.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def _check(images: Bytes) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not all(images.shape[1:3]):
        raise ValueError(
            f"images of shape {images.shape} and type {images.dtype}; give uint8 [n, height, width, 3]"
        )


def _read(path: Path, how: ImageInput) -> Bytes:
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as error:
        raise MissingExtraError("pillow", "image", "reading image files") from error
    try:
        with warnings.catch_warnings():
            # Of images beyond 90 million pixels, which are only slow; beyond twice that pillow refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                image = _on_white(ImageOps.exif_transpose(opened))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(
            f"{path}: cannot be read as an image ({reason}); give a JPEG or PNG file that other programs open"
        ) from error
    if min(image.size) < SMALLEST:
        raise DataError(
            f"{path}: {image.width} x {image.height} pixels; an image needs {SMALLEST} or more on each side"
        )
    rows, columns = _resized_shape(image.height, image.width, how)
    method = Image.Resampling.BICUBIC if how.interpolation == "bicubic" else Image.Resampling.BILINEAR
    resized = np.asarray(image.resize((columns, rows), method))
    square: Bytes = _squared(resized[np.newaxis], how)[0]
    return square


def _on_white(image: "Image.Image") -> "Image.Image":
    """Any kind of image as RGB; a drawing on transparent ground would otherwise turn black altogether."""
    from PIL import Image

    if image.mode.startswith("I"):
        # Of 16 bits; pillow would take all from 255 upwards for white.
        return Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def _resized_shape(height: int, width: int, how: ImageInput) -> tuple[int, int]:
    """Rows and columns that an image is resized to."""
    if how.fit == "stretch":
        return how.size, how.size
    short, long = min(height, width), max(height, width)
    if how.fit == "crop":
        # Cut off, not rounded, as torchvision does.
        pair = how.resize, int(how.resize * long / short)
    else:
        pair = max(1, round(how.size * short / long)), how.size
    return pair if height <= width else pair[::-1]


def _squared(images: Bytes, how: ImageInput) -> Bytes:
    """Cut resized images [n, rows, columns, 3] to the square, or put them in its middle."""
    rows, columns = images.shape[1:3]
    size = how.size
    squares: Bytes
    if how.fit == "crop":
        top, left = round((rows - size) / 2), round((columns - size) / 2)
        squares = images[:, top : top + size, left : left + size]
    else:
        top, left = (size - rows) // 2, (size - columns) // 2
        squares = np.full((len(images), size, size, 3), 255, dtype=np.uint8)
        squares[:, top : top + rows, left : left + columns] = images
    return squares
