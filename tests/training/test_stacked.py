"""Stacked training against each network alone and against a plain loop with torch's Adam."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_stacks import build, made_up, member, wrong
from torch.nn import functional

from ecgtune.errors import ModelError
from ecgtune.training.networks.residual_window import ResidualWindow
from ecgtune.training.sampling import epoch_batches
from ecgtune.training.stacked import (
    EVALUATED_TOGETHER,
    Epoch,
    Member,
    Trained,
    balanced,
    decide,
    fresh_weights,
    mean_loss,
    predict_stack,
    train_stack,
)

pytestmark = pytest.mark.usefixtures("one_thread")

WINDOWS, LABELS = made_up()
INPUTS = torch.from_numpy(WINDOWS[:, np.newaxis])


def train(*members: Member, **options) -> list[Trained]:
    return train_stack(members, INPUTS, LABELS, build, **options)


def plain_loop(one: Member, inputs=INPUTS, labels=LABELS, build=build) -> Trained:
    """The same training as anyone would write it: one network, `torch.optim.Adam`, step by step."""
    torch.manual_seed(one.seed)
    network = build(1)
    stages = network.stages()
    if one.start is not None:
        given = torch.from_numpy(one.start)
        sizes = [p.numel() for stage in stages for p in stage]
        with torch.no_grad():
            for p, values in zip((p for s in stages for p in s), given.split(sizes), strict=True):
                p.copy_(values.view(p.shape))
    how = one.settings
    trained = [p for stage in stages[how.frozen :] for p in stage]
    optimizer = torch.optim.Adam(trained, lr=how.lr, weight_decay=how.weight_decay)

    def loss_of(rows):
        logits, truth = network(inputs[rows][np.newaxis])[0], torch.from_numpy(labels[rows])
        if logits.shape[1] == 1:
            return functional.binary_cross_entropy_with_logits(logits[:, 0], truth.float()), logits
        return functional.cross_entropy(logits, truth), logits

    history, kept, best = [], np.zeros(0), 0
    for epoch in range(how.epochs):
        draw = np.random.default_rng((one.seed, epoch))
        batches = epoch_batches(labels[one.train], how.batch, weighted=how.weighted, draw=draw)
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            loss, _ = loss_of(one.train[batch[batch >= 0]])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            loss, logits = loss_of(one.validate)
        history.append(Epoch(np.mean(losses), loss.item(), balanced(logits.numpy(), labels[one.validate])))
        if history[-1].loss <= min(each.loss for each in history):
            best = epoch
            kept = torch.cat([p.detach().flatten() for s in network.stages() for p in s]).numpy()
        if epoch - best >= how.patience:
            break
    return Trained(one.name, tuple(history), best, kept)


def assert_like(one: Trained, other: Trained, tolerance: float = 1e-3) -> None:
    """Equal but for the order in which float32 sums are made."""
    assert one.name == other.name
    assert one.best == other.best
    assert len(one.history) == len(other.history)
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert mine.train_loss == pytest.approx(theirs.train_loss, rel=tolerance)
        assert mine.loss == pytest.approx(theirs.loss, rel=tolerance)
        assert mine.balanced_accuracy == theirs.balanced_accuracy
    np.testing.assert_allclose(one.weights, other.weights, atol=tolerance * np.abs(other.weights).max())


def sizes() -> list[int]:
    return [sum(p.numel() for p in stage) for stage in build(1).stages()]


START = fresh_weights(build, 77)

# Other numbers of rows (17 and 41 leave a part of a batch), and everything that a member may have of its own.
MIXED = (
    member("plain", 41, 20, seed=1),
    member("more rows, evaluated in two steps", 64, EVALUATED_TOGETHER + 6, begin=10, seed=2),
    member("two rows", 2, 1, begin=100, seed=3),
    member("faster, weighted, much decay", 17, 30, seed=4, lr=0.003, weighted=True, weight_decay=0.3),
    member("from a start", 40, 20, begin=60, start=START, lr=0.0003),
    member("frozen", 33, 25, begin=30, start=START, frozen=3),
    member("few epochs", 40, 20, begin=20, seed=5, epochs=1),
)


@pytest.fixture(scope="module")
def mixed() -> list[Trained]:
    return train(*MIXED)


@pytest.mark.parametrize("which", range(len(MIXED)), ids=[one.name for one in MIXED])
def test_a_member_of_a_stack_is_what_a_plain_loop_makes(mixed, which):
    assert_like(mixed[which], plain_loop(MIXED[which]))


@pytest.mark.parametrize("which", [0, 3, 5])
def test_a_member_of_a_stack_is_what_it_is_alone(mixed, which):
    (alone,) = train(MIXED[which])
    assert_like(mixed[which], alone)


def test_members_come_back_in_their_order(mixed):
    assert [each.name for each in mixed] == [one.name for one in MIXED]
    assert [len(each.history) for each in mixed] == [one.settings.epochs for one in MIXED]


def test_training_again_is_bit_identical(mixed):
    for one, other in zip(mixed, train(*MIXED), strict=True):
        assert one.history == other.history
        assert np.array_equal(one.weights, other.weights)


def test_members_learn_and_change_every_stage(mixed):
    trained, begin = mixed[1], fresh_weights(build, 2)
    assert trained.history[-1].train_loss < 0.9 * trained.history[0].train_loss
    for mine, theirs in zip(
        *(np.split(w, np.cumsum(sizes())[:-1]) for w in (trained.weights, begin)), strict=True
    ):
        assert np.mean(mine != theirs) > 0.9


@pytest.mark.parametrize("frozen", [1, 3, 6])
def test_frozen_stages_keep_their_start_exactly(frozen):
    kept = sum(sizes()[:frozen])
    # Weights that decay without a gradient would leave their start too.
    (trained, free) = train(
        member("frozen", start=START, frozen=frozen, weight_decay=0.1), member("free", start=START)
    )
    assert np.array_equal(trained.weights[:kept], START[:kept])
    assert np.mean(trained.weights[kept:] != START[kept:]) > 0.9
    assert np.mean(free.weights[:kept] != START[:kept]) > 0.9


def test_a_start_is_left_as_it_was():
    start = START.copy()
    train(member("from a start", start=start, epochs=1))
    assert np.array_equal(start, START)


def worsening(name: str, patience: int, **settings) -> Member:
    """Validates on wrong labels, so that its first epoch is its best."""
    one = member(name, 64, lr=0.003, epochs=9, patience=patience, seed=6, **settings)
    return replace(one, validate=wrong())


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_stops_a_member_and_keeps_its_best_epoch(patience):
    one = worsening("worsening", patience)
    (trained,) = train(one)
    losses = [epoch.loss for epoch in trained.history]
    assert len(losses) == 1 + patience
    assert trained.best == 0
    assert losses[0] == min(losses)
    assert trained.kept == trained.history[0]
    # Those are that epoch's weights, not the last ones.
    (first,) = train(replace(one, settings=replace(one.settings, epochs=1)))
    assert np.array_equal(trained.weights, first.weights)
    assert loss_of(trained, one) == trained.kept.loss


def loss_of(trained: Trained, one: Member) -> float:
    (logits,) = predict_stack(trained.weights[np.newaxis], [one.validate], INPUTS, build)
    return mean_loss(logits, LABELS[one.validate])


def test_the_kept_epoch_is_that_of_the_lowest_validation_loss(mixed):
    for trained, one in zip(mixed, MIXED, strict=True):
        losses = [epoch.loss for epoch in trained.history]
        assert trained.best == int(np.argmin(losses))
        assert loss_of(trained, one) == pytest.approx(trained.kept.loss, rel=1e-5)


def test_others_go_on_when_a_member_stops():
    steady = member("steady", 41, seed=1, epochs=6, weight_decay=0.1)
    trained = train(worsening("stops second", 2), steady, worsening("stops first", 1))
    assert [len(each.history) for each in trained] == [3, 6, 2]
    assert_like(trained[1], plain_loop(steady))


def test_a_loss_that_is_no_number_ends_by_patience_and_disturbs_nobody():
    steady = [member(f"steady {seed}", 41, seed=seed, epochs=5) for seed in (1, 2)]
    absurd = member("absurd", seed=3, lr=1e30, epochs=5, patience=2)
    # Ends at the same time, so that both stacks always have the same size: the others are bit-identical.
    sane = replace(absurd, settings=replace(absurd.settings, lr=0.001, epochs=3))
    first, lost, second = train(steady[0], absurd, steady[1])
    expected = train(steady[0], sane, steady[1])
    assert len(lost.history) == 3
    assert all(np.isnan(epoch.loss) for epoch in lost.history)
    assert lost.best == 0
    assert np.isnan(lost.weights).all()
    for one, other in ((first, expected[0]), (second, expected[2])):
        assert one.history == other.history
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_several_classes(weighted):
    windows, labels = made_up(classes=3)
    inputs = torch.from_numpy(windows[:, np.newaxis])

    def three(models: int) -> ResidualWindow:
        return ResidualWindow(width=windows.shape[1], outputs=3, models=models)

    members = [member("one", 41, weighted=weighted), member("other", 30, begin=50, seed=1, weighted=weighted)]
    for one, trained in zip(members, train_stack(members, inputs, labels, three), strict=True):
        assert_like(trained, plain_loop(one, inputs, labels, three))


def test_inputs_of_any_number_type():
    halves = torch.from_numpy(WINDOWS[:, np.newaxis].astype(np.float16))
    one = member("halves", epochs=1)
    (trained,) = train_stack([one], halves, LABELS, build)
    (expected,) = train_stack([one], halves.float(), LABELS, build)
    assert np.array_equal(trained.weights, expected.weights)


def test_bfloat16_multiplies_in_it_while_training_alone():
    one = member("short", 64, seed=2)
    (rough,), (exact,) = train(one, bfloat16=True), train(one)
    assert not np.array_equal(rough.weights, exact.weights)
    assert rough.weights.dtype == np.float32
    assert [e.loss for e in rough.history] == pytest.approx([e.loss for e in exact.history], rel=0.05)
    assert loss_of(rough, one) == rough.kept.loss


def test_each_epoch_is_told():
    lines: list[str] = []
    train(member("one", epochs=1), member("two", epochs=2), tell=lines.append)
    assert lines == ["epoch 1: 2 networks, 1 finished", "epoch 2: 1 networks, 1 finished"]


def test_predictions_of_a_stack_are_those_of_its_networks():
    weights = np.stack([fresh_weights(build, seed) for seed in range(3)])
    rows = [np.arange(5), np.arange(40, 40 + EVALUATED_TOGETHER + 9), np.array([7])]
    logits = predict_stack(weights, rows, INPUTS, build)
    assert [each.shape for each in logits] == [(len(own), 1) for own in rows]
    for k, own in enumerate(rows):
        torch.manual_seed(k)
        with torch.no_grad():
            alone = build(1)(INPUTS[own][np.newaxis])[0]
        np.testing.assert_allclose(logits[k], alone.numpy(), rtol=1e-4, atol=1e-5)


def test_fresh_weights_leave_torchs_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = fresh_weights(build, 1)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(one, fresh_weights(build, 1))
    assert not np.array_equal(one, fresh_weights(build, 2))


def test_one_batch_size_for_a_stack():
    with pytest.raises(ModelError, match="one batch size; train them in several stacks"):
        train(member("four", batch=4), member("eight", batch=8))


@pytest.mark.parametrize("side", ["train", "validate"])
def test_a_member_without_rows_is_named(side):
    with pytest.raises(ModelError, match=r"^203 individual: no windows to train or to validate on"):
        train(member("100"), replace(member("203 individual"), **{side: np.zeros(0, dtype=np.int64)}))


def test_weights_of_another_network_are_refused():
    total = sum(sizes())
    with pytest.raises(ModelError, match=f"^weights of 7 parameters for a network of {total:,}"):
        predict_stack(np.zeros((1, 7), dtype=np.float32), [np.arange(3)], INPUTS, build)
    with pytest.raises(ModelError, match=f"for a network of {total:,}"):
        train(member("longer", start=np.zeros(total + 1, dtype=np.float32)))


def test_figures_by_hand():
    logits, truth = (
        np.array([[2.0], [-1.0], [0.0], [-3.0], [1.0]], dtype=np.float32),
        np.array([1, 1, 1, 0, 0]),
    )
    assert decide(logits).tolist() == [1, 0, 1, 0, 1]
    assert balanced(logits, truth) == pytest.approx((2 / 3 + 1 / 2) / 2)
    p = 1 / (1 + np.exp(-logits[:, 0].astype(float)))
    assert mean_loss(logits, truth) == pytest.approx(-np.log(np.where(truth, p, 1 - p)).mean())
    three = np.array([[0.0, 1, 2], [3, 1, 2], [0, 1, 0]], dtype=np.float32)
    assert decide(three).tolist() == [2, 0, 1]
    # Class 1 does not occur, so it does not count.
    assert balanced(three, np.array([2, 0, 0])) == pytest.approx((1 + 1 / 2) / 2)
    p = np.exp(three.astype(float)) / np.exp(three.astype(float)).sum(1, keepdims=True)
    assert mean_loss(three, np.array([2, 0, 0])) == pytest.approx(-np.log(p[[0, 1, 2], [2, 0, 0]]).mean())
