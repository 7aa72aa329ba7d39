"""Features of images: what a layer of a network makes of them, computed once and kept on disk."""

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.files import make_folder, write_together
from ecgtune.training.image_networks.blocks import head_of
from ecgtune.training.image_networks.preprocessing import Bytes, ImageInput, as_input
from ecgtune.training.stacked import use_bfloat16

Floats = NDArray[np.float32]


def image_features(
    network: nn.Module,
    images: Bytes,
    how: ImageInput,
    *,
    layer: str | None = None,
    batch: int = 16,
    bfloat16: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Floats:
    """Run images through a network up to a layer, and average over places.

    Parameters
    ----------
    network
        See `build_image_network`; runs in evaluation mode and is left as it was.
    images
        uint8 [n, height, width, 3].
    how
        The preprocessing that belongs to the weights.
    layer
        Name of any module; its output, where the module runs several times the first. None: what goes into
        the head.
    batch
        Images in one step.
    bfloat16
        Whether products are in bfloat16 where the processor has it (`use_bfloat16`): twice as fast, and right
        to about two digits.
    tell
        Called with a line for every thousand images or so.

    Returns
    -------
    ndarray
        float32 [n, features]. Maps are averaged over height and width, tokens of a transformer over tokens.

    Raises
    ------
    ModelError
        On a layer that the network has not, or that takes no part in its forward pass.
    ValueError
        On images of another kind.
    """
    at, features = 0, np.zeros((0, 0), dtype=np.float32)
    training = [module for module in network.modules() if module.training]
    every = -(-1000 // batch) * batch
    with _Tap(network, layer) as tap:
        network.eval()
        try:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, bfloat16 and use_bfloat16()):
                # At least one step, so that features of no images have their width.
                for at in range(0, max(len(images), 1), batch):
                    rows = images[at : at + batch]
                    shown = rows if len(rows) else np.zeros((1, how.size, how.size, 3), dtype=np.uint8)
                    found = tap(as_input(shown, how))[: len(rows)]
                    if not at:
                        features = np.empty((len(images), found.shape[1]), dtype=np.float32)
                    features[at : at + batch] = found
                    if (at + batch) % every == 0:
                        tell(f"features of {at + len(rows):,} of {len(images):,} images")
        finally:
            for module in training:
                module.training = True
    return features


def cached_features(folder: Path, key: Mapping[str, Any], compute: Callable[[], Floats]) -> Floats:
    """Take features from the folder where the same were computed before, else compute and keep them.

    Parameters
    ----------
    folder
        Gets ``HASH.npy`` and, to tell what it is, ``HASH.json``; written whole or not at all.
    key
        All that the features depend on, of plain types: digests of data and weights (`data_digest`,
        `weights_digest`), images' options, network, layer.
    compute
        Called where the folder does not have them.

    Returns
    -------
    ndarray
        float32 [n, features].

    Raises
    ------
    OutputError
        Where the folder cannot be written to.
    """
    described = json.dumps(key, sort_keys=True, indent=1) + "\n"
    name = hashlib.sha256(described.encode()).hexdigest()[:24]
    table, note = folder / f"{name}.npy", folder / f"{name}.json"
    if table.is_file() and note.is_file() and note.read_text(encoding="utf-8") == described:
        try:
            kept: Floats = np.load(table, allow_pickle=False)
        except (ValueError, EOFError):
            # A file that something else has damaged is as good as none.
            pass
        else:
            return kept
    features = np.ascontiguousarray(compute(), dtype=np.float32)
    content = io.BytesIO()
    np.save(content, features, allow_pickle=False)
    make_folder(folder)
    write_together({table: content.getvalue(), note: described})
    return features


def data_digest(*arrays: NDArray[Any]) -> str:
    """Digest of arrays: types, shapes and values; for the key of `cached_features`."""
    made = hashlib.blake2b(digest_size=16)
    for array in arrays:
        made.update(f"{array.dtype.str}{array.shape}".encode())
        made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()


def weights_digest(network: nn.Module) -> str:
    """Digest of a network's weights: names, shapes and values; for the key of `cached_features`."""
    made = hashlib.blake2b(digest_size=16)
    for name, value in network.state_dict().items():
        made.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        made.update(value.detach().contiguous().numpy().tobytes())
    return made.hexdigest()


class _EnoughError(Exception):
    """Ends a forward pass behind the layer that was asked for."""


class _Tap:
    """Takes the output of a layer, or the input of the head, while it is entered."""

    def __init__(self, network: nn.Module, layer: str | None) -> None:
        self._network = network
        self._layer = layer
        self._taken: Tensor | None = None
        modules = dict(network.named_modules())
        if layer is not None and (not layer or layer not in modules):
            known = ", ".join(name for name, _ in network.named_children())
            raise ModelError(
                f"{type(network).__name__} has no layer {layer!r}; name any of its modules, inside of {known}"
            )
        if layer is None:
            self._hook = head_of(network)[1].register_forward_pre_hook(self._before)
        else:
            self._hook = modules[layer].register_forward_hook(self._behind)

    def __enter__(self) -> "_Tap":
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def __call__(self, images: Tensor) -> Floats:
        self._taken = None
        # What lies behind the layer costs time and changes nothing: a quarter of a SqueezeNet is its head.
        with contextlib.suppress(_EnoughError):
            self._network(images)
        pooled: Floats = self._pool(self._found()).float().numpy()
        return pooled

    def _found(self) -> Tensor:
        if self._taken is None:
            name = type(self._network).__name__
            raise ModelError(f"{name} does not run its layer {self._layer} as a module; take another")
        return self._taken

    def _before(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._taken = inputs[0]
        raise _EnoughError

    def _behind(self, _: nn.Module, __: object, output: Any) -> None:
        # Attention gives its weights too.
        self._taken = output[0] if isinstance(output, tuple) else output
        raise _EnoughError

    def _pool(self, values: Tensor) -> Tensor:
        """Average of [n, channels, height, width] or [n, tokens, channels]."""
        if values.ndim < 3:
            return values
        # Swin transformers keep channels last, up to where they leave them out for pooling.
        swin = type(self._network).__name__ == "SwinTransformer" and values.shape[2:] != (1, 1)
        last = values.ndim == 3 or (swin and self._layer not in ("permute", "avgpool"))
        return values.float().flatten(1, -2).mean(1) if last else values.float().flatten(2).mean(2)
