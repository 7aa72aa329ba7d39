"""What every network keeps to; a network without a row in `BUILT` fails the suite."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.training.networks import NETWORKS, build_network


@dataclass(frozen=True)
class Built:
    """Arguments of a network, and its exact number of parameters."""

    parameters: int
    arguments: dict[str, Any] = field(default_factory=dict)
    channels: int = 4
    width: int = 128
    rhythm: int = 7


BUILT: dict[str, list[Built]] = {
    "beat-sequence": [
        Built(47_314),
        Built(1_044, {"filters": [4], "size": 5, "hidden": 6, "dilations": [2]}, channels=2, width=63),
    ],
    "relation-sequence": [
        Built(93_989, {"before": 80}, width=176),
        Built(
            4_591,
            {"before": 40, "filters": [4], "size": 5, "compared": 6, "hidden": 6, "dilations": [2]},
            channels=2,
            width=120,
        ),
        Built(94_053 + 448, {"before": 80, "leads_told": True}, width=176),
    ],
    "relation-ensemble": [
        Built(2 * 93_989, {"before": 80}, width=176),
        Built(
            3 * 4_591,
            {
                "members": 3,
                "before": 40,
                "filters": [4],
                "size": 5,
                "compared": 6,
                "hidden": 6,
                "dilations": [2],
            },
            channels=2,
            width=120,
        ),
    ],
}

CASES = [pytest.param(name, built, id=f"{name}-{i}") for name in BUILT for i, built in enumerate(BUILT[name])]

every_network = pytest.mark.parametrize(("name", "built"), CASES)


def build(name: str, built: Built) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(
        name, channels=built.channels, width=built.width, rhythm=built.rhythm, **built.arguments
    )


def beats(built: Built, batch: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(batch, n, built.channels, built.width), torch.randn(batch, n, built.rhythm)


def test_every_network_is_under_contract():
    assert BUILT.keys() == NETWORKS.keys()


@every_network
def test_the_number_of_parameters_is_exact(name, built):
    assert sum(p.numel() for p in build(name, built).parameters()) == built.parameters


@every_network
@pytest.mark.parametrize(("batch", "n"), [(1, 1), (1, 40), (3, 17)])
def test_there_are_five_logits_for_every_beat(name, built, batch, n):
    logits = build(name, built).eval()(*beats(built, batch, n))
    assert logits.shape == (batch, n, 5)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@every_network
def test_evaluation_is_deterministic_and_does_not_depend_on_the_batch(name, built):
    network = build(name, built).eval()
    inputs = beats(built, 3, 20)
    with torch.no_grad():
        together = network(*inputs)
        assert torch.equal(together, network(*inputs))
        alone = torch.cat([network(*(x[i : i + 1] for x in inputs)) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@every_network
def test_training_draws_from_torchs_seed(name, built):
    network = build(name, built).train()
    inputs = beats(built, 3, 20)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return network(*inputs)

    assert torch.equal(draw(1), draw(1))


@every_network
@pytest.mark.parametrize("which", [0, 1], ids=["window", "rhythm"])
def test_a_beat_reaches_as_far_as_reach_says_and_no_farther(name, built, which):
    network = build(name, built).eval()
    n = 4 * network.reach + 5
    middle = n // 2
    inputs = beats(built, 1, n)
    changed = [x.clone() for x in inputs]
    # No constant: relations to the typical beat do not see it.
    changed[which][0, middle] += 10 * torch.randn_like(changed[which][0, middle])
    with torch.no_grad():
        differs = (network(*inputs) != network(*changed))[0].any(1).nonzero()[:, 0]
    assert differs.min() == middle - network.reach
    assert differs.max() == middle + network.reach


@every_network
def test_an_excerpt_with_reach_on_either_side_gives_what_the_whole_gives(name, built):
    network = build(name, built).eval()
    reach = network.reach
    inputs = beats(built, 1, 6 * reach)
    with torch.no_grad():
        whole = network(*inputs)[0, 2 * reach : 4 * reach]
        part = network(*(x[:, reach : 5 * reach] for x in inputs))[0, reach : 3 * reach]
    assert torch.allclose(whole, part, atol=1e-5)


@every_network
def test_gradient_flows_into_every_parameter(name, built):
    network = build(name, built).train()
    network(*beats(built, 4, 20)).square().sum().backward()
    without = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@every_network
def test_weights_come_back_through_a_state_dict(name, built):
    one, other = build(name, built).eval(), build(name, built)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    other.load_state_dict(one.state_dict())
    inputs = beats(built, 2, 9)
    assert torch.equal(one(*inputs), other.eval()(*inputs))


def test_an_unknown_network_is_told_the_known_ones():
    with pytest.raises(ModelError, match="unknown network 'transformer'; known: beat-sequence"):
        build_network("transformer", channels=4, width=128, rhythm=7)


def test_an_argument_that_a_network_does_not_take_is_named():
    with pytest.raises(ModelError, match=r"network beat-sequence: .*'layers'.*; correct its arguments"):
        build_network("beat-sequence", channels=4, width=128, rhythm=7, layers=3)
