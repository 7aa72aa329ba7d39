"""Networks for images, torchvision's by name: their weights, preprocessing, blocks and features."""

from ecgtune.training.image_networks.blocks import blocks, head_of
from ecgtune.training.image_networks.build import build_image_network, replace_head
from ecgtune.training.image_networks.features import (
    cached_features,
    data_digest,
    image_features,
    weights_digest,
)
from ecgtune.training.image_networks.import_torchvision import import_torchvision
from ecgtune.training.image_networks.preprocessing import (
    FITS,
    ImageInput,
    as_input,
    fit_images,
    read_images,
)
from ecgtune.training.image_networks.weights import ImageWeights, image_weights, network_names, read_weights

__all__ = [
    "FITS",
    "ImageInput",
    "ImageWeights",
    "as_input",
    "blocks",
    "build_image_network",
    "cached_features",
    "data_digest",
    "fit_images",
    "head_of",
    "image_features",
    "image_weights",
    "import_torchvision",
    "network_names",
    "read_images",
    "read_weights",
    "replace_head",
    "weights_digest",
]
