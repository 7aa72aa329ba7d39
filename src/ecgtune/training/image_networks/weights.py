"""Weights of image networks: what belongs to each set, and the way from a file or address to a state dict."""

import contextlib
import pickle
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from ecgtune.databases.index import data_folder
from ecgtune.errors import ModelError
from ecgtune.training.image_networks.import_torchvision import import_torchvision
from ecgtune.training.image_networks.preprocessing import ImageInput

IMAGENET = "IMAGENET1K_V1"
"""torchvision's name of the weights that ``"imagenet"`` means: those that the papers had."""

SUFFIXES = (".safetensors", ".pth", ".pt")
"""Of files of weights."""

_LICENCE = "BSD-3-Clause (torchvision); weights may fall under ImageNet's terms, for research alone"


@dataclass(frozen=True)
class ImageWeights:
    """A set of weights and what belongs to it.

    Parameters
    ----------
    network
        torchvision's name of the network.
    name
        torchvision's name of the weights.
    url
        Address of the file; its name ends in the first digits of the file's SHA-256.
    input
        The preprocessing that the weights were trained with.
    parameters
        Of the network.
    classes
        Names of the classes, in order of the logits; empty where the head was not trained.
    source
        How they were trained.
    licence
        As far as torchvision tells.
    """

    network: str
    name: str
    url: str
    input: ImageInput
    parameters: int
    classes: tuple[str, ...] = field(repr=False)
    source: str
    licence: str


def network_names() -> list[str]:
    """Names of torchvision's networks that classify images.

    Raises
    ------
    MissingExtraError
        Where torchvision is not installed.
    """
    models = import_torchvision().models
    names: list[str] = models.list_models(module=models)
    return names


def check_name(network: str) -> None:
    """Raise an error with near names where torchvision has no such network.

    Raises
    ------
    ModelError
        There is none.
    MissingExtraError
        Where torchvision is not installed.
    """
    names = network_names()
    if network not in names:
        near = get_close_matches(network.lower().replace("-", ""), names, n=4, cutoff=0.5)
        hint = (
            f"near it: {', '.join(near)}"
            if near
            else f"there are {len(names)}, from {names[0]} to {names[-1]}"
        )
        raise ModelError(f"torchvision has no network {network!r} that classifies images; {hint}")


def image_weights(network: str, name: str = "imagenet") -> ImageWeights:
    """Describe a set of torchvision's weights; nothing is downloaded.

    Parameters
    ----------
    network
        torchvision's name, ``"resnet18"`` for example.
    name
        torchvision's name of the weights, ``"IMAGENET1K_V2"`` for example; ``"imagenet"`` is `IMAGENET`, or
        the default of a network that has none of that name.

    Raises
    ------
    ModelError
        On a network or weights that torchvision has not.
    MissingExtraError
        Where torchvision is not installed.
    """
    check_name(network)
    known = import_torchvision().models.get_model_weights(network)
    if name == "imagenet":
        name = IMAGENET if IMAGENET in known.__members__ else known.DEFAULT.name
    if name not in known.__members__:
        raise ModelError(
            f"{network} has no weights {name!r}; known: imagenet, {', '.join(one.name for one in known)}, "
            f"or a file ({', '.join(SUFFIXES)})"
        )
    found = known[name]
    preset, meta = found.transforms(), found.meta
    how = ImageInput(
        preset.crop_size[0],
        preset.resize_size[0],
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )
    return ImageWeights(
        network,
        found.name,
        found.url,
        how,
        meta["num_params"],
        tuple(meta["categories"] or ()),
        meta["recipe"] or found.url,
        meta.get("license", _LICENCE),
    )


