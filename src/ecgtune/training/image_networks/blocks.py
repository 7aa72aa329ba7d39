"""Parts of an image network in order, from the image to the head: what can be frozen or tuned one by one."""

from collections.abc import Iterator

from torch import nn

from ecgtune.errors import ModelError

_CONTAINERS = frozenset(("features", "classifier", "trunk_output", "layers", "blocks", "encoder", "heads"))
"""torchvision's names of modules that only hold the blocks, in the order of the data."""

_NORMS = (nn.BatchNorm2d, nn.LayerNorm)


def blocks(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Divide a network into blocks, named as its modules are.

    A block is a layer or a stage that torchvision names: ``layer4`` of a ResNet, ``features.denseblock4`` of
    a DenseNet, a Fire module ``features.12`` of a SqueezeNet. A normalisation belongs to the layer before it,
    weights of the network itself (positions of a vision transformer) to the first. Parts without weights are
    in none.

    Parameters
    ----------
    network
        Any of torchvision's that classify images.

    Returns
    -------
    list
        Name and module of each block; the last is the head. Together they hold every parameter once.
    """
    found: list[tuple[str, list[nn.Module]]] = []
    for name, module in _units("", network):
        if found and isinstance(module, _NORMS):
            found[-1][1].append(module)
        else:
            found.append((name, [module]))
    own = _direct(network)
    if own:
        found[0][1].append(nn.ParameterList(own))
    return [(name, parts[0] if len(parts) == 1 else nn.ModuleList(parts)) for name, parts in found]


def head_of(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Name and module of the layer that gives the logits.

    Raises
    ------
    ModelError
        Where the last layer is none that gives logits.
    """
    name, module = blocks(network)[-1]
    if not isinstance(module, nn.Linear | nn.Conv2d):
        raise ModelError(
            f"the last layer of {type(network).__name__}, {name}, gives no logits; take another network"
        )
    return name, module


def _units(prefix: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if not any(True for _ in child.parameters()):
            continue
        if name in _CONTAINERS and any(True for _ in child.children()):
            yield from _units(f"{prefix}{name}.", child)
        else:
            yield f"{prefix}{name}", child


def _direct(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of the network and of its containers themselves."""
    own = list(network.parameters(recurse=False))
    for name, child in network.named_children():
        if name in _CONTAINERS and any(True for _ in child.children()):
            own += _direct(child)
    return own
