"""What a network says of prepared recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ecgtune.model import load_model
from ecgtune.self_training import NO_SELF_TRAINING
from ecgtune.training import saying
from ecgtune.training.export import load_network
from ecgtune.training.saying import said_of
from ecgtune.training.sequences import Recording


@pytest.fixture(scope="module")
def network(self_trained_model: Path) -> torch.nn.Module:
    return load_network(self_trained_model).eval()


@pytest.fixture(scope="module")
def recording(self_trained_model: Path) -> Recording:
    how = load_model(self_trained_model).preprocessing
    draw = np.random.default_rng(0)
    windows = draw.normal(size=(300, how.leads, how.width)).astype(np.float32)
    beats, rhythm = how.inputs(windows, np.cumsum(draw.integers(60, 140, 300)))
    label = torch.zeros(300, dtype=torch.int64)
    return Recording("made up", torch.from_numpy(beats), torch.from_numpy(rhythm), label)


@pytest.mark.parametrize("self_trained", [True, False])
def test_pieces_say_what_the_whole_does(
    network: torch.nn.Module,
    recording: Recording,
    self_trained_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    self_trained: bool,
) -> None:
    how = load_model(self_trained_model).self_training if self_trained else NO_SELF_TRAINING
    whole = said_of(network, recording, how)
    assert whole.shape == (300, 5)
    monkeypatch.setattr(saying, "_PIECE", 70)
    np.testing.assert_allclose(said_of(network, recording, how), whole, atol=1e-3)
    alone = said_of(network, recording, NO_SELF_TRAINING)
    assert (np.abs(whole - alone).max() > 0.1) == self_trained


def test_of_no_beats_nothing_is_said(network: torch.nn.Module, recording: Recording) -> None:
    none = Recording("none", recording.beats[:0], recording.rhythm[:0], recording.label[:0])
    assert said_of(network, none, NO_SELF_TRAINING).shape == (0, 5)
