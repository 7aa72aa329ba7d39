"""Model folders of a card and weights: written whole, read back checked. Nothing in them is pickled."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecgtune.errors import ModelError, OutputError
from ecgtune.files import make_folder

CARD, WEIGHTS = "card.json", "weights.safetensors"


def save_weights_folder(network: nn.Module, card: Mapping[str, Any], folder: Path) -> Path:
    """Write a card and a network's weights, whole or not at all; a model that is there is replaced.

    Parameters
    ----------
    network
        Whose weights are kept.
    card
        Plain types; parameter count and hash are filled in.
    folder
        Where to.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    make_folder(folder.parent)
    content = save({key: value.contiguous() for key, value in network.state_dict().items()})
    whole = {
        **card,
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            part = Path(name) / folder.name
            part.mkdir()
            (part / WEIGHTS).write_bytes(content)
            (part / CARD).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
            if folder.exists():
                folder.rename(Path(name) / "replaced")
            part.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another --out"
        ) from error
    return folder


def model_in(folder: Path) -> Path:
    """The model folder itself, or that inside a run folder."""
    inside = folder / "model"
    return inside if not (folder / CARD).is_file() and (inside / CARD).is_file() else folder


def read_plain_card(folder: Path) -> dict[str, Any]:
    """Read a card of whatever kind; one that is no table is empty.

    Raises
    ------
    ModelError
        Where it is missing or no JSON.
    """
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}; train the model again") from error
    return card if isinstance(card, dict) else {}


def check_card(card: Mapping[str, Any], path: Path, required: Mapping[str, type], newest: int) -> None:
    """Refuse a card that lacks a field, has one of another type, or is of a newer format.

    Raises
    ------
    ModelError
        Naming the field.
    """
    for name, kind in required.items():
        if not isinstance(card.get(name), kind):
            raise ModelError(f"{path}: lacks {name}; train the model again")
    if card["format"] > newest:
        raise ModelError(
            f"{path}: format {card['format']}; this ecgtune reads up to {newest}: upgrade ecgtune"
        )


def read_own_weights(folder: Path, sha256: str) -> dict[str, Tensor]:
    """Read the weights of a folder, whose card knows their hash.

    Raises
    ------
    ModelError
        Where they are missing, or are not those of the card.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{folder}: {WEIGHTS} is missing; copy the model again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{path}: does not belong to its card (SHA-256 differs); copy the model again")
    try:
        return dict(load(content))
    except SafetensorError as error:
        raise ModelError(f"{path}: cannot be read: {error}; train the model again") from error
