import numpy as np
import pytest
import torch
from made_up_recordings import made_up_table
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.helper import predefined_split

from ecgtune.beats import Preprocessing
from ecgtune.evaluation import metrics
from ecgtune.training.estimator import (
    Schedule,
    SequenceLoss,
    best_epoch,
    confusion,
    macro_f1_scoring,
)
from ecgtune.training.networks import BeatSequence
from ecgtune.training.sequences import IGNORED, NOT_ECTOPIC, NOT_S, Excerpts, prepare

HOW = Preprocessing(before=32, after=32)


def test_ignored_beats_are_neither_in_the_loss_nor_in_its_gradient():
    torch.manual_seed(0)
    logits = torch.randn(2, 6, 5, requires_grad=True)
    label = torch.tensor([[0, 1, IGNORED, 2, IGNORED, 3], [4, IGNORED, 0, 0, 1, 2]])
    loss = SequenceLoss()(logits, label)
    loss.backward()
    known = label != IGNORED
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits[known], label[known]))
    assert logits.grad is not None
    assert (logits.grad[~known] == 0).all()
    assert (logits.grad[known] != 0).all()


def test_the_loss_weighs_classes_and_divides_by_the_weights():
    logits = torch.zeros(1, 3, 5)
    logits[0, :, 1] = 2.0
    label = torch.tensor([[1, 0, IGNORED]])
    weight = torch.tensor([3.0, 1, 1, 1, 1])
    right, wrong = (-torch.log_softmax(logits[0, 0], 0)[i] for i in (1, 0))
    assert SequenceLoss(weight)(logits, label) == pytest.approx(float(right + 3 * wrong) / 4)


def test_label_smoothing_is_torchs_own():
    logits, label = torch.randn(2, 4, 5), torch.randint(5, (2, 4))
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), label.flatten(), label_smoothing=0.1)
    assert SequenceLoss(label_smoothing=0.1)(logits, label) == pytest.approx(float(expected))


def test_of_weakly_labelled_beats_the_loss_asks_only_that_they_are_no_s():
    torch.manual_seed(1)
    logits = torch.randn(2, 3, 5, requires_grad=True)
    label = torch.tensor([[0, NOT_S, IGNORED], [NOT_S, 2, 1]])
    loss = SequenceLoss(not_s=0.3)(logits, label)
    known, weak = label >= 0, label == NOT_S
    p = logits[weak].softmax(1)
    other = -torch.log(p[:, 0] / (p[:, 0] + p[:, 1])).mean()
    expected = torch.nn.functional.cross_entropy(logits[known], label[known]) + 0.3 * other
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert (logits.grad[weak][:, 1] > 0).all()
    assert (logits.grad[weak][:, 0] < 0).all()
    assert (logits.grad[weak][:, 2:] == 0).all()


def test_of_beats_that_are_not_ectopic_the_loss_asks_only_that_they_are_normal_or_none():
    torch.manual_seed(2)
    logits = torch.randn(2, 3, 5, requires_grad=True)
    label = torch.tensor([[0, NOT_ECTOPIC, NOT_S], [NOT_ECTOPIC, 2, 1]])
    loss = SequenceLoss(not_ectopic=0.3)(logits, label)
    known, calm = label >= 0, label == NOT_ECTOPIC
    p = logits[calm].softmax(1)
    expected = torch.nn.functional.cross_entropy(logits[known], label[known])
    torch.testing.assert_close(loss, expected - 0.3 * torch.log(p[:, 0] + p[:, 4]).mean())
    loss.backward()
    assert (logits.grad[calm][:, 1:4] > 0).all()
    assert (logits.grad[calm][:, [0, 4]] < 0).all()
    assert (logits.grad[label == NOT_S] == 0).all()


def test_a_batch_without_any_labelled_beat_has_a_loss():
    logits = torch.randn(1, 3, 5, requires_grad=True)
    SequenceLoss()(logits, torch.tensor([[IGNORED, NOT_S, NOT_ECTOPIC]])).backward()
    assert (logits.grad == 0).all()


def test_the_first_of_equal_epochs_is_best():
    assert best_epoch([0.2, 0.7, 0.5, 0.7]) == 2


def small_net(**arguments):
    return NeuralNet(
        BeatSequence,
        SequenceLoss,
        module__channels=HOW.channels,
        module__width=HOW.width,
        module__rhythm=len(HOW.rhythm_features),
        module__filters=(3,),
        module__size=4,
        module__hidden=6,
        module__dilations=(1,),
        train_split=None,
        callbacks__print_log=None,
        **arguments,
    )


def test_confusion_counts_every_known_beat_of_every_excerpt_once():
    table = made_up_table({"a": 70, "b": 45})
    table.label[:7] = IGNORED
    excerpts = Excerpts(prepare(table, np.arange(115), HOW), 16, jitter=False)
    net = small_net(batch_size=3).initialize()
    matrix = confusion(net, excerpts)
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(table.label[7:], minlength=5))

    net.module_.eval()
    predicted = []
    for i in range(len(excerpts)):
        inputs, label = excerpts[i]
        with torch.no_grad():
            logits = net.module_(**{name: tensor[None] for name, tensor in inputs.items()})[0]
        predicted.append(logits.argmax(1)[label != IGNORED])
    np.testing.assert_array_equal(matrix.sum(axis=0), np.bincount(torch.cat(predicted), minlength=5))


def test_epochs_are_scored_by_the_macro_f1_of_the_evaluation():
    table = made_up_table({"a": 60, "b": 50})
    side = Excerpts(prepare(table, np.arange(110), HOW), 16, jitter=False)
    net = small_net(callbacks=[("score", macro_f1_scoring())])
    net.set_params(train_split=predefined_split(side)).fit(side, epochs=2)
    assert net.history[-1, "macro_f1"] == pytest.approx(float(metrics.macro_f1(confusion(net, side))))


class Watch(Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.rates: list[float] = []
        self.draws: list[float] = []

    def on_epoch_begin(self, net, **_):
        self.rates.append(net.optimizer_.param_groups[0]["lr"])
        self.draws.append(float(torch.rand(())))


def watched(epochs: int, seed: int = 0, done: int = 0) -> Watch:
    table = made_up_table({"a": 20})
    excerpts = Excerpts(prepare(table, np.arange(20), HOW), 16, jitter=False)
    watch = Watch()
    net = small_net(callbacks=[("schedule", Schedule(seed, epochs, 0.01)), ("watch", watch)]).initialize()
    for number in range(done):
        net.history_.new_epoch()
        net.history_.record("epoch", number + 1)
    net.partial_fit(excerpts, epochs=epochs - done)
    return watch


def test_the_learning_rate_rises_over_a_tenth_of_the_epochs_and_falls_along_a_cosine():
    rates = np.array(watched(20).rates)
    np.testing.assert_allclose(rates[:3], [0.005, 0.01, 0.01])
    np.testing.assert_allclose(rates[2:], 0.005 * (1 + np.cos(np.pi * np.arange(18) / 18)))
    assert rates[-1] < 1e-4


def test_a_schedule_that_starts_late_goes_on_with_the_same_rates_and_draws():
    whole, rest = watched(6, seed=3), watched(6, seed=3, done=4)
    assert rest.rates == whole.rates[4:]
    assert rest.draws == whole.draws[4:]
    assert watched(6, seed=4).draws != whole.draws
