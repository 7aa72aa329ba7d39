"""Methods of attribution against what can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_beats_explained import Weighing, examples_of, subject_around
from subjects_to_explain import sequence_reading, sequence_subject
from torch import Tensor, nn

from ecgtune.explain import explain
from ecgtune.explain.subject import Examples
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.explain.subject_windows import WindowSubject

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 32
DRAW = np.random.default_rng(0)
WEIGHTS = DRAW.normal(size=(2, WIDTH)).astype(np.float32)
SIGNAL = DRAW.normal(size=(5, 2, WIDTH)).astype(np.float32)


def linear() -> tuple[WindowSubject, Examples]:
    subject = subject_around(Weighing(WEIGHTS).eval(), 2, WIDTH, ("no", "yes"))
    return subject, examples_of(subject, SIGNAL)


@pytest.mark.parametrize("baseline", ["zero", "typical-beat"])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_integrated_gradients_of_a_linear_network_are_weight_times_difference(
    baseline: str, steps: int
) -> None:
    subject, examples = linear()
    start = 0 if baseline == "zero" else np.median(SIGNAL, axis=0)
    found = explain(subject, examples, target="yes", baseline=baseline, steps=steps)
    np.testing.assert_allclose(found.values, WEIGHTS * (SIGNAL - start), atol=1e-5)
    np.testing.assert_allclose(found.delta, 0, atol=1e-4)


def test_integrated_gradients_of_a_square_are_those_of_the_integral() -> None:
    class Squares(nn.Module):
        def forward(self, windows: Tensor) -> Tensor:
            return windows.square().sum((1, 2))[:, None].expand(-1, 2)

    subject = subject_around(Squares(), 2, WIDTH, ("no", "yes"))
    found = explain(subject, examples_of(subject, SIGNAL), target=1, steps=5)
    # The path's integral of 2 x is x squared; two of Gauss's nodes would do.
    np.testing.assert_allclose(found.values, SIGNAL**2, atol=1e-4)


def test_steps_and_pieces_do_not_change_what_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgtune.explain import methods

    subject = sequence_subject()
    examples = subject.examples(sequence_reading(), np.arange(3))
    whole = explain(subject, examples, steps=6)
    # So few values a step that a beat's own steps are taken in several.
    monkeypatch.setattr(methods, "_MOST", 4)
    pieces = explain(subject, examples, steps=6)
    np.testing.assert_allclose(pieces.values, whole.values, atol=1e-5)
    np.testing.assert_allclose(pieces.rhythm, whole.rhythm, atol=1e-5)


def test_occlusion_of_single_samples_of_a_linear_network_is_exact() -> None:
    class SampleBySample(WindowSubject):
        @property
        def occluded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
            return (1, 1), (1, 1)

    subject, examples = linear()
    fine = SampleBySample(**{name: getattr(subject, name) for name in subject.__dataclass_fields__})
    for baseline, start in (("zero", 0), ("typical-beat", np.median(SIGNAL, axis=0))):
        found = explain(fine, examples, method="occlusion", target="yes", baseline=baseline)
        np.testing.assert_allclose(found.values, WEIGHTS * (SIGNAL - start), atol=1e-5)


def test_occlusion_shares_the_loss_of_a_window_out_among_its_samples() -> None:
    subject, examples = linear()
    (_, width), (_, stride) = subject.occluded
    assert (width, stride) == (8, 4)
    found = explain(subject, examples, method="occlusion", target="yes")
    product = WEIGHTS * SIGNAL
    starts = range(0, WIDTH - width + 1, stride)
    expected = np.zeros_like(product)
    for sample in range(WIDTH):
        over = [k for k in starts if k <= sample < k + width]
        expected[:, :, sample] = np.mean([product[:, :, k : k + width].sum(2) for k in over], axis=0) / width
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


class OneMap(nn.Module):
    """A convolution of known weights, whose maps speak for class 1 by known amounts."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, 2, 1, stride=4, bias=False)
        self.leave = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.convolution.weight.copy_(torch.tensor([[[1.0]], [[-1.0]]]))
            self.leave.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, 1.0]]))

    def forward(self, windows: Tensor) -> Tensor:
        made: Tensor = self.leave(self.convolution(windows).mean(2))
        return made


def test_grad_cam_of_a_network_made_by_hand() -> None:
    signal = np.zeros((1, 1, 16), dtype=np.float32)
    signal[0, 0, ::4] = [2, -1, 0, 4]
    subject = subject_around(OneMap().eval(), 1, 16, ("no", "yes"))
    found = explain(subject, examples_of(subject, signal), method="grad-cam", target="yes")
    # Mean gradients are 3/4 and 1/4; the maps are x and -x: what is left of 3/4 x - 1/4 x above zero.
    weights = torch.tensor([[[1.0, 0.0, 0.0, 2.0]]])
    expected = nn.functional.interpolate(weights, 16, mode="linear").numpy()
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


class Adds(nn.Module):
    """A sequence network whose logits are sums: of the vector, of the RR features, of the neighbours'."""

    reach = 1

    def encode(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        return beats.flatten(2).sum(2, keepdim=True)

    def tell(self, encoded: Tensor, rhythm: Tensor) -> Tensor:
        return encoded[:, :, :1] + 2 * rhythm.sum(2, keepdim=True)

    def decide_middle(self, encoded: Tensor, told: Tensor, sides: Tensor) -> Tensor:
        before = told[:, 0, 0] * (sides[:, 0] > 0)
        return torch.stack([told[:, 1, 0] + 10 * before] * 5, 1)


@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_rr_features_have_their_share_and_neighbours_are_held_fixed(method: str) -> None:
    given = sequence_subject()
    subject = SequenceSubject("adds", Adds().eval(), given.preprocessing)
    reading = sequence_reading()
    examples = subject.examples(reading, np.array([0, 5, 39]))
    found = explain(subject, examples, method=method, target=2)
    assert examples.rhythm is not None
    np.testing.assert_allclose(found.rhythm, 2 * examples.rhythm, atol=1e-4)
    # Neither the typical beat nor the beat before, ten times as strong, takes a share.
    if method == "integrated-gradients":
        np.testing.assert_allclose(found.values, examples.signal, atol=1e-4)
    other = explain(
        subject,
        replace(examples, context=tuple(2 * part for part in examples.context[:3]) + examples.context[3:]),
        method=method,
        target=2,
    )
    np.testing.assert_allclose(other.values, found.values, atol=1e-4)


def test_the_last_convolution_is_that_of_the_encoder() -> None:
    subject = sequence_subject()
    convolutions = [layer for layer in subject.network.encoder.modules() if isinstance(layer, nn.Conv1d)]  # type: ignore[union-attr]
    assert len(convolutions) == 2
    assert subject.convolution is convolutions[1]
