"""Ways to describe spectrograms: layers of image networks, and grey levels without a network."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgtune.errors import ModelError
from ecgtune.images import SpectrogramOptions, layered_spectrograms, spectrograms
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.training.image_networks import (
    ImageInput,
    build_image_network,
    cached_features,
    data_digest,
    image_features,
    image_weights,
    import_torchvision,
    weights_digest,
)
from ecgtune.training.workers import run_all

Tell = Callable[[str], None]
Floats = NDArray[np.float32]

_IMAGES_TOGETHER = 256


@dataclass(frozen=True)
class Method:
    """A way to describe spectrograms.

    Parameters
    ----------
    name
        Of the TOML.
    image
        How spectrograms are drawn.
    network, how, layer
        What describes them, its preprocessing, and the layer whose output is taken; without a network, the
        image's levels are taken as they are.
    components
        Principal components of the features, found on the training side; 0: the features themselves.
    windows_s
        Where given, red, green and blue are spectrograms through windows of these lengths in s.
    """

    name: str
    image: SpectrogramOptions
    network: nn.Module | None = None
    how: ImageInput | None = None
    layer: str | None = None
    components: int = 0
    windows_s: tuple[float, float, float] | None = None


def make_method(how: Mapping[str, Any], name: str) -> Method:
    """Build what describes spectrograms, and see that it has the layer.

    Raises
    ------
    ModelError
        On a network, a layer or weights that do not exist, on weights of another network, and on options of
        the image that make no sense.
    """
    given, drawn = how["methods"][name], how["image"]
    low, high = how["segments"]["band_hz"]
    try:
        options = SpectrogramOptions(
            drawn["size"], low, high, drawn["window_s"], drawn["range_db"], None, drawn["colours"]
        )
    except ValueError as error:
        raise ModelError(f"image: {error}") from error
    if "network" not in given:
        image = replace(options, size=given["size"], colours="grey")
        return Method(name, image, components=given.get("components", 0))
    network = build_image_network(given["network"], weights=given["weights"], seed=given.get("seed", 0))
    named = given["weights"] != "random" and "." not in given["weights"]
    own = image_weights(given["network"], given["weights"] if named else "imagenet").input
    method = Method(
        name,
        options,
        network,
        own.of_size(options.size),
        given.get("layer") or None,
        given.get("components", 0),
        _windows(given.get("windows_s")),
    )
    _describe(method, np.zeros((0, options.size, options.size, 3), dtype=np.uint8))
    return method


def features_of(method: Method, signal: Floats, folder: Path, jobs: int, tell: Tell) -> Floats:
    """Describe segments by a method: float32 [n, features]; taken from the folder where it was done before.

    Parameters
    ----------
    method
        See `Method`.
    signal
        mV at 128 Hz, [n, samples].
    folder
        Of kept features.
    jobs
        Processes.
    tell
        Called with lines of progress.
    """
    key: dict[str, Any] = {"segments": data_digest(signal), "image": asdict(method.image)}
    if method.windows_s is not None:
        key["windows_s"] = list(method.windows_s)
    if method.network is not None and method.how is not None:
        key |= {
            "network": type(method.network).__name__,
            "weights": weights_digest(method.network),
            "layer": method.layer or "",
            "input": {name: _plain(value) for name, value in asdict(method.how).items()},
        }
    return cached_features(folder, key, lambda: _all_features(method, signal, jobs, tell))


def _all_features(method: Method, signal: Floats, jobs: int, tell: Tell) -> Floats:
    parts = [signal[at : at + _IMAGES_TOGETHER] for at in range(0, len(signal), _IMAGES_TOGETHER)]
    found: dict[int, Floats] = {}
    for place, part in run_all(_features_of_part, pickle.dumps(method), parts, jobs):
        found[place] = part
        tell(f"{method.name}: {len(found)} of {len(parts)} parts of {len(signal):,} images")
    return np.concatenate([found[place] for place in range(len(parts))])


def _features_of_part(packed: bytes, signal: Floats) -> Floats:
    """Draw and describe; a thousand images at a time would be 150 MB."""
    method = _unpacked(packed)
    if method.windows_s is not None:
        return _describe(method, layered_spectrograms(signal, WORKING_RATE, method.image, method.windows_s))
    return _describe(method, spectrograms(signal, WORKING_RATE, method.image))


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Method:
    """Unpack what `_all_features` has packed."""
    # A process that unpacks a network of torchvision imports it as it is, which fails beside some torches.
    import_torchvision()
    method: Method = pickle.loads(packed)
    return method


def _describe(method: Method, images: NDArray[np.uint8]) -> Floats:
    if method.network is None or method.how is None:
        return images[..., 0].reshape(len(images), -1).astype(np.float32)
    return image_features(method.network, images, method.how, layer=method.layer)


def _windows(given: list[float] | None) -> tuple[float, float, float] | None:
    """Read the lengths of three windows."""
    if given is None:
        return None
    if len(given) != 3 or not all(length > 0 for length in given):
        raise ModelError(
            f"image: windows_s is {given}; give the lengths of three windows in s, or leave it out"
        )
    red, green, blue = given
    return red, green, blue


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
