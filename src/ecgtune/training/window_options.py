"""How a network of windows is trained: options, and the loss that they name."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.training.estimator import constant, cosine
from ecgtune.training.losses import (
    FocalLoss,
    TwoFoldFocalLoss,
    WeightedCrossEntropyFocalLoss,
    inverse_frequency,
)
from ecgtune.training.small_classes import SmallClasses

LOSSES = ("cross-entropy", "weighted", "focal", "two-fold-focal", "weighted+focal")
OPTIMIZERS = ("adam", "adamw")
SCHEDULES: dict[str, Callable[[int, int], float]] = {"none": constant, "cosine": cosine}
ALPHAS = ("inverse", "none")
KEPT = ("loss", "macro-f1", "last")


@dataclass(frozen=True)
class WindowOptions:
    """How a network of windows is trained.

    Parameters
    ----------
    epochs
        Passes over the training side, at most.
    batch
        Windows in a batch; all batches of an epoch are of nearly this size.
    lr
        The largest learning rate.
    optimizer
        ``"adam"``, whose ``weight_decay`` is an L2 penalty of half that, or ``"adamw"``, whose is not.
    weight_decay
        Of weights; biases and batch normalisation keep to themselves.
    schedule
        ``"none"``, or ``"cosine"``: the rate falls to 0 over the epochs.
    loss
        ``"cross-entropy"``; ``"weighted"`` cross-entropy; ``"focal"``; ``"two-fold-focal"``; or
        ``"weighted+focal"``, weighted cross-entropy and focal loss (`ecgtune.training.losses`).
    gamma
        Of the focal loss, 0 or more.
    gamma_m, gamma_n
        Of the two-fold focal loss, 0 or more.
    alpha
        Weights of the classes in every loss but plain cross-entropy (of ``"weighted+focal"`` in the first
        part): ``"inverse"`` frequency, ``"none"``, or one number for each class.
    alpha_power
        Power of the inverse frequencies, 0 to 1: 1 makes all classes count the same in sum.
    augmentation
        See `SmallClasses`; inverse frequencies are those that it leaves.
    patience
        Epochs without a better score after which training stops; None: never.
    keep
        Whose epoch's weights are kept: the least validation ``"loss"``, the largest validation
        ``"macro-f1"``, or the ``"last"``, which needs no validation side.
    score_classes
        Classes that the macro-F1 is over; none named, all.
    may_lack
        Classes that the training side may be without, as a patient's own beats are.
    bfloat16
        Whether convolutions and products are in bfloat16 where the processor has it (`use_bfloat16`), in
        training and validation.
    seed
        Of weights, order, dropout and augmentation.

    Raises
    ------
    ModelError
        On a value that is out of range or unknown.
    """

    epochs: int = 25
    batch: int = 128
    lr: float = 0.001
    optimizer: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "none"
    loss: str = "cross-entropy"
    gamma: float = 2.0
    gamma_m: float = 1.0
    gamma_n: float = 2.0
    alpha: str | tuple[float, ...] = "inverse"
    alpha_power: float = 1.0
    augmentation: SmallClasses | None = None
    patience: int | None = None
    keep: str = "loss"
    score_classes: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        _among("optimizer", self.optimizer, OPTIMIZERS)
        _among("schedule", self.schedule, SCHEDULES)
        _among("loss", self.loss, LOSSES)
        _among("keep", self.keep, KEPT)
        if not isinstance(self.alpha, tuple):
            _among("alpha", self.alpha, ALPHAS)
        for name in ("gamma", "gamma_m", "gamma_n", "weight_decay"):
            _number(name, getattr(self, name), "0 or more", 0)
        _number("alpha_power", self.alpha_power, "0 to 1", 0, 1)
        _number("lr", self.lr, "more than 0", sys.float_info.min)
        for name in ("epochs", "batch"):
            _number(name, getattr(self, name), "a whole number, 1 or more", 1, whole=True)
        _number("seed", self.seed, "a whole number, 0 or more", 0, whole=True)
        if self.patience is not None:
            _number("patience", self.patience, "a whole number, 1 or more, or None", 1, whole=True)
        if self.loss == "weighted" and self.alpha == "none":
            raise ModelError("loss weighted with alpha none asked for; give inverse, or take cross-entropy")


def make_options(given: Mapping[str, Any]) -> WindowOptions:
    """Options from plain types, as TOML gives them; ``augmentation`` is a table of its own.

    Raises
    ------
    ModelError
        On an option that nobody reads, or a value that is out of range or unknown.
    """
    made = _known(WindowOptions, "option", given)
    small = made.get("augmentation")
    if small is not None and not isinstance(small, SmallClasses):
        if not isinstance(small, Mapping):
            raise ModelError(f"augmentation {small!r}; write it as a table")
        if "targets" not in small:
            raise ModelError("augmentation needs targets, one for each class")
        made["augmentation"] = SmallClasses(**_known(SmallClasses, "option of augmentation", small))
    return WindowOptions(**made)


def make_loss(options: WindowOptions, counts: Tensor | Sequence[int]) -> nn.Module:
    """Build the loss that the options name.

    Parameters
    ----------
    options
        See `WindowOptions`.
    counts
        Beats of each class that an epoch shows, [classes].

    Raises
    ------
    ModelError
        Where alpha has not one weight, 0 or more, for each class.
    """
    alpha = _class_weights(options, counts)
    if options.loss == "two-fold-focal":
        return TwoFoldFocalLoss(options.gamma_m, options.gamma_n, alpha)
    if options.loss == "weighted+focal":
        return WeightedCrossEntropyFocalLoss(options.gamma, alpha)
    if options.loss == "focal":
        return FocalLoss(options.gamma, alpha)
    return FocalLoss(0, None if options.loss == "cross-entropy" else alpha)


def _class_weights(options: WindowOptions, counts: Tensor | Sequence[int]) -> Tensor | Sequence[float] | None:
    if options.alpha == "none":
        return None
    if isinstance(options.alpha, str):
        weights = inverse_frequency(counts)
        return weights.pow(options.alpha_power) * (weights > 0)
    if len(options.alpha) != len(counts):
        raise ModelError(
            f"alpha has {len(options.alpha)} weights for {len(counts)} classes; give one for each"
        )
    return options.alpha


def _known(kind: type, what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse what the class does not take; lists become tuples."""
    names = [field.name for field in fields(kind)]
    if unknown := [name for name in given if name not in names]:
        raise ModelError(f"unknown {what} {unknown[0]!r}; known: {', '.join(names)}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _among(name: str, value: object, known: Sequence[str] | Mapping[str, Any]) -> None:
    if value not in list(known):
        raise ModelError(f"unknown {name} {value!r}; known: {', '.join(known)}")


def _number(
    name: str,
    value: object,
    wanted: str,
    least: float,
    most: float = sys.float_info.max,
    *,
    whole: bool = False,
) -> None:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise ModelError(f"{name} {value!r} asked for; give {wanted}")
