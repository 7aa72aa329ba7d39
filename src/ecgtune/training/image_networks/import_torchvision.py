"""Import of torchvision where its wheel was built for another torch."""

import importlib
from types import ModuleType

from ecgtune.errors import MissingExtraError

_PACKAGES = {"torch": "torch", "torchvision": "torchvision", "PIL": "pillow"}


def import_torchvision() -> ModuleType:
    """Import torchvision, which is there with the extra ``image``.

    Raises
    ------
    MissingExtraError
        Where torchvision, or torch or pillow that it needs, is not installed.
    """
    try:
        return _import_despite_operators()
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        raise MissingExtraError(_PACKAGES[error.name], "image", "an image network") from error


def _import_despite_operators() -> ModuleType:
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
    import torch

    # PyPI's wheel is built for CUDA; beside a torch without CUDA its compiled operators cannot be loaded, and
    # torchvision fails where it describes two of them to torch. Both are for the detection of objects, which
    # networks that classify do without, so it is enough that torch knows their names.
    for operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    return importlib.import_module("torchvision")
