"""What every method of attribution keeps to, on every kind of subject."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from subjects_to_explain import KINDS

from ecgtune.errors import ModelError
from ecgtune.explain import METHODS, explain, logits_of
from ecgtune.explain.baselines import baseline_of
from ecgtune.explain.subject import Examples, Subject

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 8

every_kind = pytest.mark.parametrize("kind", KINDS)
every_pair = pytest.mark.parametrize(
    ("kind", "method"),
    [(kind, method) for kind in KINDS for method in METHODS if KINDS[kind].convolves or method != "grad-cam"],
)

_made: dict[str, tuple[Subject, Examples]] = {}


def made(kind: str) -> tuple[Subject, Examples]:
    if kind not in _made:
        _made[kind] = KINDS[kind].make()
    return _made[kind]


@every_pair
def test_every_input_has_a_finite_contribution(kind: str, method: str) -> None:
    subject, examples = made(kind)
    found = explain(subject, examples, method=method, steps=STEPS)
    assert found.method == method
    assert found.values.shape == examples.signal.shape
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()
    assert np.abs(found.values).max() > 0
    says_rhythm = KINDS[kind].rhythm and method != "grad-cam"
    if says_rhythm:
        assert found.rhythm is not None
        assert examples.rhythm is not None
        assert found.rhythm.shape == examples.rhythm.shape
        assert np.abs(found.rhythm).max() > 0
    else:
        assert found.rhythm is None
    assert (found.delta is not None) == (method == "integrated-gradients")
    assert (found.baseline == "") == (method == "grad-cam")


@every_pair
def test_the_same_question_gets_the_same_answer_alone_or_among_others(kind: str, method: str) -> None:
    subject, examples = made(kind)
    together = explain(subject, examples, method=method, steps=STEPS)
    again = explain(subject, examples, method=method, steps=STEPS)
    np.testing.assert_array_equal(together.values, again.values)
    alone = explain(subject, examples.select(slice(2, 3)), method=method, steps=STEPS)
    np.testing.assert_allclose(alone.values[0], together.values[2], atol=1e-5)


@every_pair
def test_the_predicted_class_is_explained_unless_another_is_named(kind: str, method: str) -> None:
    subject, examples = made(kind)
    predicted = logits_of(subject, examples).argmax(axis=1)
    np.testing.assert_array_equal(explain(subject, examples, method=method, steps=2).target, predicted)
    by_name = explain(subject, examples, method=method, steps=2, target=subject.classes[1])
    by_number = explain(subject, examples, method=method, steps=2, target=1)
    each = explain(subject, examples, method=method, steps=2, target=[1] * len(examples))
    assert by_name.target.tolist() == [1] * len(examples)
    np.testing.assert_array_equal(by_name.values, by_number.values)
    np.testing.assert_array_equal(by_name.values, each.values)


@every_pair
def test_the_network_is_left_as_it_was(kind: str, method: str) -> None:
    subject, examples = made(kind)
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    explain(subject, examples, method=method, steps=2)
    assert not subject.network.training
    assert all(torch.equal(value, before[name]) for name, value in subject.network.state_dict().items())
    assert all(p.grad is None for p in subject.network.parameters())
    assert not any(layer._forward_hooks for layer in subject.network.modules())


@every_kind
def test_integrated_gradients_are_complete(kind: str) -> None:
    subject, examples = made(kind)
    examples = examples.select(slice(0, 2))
    for baseline in subject.baselines:
        found = explain(subject, examples, steps=32, baseline=baseline, target=0)
        assert found.delta is not None
        assert found.baseline == baseline
        total = found.values.reshape(len(examples), -1).sum(axis=1)
        if found.rhythm is not None:
            total = total + found.rhythm.sum(axis=1)
        signal, rhythm = baseline_of(examples, baseline)
        start = replace(examples, signal=signal, rhythm=rhythm)
        difference = (logits_of(subject, examples) - logits_of(subject, start))[:, 0]
        np.testing.assert_allclose(total - found.delta, difference, atol=1e-4)
        # White noise is the worst that such networks see: their logits are broken lines on the way to it.
        np.testing.assert_allclose(total, difference, atol=0.1)


@every_kind
def test_baselines_make_a_difference(kind: str) -> None:
    subject, examples = made(kind)
    found = [explain(subject, examples, steps=4, baseline=name).values for name in subject.baselines]
    assert all(np.abs(found[0] - other).max() > 1e-6 for other in found[1:])
    noise = [explain(subject, examples, steps=4, baseline="noise", seed=seed).values for seed in (0, 0, 1)]
    np.testing.assert_array_equal(noise[0], noise[1])
    assert np.abs(noise[0] - noise[2]).max() > 0


@every_kind
def test_grad_cam_is_never_negative_and_alike_for_all_channels(kind: str) -> None:
    subject, examples = made(kind)
    if not KINDS[kind].convolves:
        with pytest.raises(ModelError, match="has no convolution, which grad-cam needs; take integrated"):
            explain(subject, examples, method="grad-cam")
        return
    found = explain(subject, examples, method="grad-cam")
    assert (found.values >= 0).all()
    assert (found.values == found.values[:, :1]).all()


@every_kind
def test_another_network_gives_another_explanation(kind: str) -> None:
    subject, examples = made(kind)
    other = KINDS[kind].make()[0].network
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.3 * torch.randn_like(p))
    changed = subject.with_network(other)
    assert changed.classes == subject.classes
    first, second = (explain(each, examples, steps=4, target=0).values for each in (subject, changed))
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"method": "lime"}, "unknown method 'lime'; known: integrated-gradients, grad-cam, occlusion"),
        ({"baseline": "one"}, "unknown baseline 'one' for tiny; known: zero, typical-beat, noise"),
        ({"target": "X"}, "tiny: no class 'X'; it has N, S, V, F, Q"),
        ({"target": 5}, "tiny: class 5; it has 0 to 4"),
        ({"target": -1}, "tiny: class -1; it has 0 to 4"),
        ({"steps": 0}, "0 steps asked for; give 1 or more"),
    ],
)
def test_what_cannot_be_explained(asked: dict[str, object], says: str) -> None:
    subject, examples = made("sequence")
    with pytest.raises(ModelError, match=says):
        explain(subject, examples, **asked)  # type: ignore[arg-type]


def test_nothing_to_explain() -> None:
    subject, examples = made("sequence")
    with pytest.raises(ModelError, match="no beats to explain"):
        explain(subject, examples.select(slice(0, 0)))
