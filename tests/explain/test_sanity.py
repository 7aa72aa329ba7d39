"""Random weights: which layers become random, what stays, and what attributions make of it."""

import numpy as np
import pytest
import torch
from made_up_beats_explained import all_of, random_reading, small_network, subject_around
from torch import nn

from ecgtune.explain.attribution import explain
from ecgtune.explain.sanity import (
    Likeness,
    depths_of,
    likeness,
    mean_likeness,
    shuffled,
    stages_of,
)
from ecgtune.explain.subject import logits_of
from ecgtune.training.networks.windows import WINDOW_NETWORKS, build_window_network

pytestmark = pytest.mark.usefixtures("one_thread")


def runner(width=32, leads=1, n=64):
    windows = torch.from_numpy(np.random.default_rng(0).normal(size=(n, leads, width))).float()

    def run(network):
        with torch.inference_mode():
            network(windows)

    return run


def test_layers_come_in_the_order_of_use_with_their_norms():
    class Backwards(nn.Module):
        """Names its layers in another order than it uses them."""

        def __init__(self):
            super().__init__()
            self.last = nn.Linear(4, 2)
            self.norm = nn.BatchNorm1d(4)
            self.first = nn.Linear(32, 4)

        def forward(self, windows):
            return self.last(self.norm(self.first(windows.flatten(1))))

    stages = stages_of(Backwards().eval(), runner())
    assert [stage.modules for stage in stages] == [("first", "norm"), ("last",)]


@pytest.mark.parametrize("name", WINDOW_NETWORKS)
def test_every_weight_of_every_network_is_in_one_layer(name):
    network = build_window_network(name, channels=2, width=128, classes=5).eval()
    stages = stages_of(network, runner(128, 2, n=2))
    modules = [module for stage in stages for module in stage.modules]
    owners = [key for key, module in network.named_modules() if list(module.parameters(recurse=False))]
    assert sorted(modules) == sorted(owners)
    assert len(stages) > 2


def test_random_weights_keep_their_sizes():
    network = small_network()
    stages = stages_of(network, runner())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = shuffled(network, stages, runner(), seed=0).state_dict()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    for name in ("0.weight", "3.weight", "6.weight", "8.weight", "0.bias", "6.bias"):
        assert not torch.equal(made[name], before[name])
        assert torch.equal(
            made[name].abs().flatten().sort().values, before[name].abs().flatten().sort().values
        )


def test_only_the_named_layers_become_random_and_alike_at_every_depth():
    network = small_network()
    stages = stages_of(network, runner())
    top, more = (shuffled(network, stages[-depth:], runner(), seed=3).state_dict() for depth in (1, 2))
    for name, value in network.state_dict().items():
        assert torch.equal(top[name], value) == (not name.startswith("8."))
        assert torch.equal(more[name], value) == (not name.startswith(("8.", "6.")))
    assert torch.equal(top["8.weight"], more["8.weight"])


def test_random_weights_come_from_the_seed():
    network, run = small_network(), runner()
    stages = stages_of(network, run)
    made = [shuffled(network, stages, run, seed).state_dict()["3.weight"] for seed in (1, 1, 2)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_batch_norms_of_random_layers_are_measured_again():
    network = small_network()
    stages = stages_of(network, runner())
    with torch.no_grad():
        network[1].running_mean.fill_(100.0)
    made = shuffled(network, stages, runner(n=400), seed=0)
    seen = []
    made[1].register_forward_hook(lambda norm, inputs, output: seen.append((inputs[0], output)))
    runner(n=400)(made)
    entered, left = seen[0]
    np.testing.assert_allclose(made[1].running_mean, entered.mean((0, 2)), atol=1e-5)
    np.testing.assert_allclose(left.mean((0, 2)), made[1].bias.detach(), atol=1e-4)
    np.testing.assert_allclose(left.std((0, 2)), made[1].weight.detach().abs(), rtol=1e-2)
    # A norm below the random layers keeps what it learned.
    kept = shuffled(network, stages[-1:], runner(), seed=0)
    assert (kept[1].running_mean == 100).all()


def test_a_matrix_below_zero_does_not_silence_the_network():
    network = small_network()
    with torch.no_grad():
        network[6].weight.copy_(-network[6].weight.abs())
        network[6].bias.fill_(-0.01)
    made = shuffled(network, stages_of(network, runner()), runner(), seed=0)
    windows = torch.randn(50, 1, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert network(windows).std(0).max() == 0
        assert made(windows).std(0).min() > 0


@pytest.mark.parametrize(("layers", "most", "expected"), [(8, 3, [1, 4, 8]), (2, 6, [1, 2]), (1, 4, [1])])
def test_the_cascade_begins_at_the_top_and_ends_with_everything(layers, most, expected):
    network = nn.Sequential(*(nn.Linear(32, 32) for _ in range(layers)))
    stages = stages_of(network, runner())
    assert len(stages) == layers
    assert depths_of(stages, most) == expected


def test_identical_networks_are_fully_alike():
    values = np.random.default_rng(0).normal(size=(9, 1, 32)).astype(np.float32)
    found = likeness(values, values)
    np.testing.assert_allclose(found.signed, 1)
    np.testing.assert_allclose(found.size, 1)
    turned = likeness(values, -values)
    np.testing.assert_allclose(turned.signed, -1)
    np.testing.assert_allclose(turned.size, 1)


def test_contributions_to_a_random_network_have_nothing_in_common_with_the_original():
    network = small_network()
    subject, drawn = subject_around(network), all_of(random_reading(n=60))
    examples = drawn.examples(subject)
    target = logits_of(subject, examples).argmax(1)

    def attribution(network):
        return explain(subject.with_network(network), examples, target=target, steps=8).values

    original = attribution(network)
    np.testing.assert_allclose(likeness(original, attribution(network)).signed, 1)
    stages = stages_of(network, runner())
    several = [
        likeness(original, attribution(shuffled(network, stages, runner(), seed))) for seed in range(6)
    ]
    assert abs(np.nanmean(mean_likeness(several).signed)) < 0.12


def test_a_mean_is_over_the_networks_where_it_is_defined():
    one = Likeness(np.array([1.0, np.nan, np.nan]), np.array([0.0, 1.0, 0.5]))
    other = Likeness(np.array([0.0, 0.5, np.nan]), np.array([1.0, 1.0, 0.5]))
    found = mean_likeness([one, other])
    np.testing.assert_array_equal(found.signed, [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(found.size, [0.5, 1.0, 0.5])
