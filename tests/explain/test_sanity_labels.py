"""A network that learns permuted labels by heart."""

import numpy as np
import pytest
import torch
from made_up_beats_explained import all_of, random_reading, small_network, subject_around

from ecgtune.explain.sanity_labels import KNOWN, memorise, permuted

pytestmark = pytest.mark.usefixtures("one_thread")


def test_labels_are_permuted_not_drawn():
    labels = np.repeat([0, 1, 2], [50, 30, 4])
    found = permuted(labels, seed=0)
    assert sorted(found) == sorted(labels)
    assert (found != labels).any()
    assert (found == permuted(labels, seed=0)).all()
    assert (found != permuted(labels, seed=1)).any()


def test_it_knows_permuted_labels_and_leaves_the_model_alone():
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = all_of(random_reading(n=10, seed=1), random_reading(n=6, seed=2, record="101"))
    found = memorise(subject_around(network), drawn, seed=0, epochs=400)
    assert found.accuracy >= KNOWN
    assert found.beats == 16
    assert 0 < found.epochs < 400
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_it_stops_at_the_last_epoch_and_comes_from_the_seed():
    drawn = all_of(random_reading(n=30, seed=1))
    several = [memorise(subject_around(small_network()), drawn, seed=seed, epochs=2) for seed in (0, 0, 1)]
    assert all(found.epochs == 2 for found in several)
    weights = [found.network[8].weight for found in several]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
