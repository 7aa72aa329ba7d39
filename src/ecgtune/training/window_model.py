"""A trained network of windows as a model folder: ``card.json`` and ``weights.safetensors``.

It is there to be explained and looked into. Its windows are those of a published system, cut from whole
recordings; `ecgtune classify` labels with sequence models instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ecgtune._version import __version__
from ecgtune.errors import ModelError
from ecgtune.training.networks.windows import build_window_network
from ecgtune.training.weights_folder import (
    CARD,
    check_card,
    model_in,
    read_own_weights,
    read_plain_card,
    save_weights_folder,
)

KIND = "beat-windows"
"""What the card says that the model is."""

FORMAT = 1

_REQUIRED = {
    "format": int,
    "name": str,
    "network": dict,
    "classes": list,
    "leads": int,
    "fs": float,
    "width": int,
    "before": int,
    "windows": dict,
    "training": dict,
    "weights_sha256": str,
}
"""What every card holds, and of which type."""


@dataclass(frozen=True)
class WindowModel:
    """A trained network of windows.

    Parameters
    ----------
    card
        ``name``; ``network`` (its name and its arguments beside channels, width and classes); ``classes``;
        ``leads``, how many a window has; ``fs`` in Hz, ``width`` in samples, ``before`` of them before the
        fiducial; ``windows``, how they are cut and scaled (`ecgtune.systems.beat_tables`); ``training``:
        data, protocol, seed, split hash, patients; ``metrics``.
    network
        In evaluation mode.
    folder
        Where it was loaded from.
    """

    card: dict[str, Any]
    network: nn.Module = field(repr=False)
    folder: Path

    @property
    def name(self) -> str:
        """Name, protocol and seed, as outputs quote it."""
        how = self.card["training"]
        return f"{self.card['name']} ({how['protocol']}, seed {how['seed']})"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.card["classes"])

    @property
    def trained_on(self) -> frozenset[str]:
        """Patients (``mitdb/208``) that the model was trained on."""
        return frozenset(self.card["training"].get("patients", ()))


def save_window_model(network: nn.Module, card: Mapping[str, Any], folder: Path) -> Path:
    """Write a model folder, whole or not at all; a model that is there is replaced.

    Parameters
    ----------
    network
        Of `ecgtune.training.networks.windows`.
    card
        See `WindowModel`; kind, format, parameter count and hash are filled in.
    folder
        Where to.

    Raises
    ------
    ModelError
        Where the card lacks something.
    OutputError
        Where it cannot be written.
    """
    whole = {"kind": KIND, "format": FORMAT, "ecgtune": __version__, **card}
    check_card({**whole, "weights_sha256": ""}, folder / CARD, _REQUIRED, FORMAT)
    return save_weights_folder(network, whole, folder)


def load_window_model(folder: Path) -> WindowModel:
    """Load a model from its folder, or from the run folder that holds it.

    Raises
    ------
    ModelError
        Where there is none, it is of another kind, of a newer format, incomplete or damaged.
    """
    folder = model_in(folder)
    card = read_plain_card(folder)
    if card.get("kind") != KIND:
        raise ModelError(f"{folder}: no model of windows; give a folder that `ecgtune train ft-cnn` made")
    check_card(card, folder / CARD, _REQUIRED, FORMAT)
    state = read_own_weights(folder, card["weights_sha256"])
    arguments = dict(card["network"])
    network = build_window_network(
        arguments.pop("name", ""),
        channels=card["leads"],
        width=card["width"],
        classes=len(card["classes"]),
        **arguments,
    )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder}: its weights do not fit the card's network: {reason}") from error
    return WindowModel(card, network.eval(), folder)
