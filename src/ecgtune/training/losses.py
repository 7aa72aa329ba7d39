"""Losses for classes of very different size: focal loss and what published systems make of it.

All of them take logits [n, classes] and labels int64 [n], as `torch.nn.CrossEntropyLoss`, and stay finite,
with their gradients, for logits up to 1e30.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgtune.errors import ModelError

REDUCTIONS = ("mean", "sum", "none")


class FocalLoss(nn.Module):
    """Cross-entropy that counts less the surer the network is: -alpha_t (1 - p_t)^gamma log p_t.

    Lin et al. 2017 (doi:10.1109/ICCV.2017.324), with the softmax in place of the sigmoid and one alpha a
    class in place of alpha and 1 - alpha.

    Parameters
    ----------
    gamma
        Focusing parameter, 0 or more; 0 gives (weighted) cross-entropy.
    alpha
        Weight of each class, 0 or more, [classes]; None weighs all alike.
    reduction
        ``"mean"`` divides by the sum of the beats' alphas, as torch's weighted cross-entropy does (0 where
        that is 0); ``"sum"``; or ``"none"``.

    Raises
    ------
    ModelError
        On a negative gamma, a weight out of range or an unknown reduction; when called, where there are not
        as many weights as classes.
    """

    alpha: Tensor | None

    def __init__(
        self, gamma: float, alpha: Tensor | Sequence[float] | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if not 0 <= gamma < float("inf"):
            raise ModelError(f"focal loss with gamma {gamma:g} asked for; give 0 or more")
        if reduction not in REDUCTIONS:
            raise ModelError(f"unknown reduction {reduction!r}; known: {', '.join(REDUCTIONS)}")
        self.gamma = float(gamma)
        self.reduction = reduction
        self.register_buffer("alpha", _weights(alpha))

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss of logits [n, classes] against labels [n]; [n] without reduction."""
        log_p = functional.log_softmax(logits, dim=1).gather(1, label[:, None])[:, 0]
        loss = -log_p
        if self.gamma > 0:
            # From the logarithm, so that 1 - p keeps its digits near 0; never 0, where a power below 1 has an
            # infinite slope, which times log p = 0 is no number.
            unsure = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
            loss = loss * unsure**self.gamma
        if self.alpha is None:
            return loss if self.reduction == "none" else getattr(loss, self.reduction)()
        if len(self.alpha) != logits.shape[1]:
            raise ModelError(
                f"{len(self.alpha)} class weights for {logits.shape[1]} classes; give one for each"
            )
        weight = self.alpha.to(loss)[label]
        loss = loss * weight
        if self.reduction == "none":
            return loss
        total = loss.sum()
        return (
            total / weight.sum().clamp(min=torch.finfo(loss.dtype).tiny)
            if self.reduction == "mean"
            else total
        )


class TwoFoldFocalLoss(nn.Module):
    """Sum of two focal losses with the same alpha: Ali 2024 (equation 2), which gives no values.

    Parameters
    ----------
    gamma_m, gamma_n
        Focusing parameters of the two. Ours: 1 and 2, a mild one beside the usual one.
    alpha, reduction
        As in `FocalLoss`.
    """

    def __init__(
        self,
        gamma_m: float = 1.0,
        gamma_n: float = 2.0,
        alpha: Tensor | Sequence[float] | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.first = FocalLoss(gamma_m, alpha, reduction)
        self.second = FocalLoss(gamma_n, alpha, reduction)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss of logits [n, classes] against labels [n]; [n] without reduction."""
        loss: Tensor = self.first(logits, label) + self.second(logits, label)
        return loss


class WeightedCrossEntropyFocalLoss(nn.Module):
    """Weighted cross-entropy plus focal loss: the loss of Abdullah's FT-CNN.

    Its abstract names both and gamma = 2, neither the weights nor a share of each: they are added as they
    are, and the weights belong to the cross-entropy alone.

    Parameters
    ----------
    gamma
        Focusing parameter of the focal loss.
    weight
        Weight of each class in the cross-entropy, [classes]; None weighs all alike.
    reduction
        As in `FocalLoss`.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        weight: Tensor | Sequence[float] | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.cross_entropy = FocalLoss(0, weight, reduction)
        self.focal = FocalLoss(gamma, None, reduction)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss of logits [n, classes] against labels [n]; [n] without reduction."""
        loss: Tensor = self.cross_entropy(logits, label) + self.focal(logits, label)
        return loss


def inverse_frequency(counts: Tensor | Sequence[int]) -> Tensor:
    """Class weights that make every class count the same in sum, with mean 1 over the beats.

    Parameters
    ----------
    counts
        Beats of each class on the training side, [classes].

    Returns
    -------
    Tensor
        float32 [classes]: beats / (classes that have any x beats of the class); 0 for a class without
        beats, of which nothing can be learnt.

    Raises
    ------
    ModelError
        Where no class has a beat, or a count is negative.
    """
    beats = torch.as_tensor(counts, dtype=torch.float64)
    if beats.ndim != 1 or not bool((beats >= 0).all()) or not bool((beats > 0).any()):
        raise ModelError(f"class counts {beats.tolist()}; give one for each class, 0 or more, not all 0")
    there = beats > 0
    weights = torch.where(there, beats.sum() / (there.sum() * beats.clamp(min=1)), 0)
    return weights.to(torch.float32)


def _weights(alpha: Tensor | Sequence[float] | None) -> Tensor | None:
    if alpha is None:
        return None
    weights = torch.as_tensor(alpha, dtype=torch.float32).detach().clone()
    fits = weights.ndim == 1 and bool(torch.isfinite(weights).all()) and bool((weights >= 0).all())
    if not fits or not bool((weights > 0).any()):
        raise ModelError(f"class weights {weights.tolist()}; give one for each class, 0 or more, not all 0")
    return weights
