"""An image model is a folder too: ``card.json`` and ``weights.safetensors``; nothing in it is pickled."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgtune._version import __version__
from ecgtune.errors import ModelError
from ecgtune.training.image_folders import read_each
from ecgtune.training.image_networks import ImageInput, build_image_network
from ecgtune.training.image_networks.weights import load_weights
from ecgtune.training.image_table import ImageTable
from ecgtune.training.image_training import PREDICTED_TOGETHER, predict_image_table
from ecgtune.training.weights_folder import (
    CARD,
    WEIGHTS,
    check_card,
    model_in,
    read_own_weights,
    read_plain_card,
    save_weights_folder,
)

KIND = "ecg-image"
"""What the card of an image model says that it is."""

FORMAT = 1
_REQUIRED = {
    "format": int,
    "network": str,
    "classes": list,
    "input": dict,
    "weights_sha256": str,
}
"""What every card holds, and of which type."""


@dataclass(frozen=True)
class ImageModel:
    """A trained image network, ready to predict.

    Parameters
    ----------
    card
        Classes, preprocessing (``input``), network, where its weights began, images it was trained on, what
        the validation side said, licence.
    network
        In evaluation mode.
    folder
        Where it was loaded from.
    """

    card: dict[str, Any]
    network: nn.Module = field(repr=False)
    folder: Path

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.card["classes"])

    @property
    def input(self) -> ImageInput:
        """Preprocessing of images."""
        return ImageInput(**{**self.card["input"], **_pairs(self.card["input"])})


@dataclass(frozen=True)
class ImageLabel:
    """What a model makes of an image.

    Parameters
    ----------
    path
        The file.
    label
        Name of the class; None where the file cannot be read.
    probability
        By class; empty where the file cannot be read.
    error
        Why it cannot be read.
    """

    path: Path
    label: str | None
    probability: dict[str, float]
    error: str | None = None


def save_image_model(network: nn.Module, card: dict[str, Any], how: ImageInput, folder: Path) -> Path:
    """Write an image model folder, whole or not at all.

    Parameters
    ----------
    network
        Its head has a logit for each of the card's classes.
    card
        ``network`` (torchvision's name), ``classes``, and whatever else is worth knowing; kind, format,
        preprocessing, parameter count and hash are filled in here.
    how
        Preprocessing.
    folder
        Where to; a model that is there is replaced.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    whole = {"kind": KIND, "format": FORMAT, "ecgtune": __version__, **card, "input": asdict(how)}
    return save_weights_folder(network, whole, folder)


def load_image_model(folder: Path) -> ImageModel:
    """Load an image model from its folder, or from the run folder that holds it.

    Raises
    ------
    ModelError
        Where there is none, it is of another kind, of a newer format, incomplete or damaged.
    MissingExtraError
        Where torchvision is not installed.
    """
    folder = model_in(folder)
    card = _read_card(folder)
    state = read_own_weights(folder, card["weights_sha256"])
    network = build_image_network(card["network"], classes=len(card["classes"]))
    load_weights(network, state, str(folder / WEIGHTS))
    model = ImageModel(card, network, folder)
    try:
        _ = model.input
    except (TypeError, ValueError) as error:
        raise ModelError(f"{folder / CARD}: input: {error}; train the model again") from error
    return model


def classify_images(paths: Sequence[Path], model: ImageModel) -> list[ImageLabel]:
    """Label image files; one that cannot be read gets the reason in place of a label."""
    found: list[ImageLabel] = []
    for at in range(0, len(paths), PREDICTED_TOGETHER):
        several = paths[at : at + PREDICTED_TOGETHER]
        images, reasons = read_each(several, model.input)
        table = ImageTable(images, np.zeros(len(several), dtype=np.int64), model.classes, model.input)
        probability = predict_image_table(model.network, table)
        found += [
            _label(path, row, reason, model.classes)
            for path, row, reason in zip(several, probability, reasons, strict=True)
        ]
    return found


def _label(path: Path, row: NDArray[np.float32], reason: str | None, classes: Sequence[str]) -> ImageLabel:
    if reason is not None:
        return ImageLabel(path, None, {}, reason)
    return ImageLabel(
        path, classes[int(row.argmax())], {name: float(p) for name, p in zip(classes, row, strict=True)}
    )


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    if not path.is_file():
        raise ModelError(
            f"{folder}: no image model there; give a folder that `ecgtune train ecg-image-resnet` made"
        )
    card = read_plain_card(folder)
    if card.get("kind") != KIND:
        raise ModelError(
            f"{folder}: this model labels heartbeats of recordings, not images; take `ecgtune classify`, "
            "or a model that `ecgtune train ecg-image-resnet` made"
        )
    check_card(card, path, _REQUIRED, FORMAT)
    return card


def _pairs(given: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """Mean and deviation, which JSON knows as lists."""
    return {name: tuple(given[name]) for name in ("mean", "std") if name in given}
