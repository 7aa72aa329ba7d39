"""What every network of windows keeps to; a network without a row in `BUILT` fails the suite."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.training.networks.windows import FTCNN, WINDOW_NETWORKS, TwoFoldFocalNet, build_window_network
from ecgtune.training.networks.windows.ft_cnn import wave_kernels
from ecgtune.training.networks.windows.parts import MOST_STEPS, Dropout, StridedStem

pytestmark = pytest.mark.usefixtures("one_thread")

CONVOLUTIONAL = {"ft-cnn", "two-fold-focal", "cnn", "resnet"}


@dataclass(frozen=True)
class Built:
    """Arguments of a network, and its exact number of parameters."""

    parameters: int
    arguments: dict[str, Any] = field(default_factory=dict)
    channels: int = 1
    width: int = 128
    classes: int = 5


BUILT: dict[str, list[Built]] = {
    "ft-cnn": [
        Built(275_493),
        Built(291_237, {"kernel_adaptation": False}),
        Built(275_045, {"batch_norm": False}),
        Built(275_493, {"dropout": 0.0}),
        Built(787_074, {"rate": 360.0}, channels=2, width=360, classes=2),
    ],
    "two-fold-focal": [
        Built(391_589, width=187),
        Built(348_133, {"pairs": 3}, width=187),
        Built(383_362, channels=2, width=64, classes=2),
    ],
    "ann": [Built(231_813), Built(571, {"hidden": [8]}, channels=2, width=33, classes=3)],
    "cnn": [Built(183_045), Built(4_399, {"filters": [4]}, channels=2, width=33, classes=3)],
    "resnet": [Built(392_229), Built(635, {"filters": [4, 6], "blocks": 1}, channels=2, width=33)],
    "lstm": [Built(125_125), Built(1_310, {"layers": 1, "hidden": 5}, channels=2, width=187, classes=3)],
    "gru": [Built(94_021), Built(1_115, {"layers": 1, "hidden": 5}, channels=2, width=187, classes=3)],
    "bilstm": [Built(150_373), Built(2_105, {"layers": 1, "hidden": 5}, channels=2, width=187, classes=3)],
    "cnn-lstm": [Built(184_549), Built(55_198, {"hidden": 5}, channels=2, width=360, classes=3)],
    "transformer": [
        Built(229_157),
        Built(4_133, {"size": 8, "heads": 2, "layers": 1}, channels=2, width=187),
    ],
}

CASES = [pytest.param(name, built, id=f"{name}-{i}") for name in BUILT for i, built in enumerate(BUILT[name])]

every_network = pytest.mark.parametrize(("name", "built"), CASES)


def build(name: str, built: Built) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_window_network(
        name, channels=built.channels, width=built.width, classes=built.classes, **built.arguments
    )


def windows(built: Built, n: int) -> torch.Tensor:
    return torch.randn(n, built.channels, built.width, generator=torch.Generator().manual_seed(1))


def test_every_network_is_under_contract():
    assert BUILT.keys() == WINDOW_NETWORKS.keys()


@every_network
def test_the_number_of_parameters_is_exact(name, built):
    assert sum(p.numel() for p in build(name, built).parameters()) == built.parameters


@pytest.mark.parametrize("name", WINDOW_NETWORKS)
def test_the_default_is_neither_large_nor_tiny(name):
    assert 50_000 <= BUILT[name][0].parameters <= 400_000


@every_network
@pytest.mark.parametrize("n", [1, 7])
def test_there_is_a_logit_for_every_class(name, built, n):
    logits = build(name, built).eval()(windows(built, n))
    assert logits.shape == (n, built.classes)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@every_network
def test_evaluation_is_deterministic_and_does_not_depend_on_the_batch(name, built):
    network = build(name, built).eval()
    inputs = windows(built, 4)
    with torch.no_grad():
        together = network(inputs)
        assert torch.equal(together, network(inputs))
        alone = torch.cat([network(one[None]) for one in inputs])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


@every_network
def test_training_draws_from_torchs_seed(name, built):
    network = build(name, built).train()
    inputs = windows(built, 4)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return network(inputs)

    assert torch.equal(draw(1), draw(1))
    if built.arguments.get("dropout") != 0:
        assert not torch.equal(draw(1), draw(2))


@every_network
def test_gradient_flows_into_every_parameter(name, built):
    network = build(name, built).train()
    network(windows(built, 16)).square().sum().backward()
    without = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@every_network
def test_every_sample_reaches_the_logits_but_those_that_poolings_leave_over(name, built):
    network = build(name, built).eval()
    inputs = windows(built, 8).requires_grad_()
    network(inputs).square().sum().backward()
    assert inputs.grad is not None
    reached = inputs.grad.abs().sum((0, 1)) > 0
    poolings = {"two-fold-focal": 64 if built.arguments.get("pairs") != 3 else 8}.get(name, 8)
    assert reached[: built.width // poolings * poolings].all()


@every_network
def test_weights_come_back_through_a_state_dict(name, built):
    one, other = build(name, built).eval(), build(name, built)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    other.load_state_dict(one.state_dict())
    inputs = windows(built, 2)
    assert torch.equal(one(inputs), other.eval()(inputs))


@every_network
def test_logits_in_bfloat16_are_near_those_in_float32(name, built):
    network = build(name, built).eval()
    inputs = windows(built, 8)
    with torch.no_grad():
        exact = network(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            near = network(inputs).float()
    assert (exact - near).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("name", sorted(CONVOLUTIONAL))
def test_convolutional_networks_have_features_over_time_and_a_head(name):
    built = BUILT[name][0]
    network = build(name, built).eval()
    features = network.features(windows(built, 3))
    assert features.ndim == 3
    assert 1 < features.shape[2] < built.width
    torch.testing.assert_close(network.head(features), network(windows(built, 3)))


def test_the_two_fold_network_halves_187_samples_six_times():
    network = TwoFoldFocalNet(1, 187, 5).eval()
    hidden, widths = torch.randn(1, 1, 187), []
    for layer in network.features:
        hidden = layer(hidden)
        if isinstance(layer, torch.nn.MaxPool1d):
            widths.append(hidden.shape[2])
    assert widths == [93, 46, 23, 11, 5, 2]
    convolutions = [m for m in network.features if isinstance(m, torch.nn.Conv1d)]
    assert [m.out_channels for m in convolutions[::2]] == [32, 32, 64, 64, 128, 128]
    assert len(convolutions) == 12


def test_three_pairs_have_six_convolutions():
    network = TwoFoldFocalNet(1, 187, 5, pairs=3)
    assert sum(isinstance(m, torch.nn.Conv1d) for m in network.modules()) == 6


def test_a_signal_keeps_its_size_through_twelve_convolutions():
    torch.manual_seed(0)
    features = TwoFoldFocalNet(1, 187, 5).eval().features(torch.randn(64, 1, 187))
    assert 0.1 < features.std() < 10


def test_kernels_are_as_wide_as_the_waves_at_each_blocks_rate():
    assert wave_kernels(128) == (25, 7, 3)
    assert wave_kernels(360) == (73, 19, 9)
    assert wave_kernels(10) == (3, 3, 3)
    assert [m.kernel_size[0] for m in FTCNN(1, 128, 5).features if isinstance(m, torch.nn.Conv1d)] == [
        *(25, 25),
        *(7, 7),
        *(3, 3),
    ]


def test_each_component_of_ft_cnn_can_be_taken_out():
    def parts(**arguments: Any) -> tuple[tuple[int, ...], bool, float]:
        network = FTCNN(1, 128, 5, **arguments)
        norms = any(isinstance(m, torch.nn.BatchNorm1d) for m in network.modules())
        return network.kernels, norms, max(m.p for m in network.modules() if isinstance(m, Dropout))

    assert parts() == ((25, 7, 3), True, 0.4)
    assert parts(kernel_adaptation=False) == ((5, 5, 5), True, 0.4)
    assert parts(batch_norm=False) == ((25, 7, 3), False, 0.4)
    assert parts(dropout=0.0) == ((25, 7, 3), True, 0.0)


@pytest.mark.parametrize("width", [20, 64, 65, 128, 187, 360, 1000])
def test_sequence_models_see_at_most_64_steps_and_the_whole_window(width):
    stem = StridedStem(1, width, 4)
    assert stem(torch.randn(2, 1, width)).shape == (2, stem.steps, 4)
    assert stem.steps <= MOST_STEPS == 64
    assert stem.steps * stem.stride >= width


@pytest.mark.parametrize("p", [0.1, 0.5, 0.83])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    ones = torch.ones(1001, 997)
    dropped = Dropout(p)(ones)
    assert (dropped == 0).float().mean() == pytest.approx(p, abs=0.003)
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert dropped.unique().numel() == 2
    # Neighbours share a drawn number; they are dropped independently all the same.
    zero = (dropped == 0).float()
    assert (zero[:, 1:] * zero[:, :-1]).mean() == pytest.approx(p * p, abs=0.003)


def test_dropout_does_nothing_in_evaluation_and_its_gradient_is_its_mask():
    x = torch.randn(5, 7, requires_grad=True)
    layer = Dropout(0.5)
    assert layer.eval()(x) is x
    made = layer.train()(x)
    made.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.where(made == 0, 0.0, 2.0))
    assert (Dropout(1.0)(x) == 0).all()
    assert torch.equal(Dropout(0.0)(x), x)


def test_an_unknown_network_is_told_the_known_ones():
    with pytest.raises(ModelError, match="unknown network 'vgg'; known: ft-cnn, two-fold-focal, ann, cnn"):
        build_window_network("vgg", channels=1, width=128, classes=5)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("cnn", {"layers": 3}, "network cnn: .*'layers'.*; correct its arguments"),
        ("cnn", {"dropout": 1.5}, "network cnn: .*1.5.*; correct its arguments"),
        ("transformer", {"heads": 5}, "network transformer: size 96 does not divide by 5 heads"),
        ("lstm", {"cell": "rnn"}, "network lstm: unknown cell 'rnn'; known: lstm, gru"),
        ("two-fold-focal", {"pairs": 4}, "4 pairs of convolutions asked for; give one of: 6, 3"),
        ("two-fold-focal", {"width": 63}, "63 samples are too short for 6 poolings by 2; give 64 or more"),
        ("ft-cnn", {"width": 7}, "7 samples are too short for 3 poolings by 2; give 8 or more"),
        ("ft-cnn", {"rate": 0.0}, "windows at 0 Hz; give their sampling rate"),
    ],
)
def test_arguments_that_do_not_suit_are_told_in_one_line(name, arguments, said):
    with pytest.raises(ModelError, match=said) as told:
        build_window_network(name, **{"channels": 1, "width": 128, "classes": 5} | arguments)
    assert "\n" not in str(told.value)
