"""Published systems, each in one readable module with a TOML of its parameters and the paper's figures."""

from collections.abc import Callable
from importlib import import_module

from ecgtune.errors import ModelError
from ecgtune.evaluation.results import Result

SYSTEMS = {
    "patient-transfer": "ecgtune.systems.patient_transfer_study",
    "two-fold-focal": "ecgtune.systems.two_fold_focal",
    "ft-cnn": "ecgtune.systems.ft_cnn",
    "spectrogram-features": "ecgtune.systems.spectrogram_features",
    "ecg-image-resnet": "ecgtune.systems.ecg_image_resnet",
}
"""Names of the systems, and the modules whose ``reproduce`` runs them."""

TRAINABLE = ("ft-cnn", "two-fold-focal")
"""Systems whose networks of windows can be trained by themselves: `ecgtune.systems.beat_training`."""


def reproducer(name: str) -> Callable[..., Result]:
    """Find what runs a system.

    Raises
    ------
    ModelError
        On an unknown name.
    """
    if name not in SYSTEMS:
        raise ModelError(f"no system {name!r}; there are {', '.join(SYSTEMS)}")
    run: Callable[..., Result] = import_module(SYSTEMS[name]).reproduce
    return run


__all__ = ["SYSTEMS", "TRAINABLE", "reproducer"]
