import numpy as np
import pytest
import torch

from ecgtune.errors import EvaluationError
from ecgtune.self_training import SelfTrainer, SelfTraining
from ecgtune.training.sequences import IGNORED, Recording
from ecgtune.training.temperature import logits_of, temperature_on


class Shouting(torch.nn.Module):
    """Gives what it is given, the first five samples of the first channel, times three."""

    reach = 0

    def forward(self, beats: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        assert not self.training
        return 3 * beats[:, :, 0, :5]

    def evidence(self, beats: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        return beats[:, :, 0, :5].clamp(-2.5, 2.5)


def recording(n: int, seed: int, ignored: int = 0) -> Recording:
    """Beats whose classes are drawn with the probabilities that their own samples stand for."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 5))
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (rng.uniform(size=(n, 1)) > share.cumsum(1)).sum(1)
    label[:ignored] = IGNORED
    beats = torch.from_numpy(np.pad(logits[:, np.newaxis], ((0, 0), (0, 1), (0, 3))).astype(np.float32))
    return Recording(f"r{seed}", beats, torch.zeros(n, 7), torch.from_numpy(label))


def test_labelled_beats_alone_count() -> None:
    recordings = [recording(30, 1, ignored=10), recording(20, 2)]
    logits, label = logits_of(Shouting().train(), recordings, SelfTraining())
    assert logits.shape == (40, 5)
    np.testing.assert_array_equal(label, torch.cat([recordings[0].label[10:], recordings[1].label]))
    np.testing.assert_allclose(logits[:20], 3 * recordings[0].beats[10:, 0, :5])


def test_logits_are_those_after_self_training() -> None:
    how, one = SelfTraining(0.4, 0.2), recording(3000, 3, ignored=10)
    found, _ = logits_of(Shouting().train(), [one], how)
    network = Shouting().eval()
    inputs = one.beats[None], one.rhythm[None]
    moved = SelfTrainer(how).move(network(*inputs)[0].numpy(), network.evidence(*inputs)[0].numpy())
    np.testing.assert_array_equal(found, moved[10:])
    assert np.abs(found - logits_of(network, [one], SelfTraining())[0]).max() > 0.5


def test_a_network_that_shouts_three_times_too_loud_gets_temperature_three() -> None:
    assert temperature_on(
        Shouting(), [recording(15_000, seed) for seed in (1, 2)], SelfTraining()
    ) == pytest.approx(3, rel=0.03)


def test_without_labelled_beats_there_is_no_temperature() -> None:
    with pytest.raises(EvaluationError, match="no beats to fit a temperature to"):
        temperature_on(Shouting(), [recording(5, 1, ignored=5)], SelfTraining())
    with pytest.raises(EvaluationError, match="no beats"):
        temperature_on(Shouting(), [], SelfTraining())
