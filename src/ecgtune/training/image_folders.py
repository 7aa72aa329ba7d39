"""Folders of images by class, as users keep them: ``DIR/CLASS/*.jpg`` and the like."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import DataError
from ecgtune.training.image_networks.preprocessing import Bytes, ImageInput, read_images

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Of files that are taken for images, in any case."""


@dataclass(frozen=True)
class ImageFolder:
    """Images of a folder by class.

    Parameters
    ----------
    paths
        Files, sorted by class and name.
    labels
        Index of each file's class, int64 [n].
    classes
        Names of the classes, those of the folders, sorted.
    """

    paths: tuple[Path, ...] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Images of each class."""
        return {name: int(np.sum(self.labels == place)) for place, name in enumerate(self.classes)}


def find_image_folder(folder: Path, least: int = 2) -> ImageFolder:
    """List the images of a folder by class.

    Parameters
    ----------
    folder
        Holds a folder for each class; hidden ones are passed over.
    least
        Images that each class needs.

    Raises
    ------
    DataError
        Where there is no such folder, fewer than two classes, or a class with too few images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images; give one that holds a folder for each class")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        there = f"one class only, {classes[0].name}" if classes else "no folder of a class"
        raise DataError(
            f"{folder}: {there}; give two folders or more, named as their classes: DIR/CLASS/*.jpg"
        )
    paths: list[Path] = []
    labels: list[int] = []
    for place, one in enumerate(classes):
        found = list_images(one)
        if len(found) < least:
            count = f"{len(found)} image{'s' * (len(found) != 1)}" if found else "no image"
            raise DataError(
                f"{one}: {count}; each class needs {least} or more ({', '.join(IMAGE_SUFFIXES)}): add some, "
                "or remove the folder"
            )
        paths += found
        labels += [place] * len(found)
    return ImageFolder(tuple(paths), np.array(labels, dtype=np.int64), tuple(one.name for one in classes))


def list_images(folder: Path) -> list[Path]:
    """Image files right inside a folder, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def find_images(given: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Image files of what was named on a command line, and a line for each name that gave none.

    Parameters
    ----------
    given
        Files, whatever their suffix, and folders: the images in these and in all folders below.
    """
    paths: list[Path] = []
    missing: list[str] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            folders = [path, *(below for below in sorted(path.rglob("*")) if below.is_dir())]
            found = [image for folder in folders for image in list_images(folder)]
            if not found:
                missing.append(f"{name}: no image in this folder; known are {', '.join(IMAGE_SUFFIXES)}")
            paths += found
        elif path.is_file():
            paths.append(path)
        else:
            missing.append(f"{name}: no such file or folder; check the path")
    return list(dict.fromkeys(paths)), missing


def read_each(paths: Sequence[Path], how: ImageInput) -> tuple[Bytes, list[str | None]]:
    """Read images, those that cannot be read with a line that says why.

    Returns
    -------
    tuple
        uint8 [n, size, size, 3], black where an image could not be read; and, for each, None or the reason.
    """
    images = np.zeros((len(paths), how.size, how.size, 3), dtype=np.uint8)
    reasons: list[str | None] = []
    for image, path in zip(images, paths, strict=True):
        try:
            image[:] = read_images([path], how)[0]
        except DataError as error:
            reasons.append(str(error))
        else:
            reasons.append(None)
    return images, reasons
