"""Networks that were trained apart and label together."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ecgtune.errors import ModelError
from ecgtune.training.networks import RelationEnsemble, RelationSequence, build_network

WIDTH, BEFORE = 120, 40
ARGUMENTS: dict[str, Any] = {"filters": [3], "size": 4, "hidden": 6, "dilations": [1, 2]}


def member(seed: int) -> RelationSequence:
    torch.manual_seed(seed)
    network = RelationSequence(4, WIDTH, 7, BEFORE, **ARGUMENTS).eval()
    network.norm.running_mean.normal_()
    network.norm.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture
def ensemble() -> RelationEnsemble:
    return RelationEnsemble([member(0), member(1), member(2)]).eval()


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(5)
    return torch.randn(2, 9, 4, WIDTH), torch.randn(2, 9, 7)


def test_it_says_the_mean_of_what_its_members_say(ensemble, inputs) -> None:
    said = torch.stack([each(*inputs) for each in ensemble.members])
    assert said.std(0).min() > 0
    torch.testing.assert_close(ensemble(*inputs), said.mean(0))


def test_evidence_is_standardised_alike_for_all(ensemble, inputs) -> None:
    torch.testing.assert_close(
        ensemble.members[0].norm.running_mean,
        torch.stack([member(seed).norm.running_mean for seed in range(3)]).mean(0),
    )
    for each in ensemble.members:
        torch.testing.assert_close(each.evidence(*inputs), ensemble.evidence(*inputs))


def test_it_reaches_as_far_as_its_members(ensemble) -> None:
    assert ensemble.reach == member(0).reach == 3


def test_the_middle_beat_alone_is_decided_as_among_all(ensemble, inputs) -> None:
    encoded, rhythm = ensemble.encode(*inputs)[:1], inputs[1][:1]
    middle, reach = 4, ensemble.reach
    told = ensemble.tell(encoded, rhythm)[:, middle - reach : middle + reach + 1]
    alone = ensemble.decide_middle(encoded[:, middle], told, torch.full((1, 2), reach))
    torch.testing.assert_close(alone, ensemble.decide(encoded, rhythm)[:, middle])


def test_what_the_convolutions_give_goes_through_one_layer(ensemble, inputs) -> None:
    seen: list[Tensor] = []
    ensemble.joined_maps.register_forward_hook(lambda layer, given, maps: seen.append(maps))
    ensemble(*inputs)
    torch.testing.assert_close(seen[0], torch.cat([each.maps(inputs[0]) for each in ensemble.members], 1))


def test_made_familiar_it_says_the_same_and_may_learn_of_n_and_s(ensemble, inputs) -> None:
    familiar = ensemble.made_familiar()
    assert not ensemble.is_familiar
    assert familiar.is_familiar
    torch.testing.assert_close(familiar(*inputs), ensemble(*inputs))
    built = build_network(
        "relation-ensemble",
        members=3,
        channels=4,
        width=WIDTH,
        rhythm=7,
        before=BEFORE,
        familiar=True,
        **ARGUMENTS,
    ).eval()
    built.load_state_dict(familiar.state_dict())
    torch.testing.assert_close(built(*inputs), ensemble(*inputs))


def test_an_ensemble_of_none_is_refused() -> None:
    with pytest.raises(ModelError, match="of no members asked for; give 1 or more"):
        build_network("relation-ensemble", members=0, channels=4, width=WIDTH, rhythm=7, before=BEFORE)
