"""Image networks by torchvision's name, with the weights and the head that a task needs."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.training.image_networks.blocks import head_of
from ecgtune.training.image_networks.import_torchvision import import_torchvision
from ecgtune.training.image_networks.weights import (
    SUFFIXES,
    ImageWeights,
    check_name,
    download_weights,
    image_weights,
    load_weights,
    local_weights,
    read_weights,
)


def build_image_network(
    name: str,
    *,
    weights: str | Path | ImageWeights | None = None,
    classes: int | None = None,
    seed: int = 0,
) -> nn.Module:
    """Build one of torchvision's networks that classify images.

    Parameters
    ----------
    name
        torchvision's name, ``"squeezenet1_1"`` for example.
    weights
        None or ``"random"``: torchvision's own random start. ``"imagenet"``: the file
        ``ECGTUNE_DATA/imagenet/NAME.safetensors`` where it is there, else torchvision's download, checked by
        its hash. Also torchvision's name of other weights, or the path of a ``.safetensors``, ``.pth`` or
        ``.pt`` file, whose head may have any number of classes.
    classes
        Puts a new head of so many logits in the place of the head; None keeps it.
    seed
        Of random weights and of the new head.

    Returns
    -------
    Module
        In evaluation mode. Extra heads for training (GoogLeNet, Inception) are left
        out. A SqueezeNet whose head is not that of ImageNet gives logits of both signs (see `replace_head`).

    Raises
    ------
    ModelError
        On an unknown name of a network or of weights, weights of another network, a file that cannot be read
        and a download that fails.
    MissingExtraError
        Where torchvision is not installed.
    """
    check_name(name)
    if classes is not None and classes < 1:
        raise ModelError(f"{name}: a head of {classes} classes asked for; at least 1")
    state, source, size = _state(name, weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _bare(name, size, random=state is None)
        if state is not None:
            _load(network, state, source)
        if classes is not None:
            replace_head(network, classes)
    return network.eval()


def replace_head(network: nn.Module, classes: int) -> None:
    """Put a new last layer in the place of a network's, in place; random from torch's generator.

    Where that layer's output goes through a ReLU before it is averaged (SqueezeNet), the ReLU goes: it would
    keep logits from falling below zero, and where it is zero for all classes nothing is learnt.

    Parameters
    ----------
    network
        Any of torchvision's that classify images.
    classes
        Logits of the new head.
    """
    name, old = head_of(network)
    new: nn.Module
    if isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, classes, 1)
        # As torchvision starts this layer.
        nn.init.normal_(new.weight, std=0.01)
        nn.init.constant_(new.bias, 0)  # type: ignore[arg-type]
    else:
        new = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    path, _, last = name.rpartition(".")
    holder = network.get_submodule(path)
    setattr(holder, last, new)
    names = [key for key, _ in holder.named_children()]
    for key in names[names.index(last) + 1 :]:
        if isinstance(getattr(holder, key), nn.ReLU):
            setattr(holder, key, nn.Identity())


def _state(
    name: str, weights: str | Path | ImageWeights | None
) -> tuple[dict[str, Tensor] | None, str, int | None]:
    """State dict (None: random weights), where it is from, and the side of its images where that is known."""
    if weights is None or weights == "random":
        return None, "", None
    if isinstance(weights, Path) or (isinstance(weights, str) and weights.endswith(SUFFIXES)):
        return read_weights(Path(weights)), str(weights), None
    described = image_weights(name, weights) if isinstance(weights, str) else weights
    size = described.input.size
    path = local_weights(described)
    if path is not None:
        return read_weights(path), str(path), size
    return download_weights(described), described.url, size


def _bare(name: str, size: int | None, *, random: bool) -> nn.Module:
    options: dict[str, object] = {}
    if name in ("googlenet", "inception_v3"):
        # Their weights are from elsewhere, with another mean and deviation, which the network then sees to.
        options = {"aux_logits": False, "init_weights": random, "transform_input": True}
    elif name.startswith("vit_") and size is not None:
        # The only networks with a weight for each place of the image.
        options = {"image_size": size}
    network: nn.Module = import_torchvision().models.get_model(name, weights=None, **options)
    return network


def _load(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load weights whose head may have other classes than ImageNet's."""
    name, head = head_of(network)
    given = state.get(f"{name}.weight")
    if given is not None and given.shape[1:] == head.weight.shape[1:] and len(given) != len(head.weight):
        replace_head(network, len(given))
    load_weights(network, state, source)
