"""Options of a training of windows, and the losses that they name."""

import pytest
import torch
from torch.nn import functional

from ecgtune.errors import ModelError
from ecgtune.training.losses import FocalLoss, TwoFoldFocalLoss, WeightedCrossEntropyFocalLoss
from ecgtune.training.small_classes import SmallClasses
from ecgtune.training.window_options import LOSSES, WindowOptions, make_loss, make_options

COUNTS = torch.tensor([60, 30, 10])
INVERSE = torch.tensor([100 / 180, 100 / 90, 100 / 30])


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"loss": "weighted"}, FocalLoss(0, INVERSE)),
        ({"loss": "weighted", "alpha": (1.0, 2.0, 3.0)}, FocalLoss(0, [1, 2, 3])),
        ({"loss": "weighted", "alpha_power": 0.5}, FocalLoss(0, INVERSE.sqrt())),
        ({"loss": "focal", "gamma": 3.0}, FocalLoss(3, INVERSE)),
        ({"loss": "focal", "alpha": "none"}, FocalLoss(2)),
        ({"loss": "two-fold-focal"}, TwoFoldFocalLoss(1, 2, INVERSE)),
        ({"loss": "two-fold-focal", "gamma_m": 0.0, "gamma_n": 5.0}, TwoFoldFocalLoss(0, 5, INVERSE)),
        ({"loss": "weighted+focal"}, WeightedCrossEntropyFocalLoss(2, INVERSE)),
        ({"loss": "weighted+focal", "gamma": 1.0}, WeightedCrossEntropyFocalLoss(1, INVERSE)),
    ],
)
def test_options_name_a_loss(options, expected):
    made = make_loss(WindowOptions(**options), COUNTS)
    torch.testing.assert_close(made(*batch()), expected(*batch()))


def test_plain_cross_entropy_is_torchs_whatever_alpha_says():
    made = make_loss(WindowOptions(alpha=(1.0, 2.0, 3.0)), COUNTS)
    torch.testing.assert_close(made(*batch()), functional.cross_entropy(*batch()))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_class_without_beats_weighs_nothing_and_the_loss_stays_finite(loss, power):
    made = make_loss(WindowOptions(loss=loss, alpha_power=power), torch.tensor([60, 30, 0]))
    assert torch.isfinite(made(*batch()))
    if loss in ("weighted", "focal", "two-fold-focal"):
        logits = batch()[0].requires_grad_()
        made(logits, batch()[1]).backward()
        assert logits.grad is not None
        assert (logits.grad[2::3] == 0).all()


def test_options_come_from_plain_types():
    made = make_options(
        {
            "epochs": 3,
            "lr": 1,
            "alpha": [1, 2, 3],
            "score_classes": ["N", "S"],
            "augmentation": {"targets": [0, 10, 20], "anchor": 0.0},
        }
    )
    assert made == WindowOptions(
        epochs=3,
        lr=1,
        alpha=(1, 2, 3),
        score_classes=("N", "S"),
        augmentation=SmallClasses(targets=(0, 10, 20), anchor=0.0),
    )
    assert make_options({}) == WindowOptions()
    assert make_options({"augmentation": SmallClasses((1,))}).augmentation == SmallClasses((1,))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": 3}, "unknown option 'epoch'; known: epochs, batch, lr"),
        (
            {"augmentation": {"targets": [1], "warp": 1}},
            "unknown option of augmentation 'warp'; known: targets",
        ),
        ({"augmentation": 3}, "augmentation 3; write it as a table"),
        ({"augmentation": {}}, "augmentation needs targets, one for each class"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; known: cross-entropy, weighted, focal, two-fold-focal"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; known: adam, adamw"),
        ({"schedule": "step"}, "unknown schedule 'step'; known: none, cosine"),
        ({"keep": "best"}, "unknown keep 'best'; known: loss, macro-f1, last"),
        ({"alpha": "equal"}, "unknown alpha 'equal'; known: inverse, none"),
        ({"alpha": 0.25}, "unknown alpha 0.25; known: inverse, none"),
        ({"loss": "weighted", "alpha": "none"}, "loss weighted with alpha none asked for; give inverse"),
        ({"gamma": -1}, "gamma -1 asked for; give 0 or more"),
        ({"gamma_m": -0.5}, "gamma_m -0.5 asked for; give 0 or more"),
        ({"gamma_n": float("inf")}, "gamma_n inf asked for; give 0 or more"),
        ({"gamma": float("nan")}, "gamma nan asked for; give 0 or more"),
        ({"gamma": "2"}, "gamma '2' asked for; give 0 or more"),
        ({"alpha_power": 1.5}, "alpha_power 1.5 asked for; give 0 to 1"),
        ({"weight_decay": -1}, "weight_decay -1 asked for; give 0 or more"),
        ({"lr": 0}, "lr 0 asked for; give more than 0"),
        ({"epochs": 0}, "epochs 0 asked for; give a whole number, 1 or more"),
        ({"epochs": 2.5}, "epochs 2.5 asked for; give a whole number"),
        ({"batch": 0}, "batch 0 asked for; give a whole number"),
        ({"patience": 0}, "patience 0 asked for; give a whole number, 1 or more, or None"),
        ({"seed": True}, "seed True asked for; give a whole number"),
        ({"augmentation": {"targets": [-1]}}, "augmentation to -1 windows asked for; give 0 or more"),
        ({"augmentation": {"targets": [1], "stretch": 0.6}}, "with stretch 0.6 asked for; give 0 to 0.5"),
        ({"augmentation": {"targets": [1], "noise": -1}}, "with noise -1 asked for; give 0 to inf"),
        ({"augmentation": {"targets": [1], "anchor": 2}}, "with anchor 2 asked for; give 0 to 1"),
        ({"augmentation": {"targets": [1], "amplitude": 1}}, "with amplitude 1 asked for; give 0 to 0.9"),
    ],
)
def test_an_option_that_is_unknown_or_out_of_range_is_told_in_one_line(given, said):
    with pytest.raises(ModelError, match=said) as told:
        make_options(given)
    assert "\n" not in str(told.value)
