"""Training of networks of windows on made-up and on a few real beats."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix, f1, macro_f1
from ecgtune.labels import class_indices
from ecgtune.readers import read_record
from ecgtune.training import window_estimator
from ecgtune.training.losses import FocalLoss
from ecgtune.training.networks.windows import build_window_network
from ecgtune.training.small_classes import SmallClasses
from ecgtune.training.window_batches import WindowSet
from ecgtune.training.window_estimator import FittedWindows, fit_windows, predict_windows
from ecgtune.training.window_options import WindowOptions

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = ("low", "middle", "high")
WIDTH = 24
SMALL = {"filters": [4]}
"""A convolutional network of a few hundred parameters."""


def made_up(n: int = 260, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Waves of three frequencies in noise, the third of them rare."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(3, n, p=[0.6, 0.3, 0.1])
    labels[:3] = [0, 1, 2]
    phase = draw.uniform(0, 6, (n, 1))
    waves = np.sin(np.arange(WIDTH) * (0.3 + 0.3 * labels[:, None]) + phase)
    windows = waves + 0.4 * draw.standard_normal((n, WIDTH))
    return windows[:, None].astype(np.float32), labels


X, Y = made_up()
TRAIN, VALIDATE = np.arange(0, 200), np.arange(200, 260)
OPTIONS = WindowOptions(epochs=4, batch=16, lr=0.01, bfloat16=False)


def fit(folder: Path, options: WindowOptions = OPTIONS, **other: Any) -> FittedWindows:
    given = {
        "network_name": "cnn",
        "arguments": SMALL,
        "windows": X,
        "labels": Y,
        "train": TRAIN,
        "validate": VALIDATE,
        "options": options,
        "folder": folder,
        "classes": CLASSES,
    }
    return fit_windows(**(given | other))


def weights(fitted: FittedWindows) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in fitted.network.state_dict().items()}


def same(one: FittedWindows, other: FittedWindows) -> bool:
    a, b = weights(one), weights(other)
    timeless = [[{**row, "seconds": 0} for row in fitted.history] for fitted in (one, other)]
    return all(np.array_equal(a[name], b[name]) for name in a) and timeless[0] == timeless[1]


RICH = replace(
    OPTIONS,
    optimizer="adamw",
    weight_decay=0.01,
    schedule="cosine",
    loss="two-fold-focal",
    augmentation=SmallClasses(targets=(0, 80, 60)),
    keep="macro-f1",
    seed=3,
)


def test_a_training_learns_and_tells_what_it_took(tmp_path):
    lines: list[str] = []
    fitted = fit(tmp_path, replace(OPTIONS, epochs=12), tell=lines.append)
    predicted = predict_windows(fitted.network, X, VALIDATE)
    assert (predicted.argmax(1) == Y[VALIDATE]).mean() > 0.9
    assert [row["epoch"] for row in fitted.history] == list(range(1, 13))
    assert fitted.history[-1]["train_loss"] < 0.5 * fitted.history[0]["train_loss"]
    assert fitted.seconds == pytest.approx(sum(row["seconds"] for row in fitted.history))
    assert fitted.parameters == sum(p.numel() for p in fitted.network.parameters())
    assert not fitted.network.training
    assert len(lines) == 12
    assert lines[0].startswith("epoch   1  loss")
    json.dumps(fitted.history)


def test_the_history_holds_the_figures_of_the_kept_weights_over_the_whole_validation_side(tmp_path):
    fitted = fit(tmp_path, replace(OPTIONS, loss="weighted"))
    row = fitted.history[fitted.best - 1]
    with torch.no_grad():
        logits = fitted.network(torch.from_numpy(X[VALIDATE]))
    alpha = len(TRAIN) / (3 * np.bincount(Y[TRAIN]))
    loss = FocalLoss(0, alpha.tolist())(logits, torch.from_numpy(Y[VALIDATE]))
    matrix = confusion_matrix(Y[VALIDATE], logits.argmax(1).numpy(), CLASSES)
    assert row["valid_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert row["macro_f1"] == pytest.approx(float(f1(matrix).mean()))
    assert row["accuracy"] == pytest.approx(np.trace(matrix) / len(VALIDATE))


@pytest.mark.parametrize(
    ("keep", "figure", "best"),
    [("loss", "valid_loss", np.argmin), ("macro-f1", "macro_f1", np.argmax), ("last", "epoch", np.argmax)],
)
def test_the_epoch_that_was_asked_for_is_kept(tmp_path, keep, figure, best: Callable[[Any], int]):
    # So large a rate that the last epoch is rarely the best.
    options = replace(OPTIONS, epochs=6, lr=0.1, keep=keep)
    fitted = fit(tmp_path, options)
    values = [row[figure] for row in fitted.history]
    assert fitted.best == best(values) + 1
    predicted = predict_windows(fitted.network, X, VALIDATE).argmax(1)
    matrix = confusion_matrix(Y[VALIDATE], predicted, CLASSES)
    kept = fitted.history[fitted.best - 1]["macro_f1"]
    assert float(macro_f1(matrix, None, CLASSES)) == pytest.approx(kept)


def test_macro_f1_can_be_over_some_classes_alone(tmp_path):
    fitted = fit(tmp_path, replace(OPTIONS, score_classes=("low", "middle")))
    predicted = predict_windows(fitted.network, X, VALIDATE).argmax(1)
    scores = f1(confusion_matrix(Y[VALIDATE], predicted, CLASSES))
    assert fitted.history[fitted.best - 1]["macro_f1"] == pytest.approx(scores[:2].mean())


def test_patience_ends_a_training(tmp_path):
    fitted = fit(tmp_path, replace(OPTIONS, epochs=40, lr=0.1, patience=2))
    assert len(fitted.history) == fitted.best + 2 < 40


def test_without_a_validation_side_the_last_epoch_is_kept(tmp_path):
    fitted = fit(tmp_path, replace(OPTIONS, keep="last"), validate=None)
    assert fitted.best == len(fitted.history) == OPTIONS.epochs
    assert fitted.history[0].keys() == {"epoch", "lr", "train_loss", "seconds"}


def test_the_same_seed_gives_the_same_network_and_another_seed_another(tmp_path):
    one = fit(tmp_path / "one", RICH)
    torch.rand(5)
    assert same(fit(tmp_path / "again", RICH), one)
    assert not same(fit(tmp_path / "other", replace(RICH, seed=4)), one)


class PowerCutError(Exception):
    """Ends a training where it stands, as a crash does."""


@pytest.mark.parametrize("how", [PowerCutError, KeyboardInterrupt])
def test_interrupted_after_any_epoch_and_resumed_a_training_gives_identical_results(tmp_path, how):
    whole = fit(tmp_path / "whole", RICH)

    def cut(line: str) -> None:
        if line.startswith("epoch"):
            raise how

    fitted, interruptions = None, 0
    while fitted is None:
        try:
            fitted = fit(tmp_path / "parts", RICH, tell=cut)
        except how:
            interruptions += 1
    assert interruptions >= RICH.epochs - 1
    assert same(fitted, whole)


@pytest.mark.parametrize("step", [1, 20, 40])
def test_interrupted_inside_an_epoch_a_training_stops_and_the_same_call_finishes_it(
    tmp_path, monkeypatch, step
):
    whole = fit(tmp_path / "whole", RICH)
    made, seen = window_estimator.make_loss, 0

    def loss(options: WindowOptions, counts: Any) -> torch.nn.Module:
        class Cut(torch.nn.Module):
            def forward(self, logits, label):
                nonlocal seen
                seen += logits.requires_grad
                if seen == step:
                    raise KeyboardInterrupt
                return own(logits, label)

        own = made(options, counts)
        return Cut()

    monkeypatch.setattr(window_estimator, "make_loss", loss)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", RICH)
    monkeypatch.setattr(window_estimator, "make_loss", made)
    assert same(fit(tmp_path / "parts", RICH), whole)


def test_a_finished_training_is_read_back(tmp_path, monkeypatch):
    whole = fit(tmp_path, RICH)
    monkeypatch.setattr(window_estimator.WindowNet, "infer", lambda *_: pytest.fail("it was trained again"))
    again = fit(tmp_path, RICH)
    assert same(again, whole)
    assert again.seconds == pytest.approx(whole.seconds)
    assert {path.name for path in tmp_path.iterdir()} == {"fit.json", "last.pt", "best.pt"}


@pytest.mark.parametrize(
    "other",
    [
        {"options": replace(OPTIONS, lr=0.02)},
        {"windows": X + 1},
        {"train": TRAIN[1:]},
        {"arguments": {"filters": [5]}},
        {"labels": np.roll(Y, 1)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_folder_of_another_training_is_refused(tmp_path, other):
    fit(tmp_path)
    with pytest.raises(ModelError, match="holds a training with other options or data; choose another"):
        fit(tmp_path, **other)


@pytest.mark.parametrize(
    ("schedule", "shares"), [("none", [1, 1, 1, 1]), ("cosine", [1, 0.8536, 0.5, 0.1464])]
)
def test_the_rate_follows_its_schedule(tmp_path, schedule, shares):
    fitted = fit(tmp_path, replace(OPTIONS, schedule=schedule))
    np.testing.assert_allclose([row["lr"] for row in fitted.history], 0.01 * np.array(shares), atol=1e-6)


@pytest.mark.parametrize(("kind", "made"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_weight_decay_is_for_weights_and_not_for_biases_and_norms(kind, made):
    network = build_window_network("ft-cnn", channels=1, width=WIDTH, classes=3)
    groups = [{"params": list(network.parameters())}]
    optimizer = window_estimator._optimizer(groups, lr=0.01, kind=kind, weight_decay=0.3)
    assert type(optimizer) is made
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    names = dict(network.named_parameters())
    assert len(decays) == len(names)
    for layer in network.modules():
        for name, p in layer.named_parameters(recurse=False):
            of_norm = isinstance(layer, torch.nn.BatchNorm1d)
            assert decays[id(p)] == (0.3 if name == "weight" and not of_norm else 0)


@pytest.mark.skipif(not window_estimator.use_bfloat16(), reason="the processor has no bfloat16")
def test_bfloat16_trains_nearly_the_same_network_and_keeps_float32_weights(tmp_path):
    exact = fit(tmp_path / "exact", replace(OPTIONS, epochs=1))
    near = fit(tmp_path / "near", replace(OPTIONS, epochs=1, bfloat16=True))
    assert {value.dtype for value in near.network.state_dict().values()} == {torch.float32}
    assert near.history[0]["train_loss"] != exact.history[0]["train_loss"]
    assert near.history[0]["train_loss"] == pytest.approx(exact.history[0]["train_loss"], rel=0.05)


def test_a_start_and_frozen_parts(tmp_path):
    first = fit(tmp_path / "first", network_name="ft-cnn", arguments={})
    kept = {name: v for name, v in first.network.state_dict().items() if name.startswith("features.")}
    two = {"labels": np.minimum(Y, 1), "classes": ("low", "other"), "network_name": "ft-cnn", "arguments": {}}
    frozen = fit(tmp_path / "frozen", start=kept, frozen=["features"], **two)
    tuned = fit(tmp_path / "tuned", start=kept, **two)
    after = {name: frozen.network.state_dict()[name] for name in kept}
    # Batch statistics too.
    assert all(torch.equal(after[name], kept[name]) for name in kept)
    assert not torch.equal(tuned.network.state_dict()["features.0.weight"], kept["features.0.weight"])
    assert frozen.history[-1]["train_loss"] < frozen.history[0]["train_loss"]


def test_predictions_are_probabilities_of_the_rows_in_their_order(tmp_path, monkeypatch):
    network = fit(tmp_path, replace(OPTIONS, epochs=1)).network
    every = predict_windows(network.train(), X)
    assert every.shape == (len(X), 3)
    assert every.dtype == np.float32
    np.testing.assert_allclose(every.sum(1), 1, rtol=1e-5)
    monkeypatch.setattr(window_estimator, "PREDICTED_TOGETHER", 7)
    rows = np.array([250, 3, 3, 77] + [9] * 10)
    np.testing.assert_allclose(predict_windows(network, X, rows), every[rows], atol=1e-6)


def test_no_window_is_fetched_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(WindowSet, "__getitem__", lambda *_: pytest.fail("a single window was fetched"))
    fit(tmp_path, replace(RICH, epochs=1))


def test_beats_of_a_real_recording_are_learnt(tmp_path, mitdb):
    """Record 208 of DS1 has normal, ventricular and fusion beats."""
    from ecgtune.beats.kachuee import kachuee_beats

    record = read_record(mitdb / "208")
    marks = record.annotations["atr"]
    label = class_indices(marks.symbol)
    beats = np.isin(label, [0, 2, 3])
    until = 200_000
    beats &= marks.sample < until
    windows, _ = kachuee_beats(record.read(0, until + 1000)[:, 0], record.fs, marks.sample[beats])
    known = np.searchsorted([0, 2, 3], label[beats])
    order = np.random.default_rng(0).permutation(len(known))
    options = WindowOptions(epochs=3, batch=32, loss="weighted+focal", schedule="cosine", keep="macro-f1")
    fitted = fit_windows(
        "ft-cnn",
        {"rate": 125.0},
        windows[:, None],
        known,
        order[: len(order) * 3 // 4],
        order[len(order) * 3 // 4 :],
        options,
        tmp_path,
        classes=("N", "V", "F"),
    )
    assert len(order) > 800
    assert fitted.history[fitted.best - 1]["accuracy"] > 0.93


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"network_name": "vgg"}, "unknown network 'vgg'; known: ft-cnn, two-fold-focal"),
        ({"arguments": {"depth": 3}}, "network cnn: .*'depth'.*; correct its arguments"),
        ({"train": TRAIN[Y[TRAIN] < 2]}, "no beat of class high on the training side; take a split"),
        ({"train": TRAIN[:0]}, "no beat of class low on the training side"),
        ({"validate": None}, "keep loss needs a validation side; give one, or keep the last epoch"),
        ({"validate": TRAIN[-1:]}, "row 199 is on the training and on the validation side"),
        ({"validate": np.array([500])}, "row 500 on the validation side; the table has 260"),
        ({"windows": X[:, 0]}, r"windows of shape \(260, 24\) with labels of shape \(260,\); give \[n, "),
        ({"labels": Y[1:]}, r"labels of shape \(259,\); give \[n, channels, width\] and \[n\]"),
        ({"labels": Y + 1}, "label 3 among those of 3 classes; give 0 to 2"),
        ({"labels": Y - 1}, "label -1 among those of 3 classes; give 0 to 2"),
        (
            {"windows": np.where(np.arange(260)[:, None, None] == 7, np.nan, X)},
            "window 7 holds samples that are no numbers",
        ),
        ({"frozen": ["feature"]}, "the network has no part 'feature' to freeze; it has: features, head"),
        ({"frozen": ["features", "head"]}, "every part of the network is frozen; leave one to train"),
        (
            {"start": {"head.1.weight": torch.zeros(2, 2)}},
            r"start has head.1.weight of shape \(2, 2\), which",
        ),
        ({"options": replace(OPTIONS, alpha=(1.0, 2.0), loss="focal")}, "alpha has 2 weights for 3 classes"),
        ({"options": replace(OPTIONS, alpha=(1.0, -2.0, 1.0), loss="focal")}, "class weights .* 0 or more"),
        (
            {"options": replace(OPTIONS, augmentation=SmallClasses(targets=(1, 2)))},
            "augmentation has 2 targets for 3 classes; give one for each",
        ),
        (
            {"options": replace(OPTIONS, lr=1e30), "windows": X * 1e20},
            "the training loss is (nan|inf) in epoch .; give a smaller lr",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(tmp_path, other, said):
    with pytest.raises(ModelError, match=said) as told:
        fit(tmp_path, **other)
    assert "\n" not in str(told.value)


def test_a_class_that_may_lack_is_not_learnt_and_does_no_harm(tmp_path):
    rows = TRAIN[Y[TRAIN] < 2]
    fitted = fit(tmp_path, replace(RICH, may_lack=("high",)), train=rows)
    assert np.isfinite(fitted.history[-1]["valid_loss"])
    with pytest.raises(ModelError, match="fewer than two classes; take beats of two or more"):
        fit(tmp_path, replace(RICH, may_lack=CLASSES), train=TRAIN[Y[TRAIN] < 1])


def test_nothing_to_predict_is_told():
    network = build_window_network("cnn", channels=1, width=WIDTH, classes=3)
    with pytest.raises(ModelError, match="no windows to predict; give at least one"):
        predict_windows(network, X, np.zeros(0, dtype=np.int64))