def local_weights(weights: ImageWeights) -> Path | None:
    """File in ``ECGTUNE_DATA/imagenet`` that stands in for torchvision's download, where it is there."""
    folder = data_folder()
    if folder is None or weights.name != IMAGENET:
        return None
    path = folder / "imagenet" / f"{weights.network}.safetensors"
    return path if path.is_file() else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a file; nothing in the file is run.

    Parameters
    ----------
    path
        ``.safetensors``, or ``.pth`` or ``.pt`` of torch, read with ``weights_only=True``.

    Raises
    ------
    ModelError
        Where the file is missing, of another kind, damaged or no state dict.
    """
    if path.suffix not in SUFFIXES:
        raise ModelError(f"{path}: not a file of weights; give one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file of weights; check the path")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Whatever torch and safetensors raise on damaged files; they promise no type.
        raise ModelError(f"{path}: {_why(error)}") from error
    return _state_dict(loaded, str(path))


def download_weights(weights: ImageWeights) -> dict[str, Tensor]:
    """Download weights into torch's own cache (``TORCH_HOME``), or take them from there.

    A file whose SHA-256 does not begin as its name tells is not kept. Progress goes to stderr, on a terminal.

    Raises
    ------
    ModelError
        Where the address cannot be reached, the file cannot be kept or its hash is wrong.
    """
    url = weights.url
    by_hand = "or download it by hand and give its path as weights"
    # Without one, torch checks nothing.
    if not torch.hub.HASH_REGEX.search(Path(urlparse(url).path).name):
        raise ModelError(
            f"{url}: the file's name holds no hash, so it cannot be checked; download it by hand"
        )
    try:
        # torch announces a download on stdout, which belongs to what the command prints.
        with contextlib.redirect_stdout(sys.stderr):
            loaded = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", check_hash=True, weights_only=True, progress=sys.stderr.isatty()
            )
    except (OSError, HTTPException) as error:
        status = getattr(error, "code", None)
        reason = f"the server answers {status}" if status else str(getattr(error, "reason", error))
        raise ModelError(
            f"{weights.network}: {url} cannot be downloaded to {torch.hub.get_dir()} ({reason}); check the "
            f"network, {by_hand}"
        ) from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        if "invalid hash" in str(error):
            raise ModelError(
                f"{weights.network}: {url} arrived with another SHA-256 than its name tells, and was not "
                f"kept; try again, {by_hand}"
            ) from error
        raise ModelError(
            f"{weights.network}: what was downloaded from {url} to {torch.hub.get_dir()} is damaged; "
            "delete it and try again"
        ) from error
    return _state_dict(loaded, url)


def load_weights(network: torch.nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put weights into the network that they belong to.

    Parameters
    ----------
    network
        Changed in place.
    state
        Of the whole network, head included.
    source
        Where it is from, for the error.

    Raises
    ------
    ModelError
        Naming the first weight that is missing, of another shape, or not of this network.
    """
    own = network.state_dict()
    remedy = "these are weights of another network; give those of this one, or the network's own name"
    for name, value in own.items():
        # Files from before torch 0.4.1 do not count batches; nothing here depends on it.
        if name not in state and not name.endswith("num_batches_tracked"):
            raise ModelError(f"{source}: lacks {name}; {remedy}")
        if name in state and state[name].shape != value.shape:
            shapes = f"{tuple(state[name].shape)}, the network's {tuple(value.shape)}"
            raise ModelError(f"{source}: {name} has shape {shapes}; {remedy}")
    for name in state:
        if name not in own:
            raise ModelError(f"{source}: has {name}, which the network has not; {remedy}")
    with torch.no_grad():
        for name, value in own.items():
            if name in state:
                value.copy_(state[name])


_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def _state_dict(loaded: Any, source: str) -> dict[str, Tensor]:
    """Weights by their present names; heads that only training needs are left out."""
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelError(f"{source}: holds no state dict; save `network.state_dict()` and give that file")
    # torchvision's files of DenseNets are from a time when names of layers had dots.
    names = {name: _OLD_DENSENET.sub(r"\1\2", name) for name in loaded}
    return {new: loaded[old] for old, new in names.items() if not new.startswith(_AUXILIARY)}


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, pickle.UnpicklingError):
        return "holds more than weights, or is damaged; save `network.state_dict()` and give that file"
    return f"cannot be read ({type(error).__name__}: {text[:120]}); get the file again"
