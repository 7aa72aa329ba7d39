"""Focal losses against torch's cross-entropy, values by hand and finite differences."""

from collections.abc import Callable
from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgtune.errors import ModelError
from ecgtune.training.losses import (
    FocalLoss,
    TwoFoldFocalLoss,
    WeightedCrossEntropyFocalLoss,
    inverse_frequency,
)

ALPHA = [0.2, 1.0, 3.0, 0.0, 0.7]

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross-entropy": lambda: FocalLoss(0),
    "half": lambda: FocalLoss(0.5),
    "weighted half": lambda: FocalLoss(0.5, ALPHA),
    "focal": lambda: FocalLoss(2),
    "weighted": lambda: FocalLoss(2, ALPHA),
    "two-fold": lambda: TwoFoldFocalLoss(alpha=ALPHA),
    "with cross-entropy": lambda: WeightedCrossEntropyFocalLoss(weight=ALPHA),
}

every_loss = pytest.mark.parametrize("name", LOSSES)


def batch(n: int = 12, classes: int = 5, spread: float = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    return logits, torch.arange(n) % classes


def logits_of(p: list[list[float]]) -> Tensor:
    return torch.tensor(p, dtype=torch.float64).log() + 5


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_gamma_zero_is_the_cross_entropy_of_torch(reduction: str, alpha: list[float] | None) -> None:
    logits, label = batch()
    weight = None if alpha is None else torch.tensor(alpha, dtype=torch.float64)
    expected = functional.cross_entropy(logits, label, weight=weight, reduction=reduction)
    torch.testing.assert_close(FocalLoss(0, alpha, reduction)(logits, label), expected, rtol=1e-6, atol=0)


def test_values_by_hand() -> None:
    # The true classes' probabilities are 1/2, 1/4 and 9/10.
    logits = logits_of([[0.5, 0.5], [0.75, 0.25], [0.9, 0.1]])
    label = torch.tensor([0, 1, 0])
    plain = [log(2) / 4, log(4) * 9 / 16, -log(0.9) / 100]
    assert FocalLoss(2, reduction="none")(logits, label).tolist() == pytest.approx(plain)
    assert FocalLoss(2)(logits, label).item() == pytest.approx(sum(plain) / 3)
    assert FocalLoss(2, reduction="sum")(logits, label).item() == pytest.approx(sum(plain))

    weighted = [1 * plain[0], 4 * plain[1], 1 * plain[2]]
    assert FocalLoss(2, [1, 4], "none")(logits, label).tolist() == pytest.approx(weighted)
    assert FocalLoss(2, [1, 4])(logits, label).item() == pytest.approx(sum(weighted) / 6)
    assert FocalLoss(2, [1, 4], "sum")(logits, label).item() == pytest.approx(sum(weighted))

    once = [log(2) / 2, log(4) * 3 / 4, -log(0.9) / 10]
    both = [a + b for a, b in zip(once, plain, strict=True)]
    assert TwoFoldFocalLoss(reduction="none")(logits, label).tolist() == pytest.approx(both)
    assert TwoFoldFocalLoss(1, 2, [1, 4])(logits, label).item() == pytest.approx(
        (both[0] + 4 * both[1] + both[2]) / 6
    )
    with_entropy = (log(2) + 4 * log(4) - log(0.9)) / 6 + sum(plain) / 3
    assert WeightedCrossEntropyFocalLoss(weight=[1, 4])(logits, label).item() == pytest.approx(with_entropy)


@every_loss
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_gradients_agree_with_finite_differences(name: str, spread: float) -> None:
    logits, label = batch(spread=spread)
    loss = LOSSES[name]()
    assert torch.autograd.gradcheck(lambda x: loss(x, label), logits.requires_grad_())


@every_loss
@pytest.mark.parametrize("size", [0.0, 1e-8, 20.0, 1e4, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_logits_give_finite_losses_and_gradients(name: str, size: float, dtype: torch.dtype) -> None:
    rows = torch.cat([torch.eye(5), -torch.eye(5), torch.ones(1, 5)])
    logits = (size * rows.repeat_interleave(5, 0)).to(dtype).requires_grad_()
    loss = LOSSES[name]()(logits, torch.arange(5).repeat(11))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss >= 0
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_beat_that_is_wrong_for_sure_still_pulls(gamma: float) -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = FocalLoss(gamma)(logits, torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert logits.grad is not None
    assert logits.grad.tolist() == [[1, -1]]


def test_sure_beats_count_less_the_higher_gamma_is() -> None:
    logits = logits_of([[0.95, 0.05], [0.4, 0.6]])
    label = torch.tensor([0, 0])
    shares = []
    for gamma in (0, 1, 2, 5):
        sure, unsure = FocalLoss(gamma, reduction="none")(logits, label).tolist()
        shares.append(sure / unsure)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(log(0.95) / log(0.4))
    assert shares[2] == pytest.approx(shares[0] * (0.05 / 0.6) ** 2)


def test_a_batch_of_beats_without_weight_loses_nothing() -> None:
    logits, _ = batch(3)
    logits.requires_grad_()
    loss = FocalLoss(2, ALPHA)(logits, torch.tensor([3, 3, 3]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_network_learns_by_it() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 4, generator=generator)
    label = (x[:, 0] > 1).long()
    layer = nn.Linear(4, 2)
    loss = TwoFoldFocalLoss(alpha=inverse_frequency(torch.bincount(label)))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    before = loss(layer(x), label).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss(layer(x), label).backward()
        optimiser.step()
    assert loss(layer(x), label).item() < before / 5


def test_weights_travel_with_the_module_and_are_its_own() -> None:
    alpha = torch.tensor([1.0, 2.0])
    loss = FocalLoss(2, alpha)
    alpha[0] = 9
    assert loss.alpha is not None
    assert loss.alpha.tolist() == [1, 2]
    assert list(loss.state_dict()) == ["alpha"]
    assert not list(loss.parameters())
    assert loss.double().alpha.dtype == torch.float64  # type: ignore[union-attr]


def test_inverse_frequencies_make_all_classes_weigh_the_same() -> None:
    counts = torch.tensor([900, 30, 60, 0, 10])
    weights = inverse_frequency(counts)
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx([1000 / 3600, 1000 / 120, 1000 / 240, 0, 25])
    torch.testing.assert_close(weights * counts, torch.tensor([250.0, 250, 250, 0, 250]))
    assert inverse_frequency([5, 5, 5]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("gamma", [-1.0, -1e-9, float("nan"), float("inf")])
def test_a_gamma_out_of_range_is_refused(gamma: float) -> None:
    for make in (FocalLoss, TwoFoldFocalLoss, WeightedCrossEntropyFocalLoss):
        with pytest.raises(ModelError, match=r"^focal loss with gamma .* asked for; give 0 or more$"):
            make(gamma)
    with pytest.raises(ModelError, match="gamma"):
        TwoFoldFocalLoss(1, gamma)


@pytest.mark.parametrize(
    "alpha", [[1.0, -0.1], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], 0.25, []]
)
def test_weights_out_of_range_are_refused(alpha: list[float]) -> None:
    with pytest.raises(
        ModelError, match=r"^class weights .*; give one for each class, 0 or more, not all 0$"
    ):
        FocalLoss(2, alpha)


def test_as_many_weights_as_classes_are_wanted() -> None:
    logits, label = batch()
    for weights in ([1.0, 2.0], [1.0] * 6):
        with pytest.raises(
            ModelError, match=rf"^{len(weights)} class weights for 5 classes; give one for each$"
        ):
            TwoFoldFocalLoss(alpha=weights)(logits, label)


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(ModelError, match="unknown reduction 'median'; known: mean, sum, none"):
        FocalLoss(2, reduction="median")


@pytest.mark.parametrize("counts", [[], [0, 0], [3, -1]])
def test_counts_that_give_no_weights_are_refused(counts: list[int]) -> None:
    with pytest.raises(ModelError, match=r"^class counts .*; give one for each class"):
        inverse_frequency(counts)
