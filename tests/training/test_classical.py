"""The classical models on made-up windows and on a few real beats."""

import numpy as np
import pytest

from ecgtune.errors import ModelError
from ecgtune.labels import class_indices
from ecgtune.readers import read_record
from ecgtune.training.classical import (
    CLASSICAL_MODELS,
    classical_inputs,
    fit_classical,
    predict_classical,
)

CLASSES = ("low", "middle", "high")

every_model = pytest.mark.parametrize("name", CLASSICAL_MODELS)


def made_up(n: int = 240, width: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows that tell the first class from the others, RR features that tell those two."""
    draw = np.random.default_rng(0)
    labels = draw.choice(3, n, p=[0.5, 0.3, 0.2])
    windows = (
        0.3 * draw.standard_normal((n, 1, width)) + np.sin(np.arange(width) / 3) * (labels > 0)[:, None, None]
    )
    rhythm = 0.3 * draw.standard_normal((n, 2)) + (labels == 2)[:, None]
    return windows.astype(np.float32), rhythm.astype(np.float32), labels


WINDOWS, RHYTHM, LABELS = made_up()
TRAIN, TEST = np.arange(160), np.arange(160, 240)


def right(name: str, rhythm: np.ndarray | None) -> float:
    fitted = fit_classical(name, WINDOWS, LABELS, TRAIN, rhythm=rhythm, classes=CLASSES)
    predicted = predict_classical(fitted, WINDOWS, TEST, rhythm=rhythm)
    assert predicted.shape == TEST.shape
    assert predicted.dtype == np.int64
    return float((predicted == LABELS[TEST]).mean())


def test_there_are_six():
    assert list(CLASSICAL_MODELS) == [
        "svm",
        "random-forest",
        "gradient-boosting",
        "k-nearest-neighbours",
        "decision-tree",
        "logistic-regression",
    ]


@every_model
def test_every_model_learns_from_windows_and_more_with_rhythm(name):
    assert 0.6 < right(name, None) < 0.9
    assert right(name, RHYTHM) > 0.9
    assert CLASSICAL_MODELS[name].__doc__


@every_model
def test_the_same_call_gives_the_same_labels(name):
    one, again = (
        predict_classical(fit_classical(name, WINDOWS, LABELS, TRAIN, classes=CLASSES, seed=3), WINDOWS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, again)
    assert one.shape == LABELS.shape


@pytest.mark.parametrize("name", [name for name in CLASSICAL_MODELS if name != "k-nearest-neighbours"])
def test_weights_bring_a_small_class_back(name):
    draw = np.random.default_rng(1)
    labels = np.repeat([0, 1], [380, 20])
    windows = (draw.standard_normal((400, 1, 4)) + 1.2 * labels[:, None, None]).astype(np.float32)
    rows = draw.permutation(400)
    found = []
    for weighted in (False, True):
        fitted = fit_classical(
            name, windows, labels, rows[:300], classes=("many", "few"), weighted=weighted, seed=1
        )
        found.append(int(predict_classical(fitted, windows, rows[300:]).sum()))
    if name in ("svm", "logistic-regression", "decision-tree"):
        assert found[1] > found[0]
    else:
        assert found[1] >= found[0]


def test_the_test_side_teaches_nothing():
    changed = WINDOWS.copy()
    changed[TEST] += 100
    fitted = [
        fit_classical("svm", windows, LABELS, TRAIN, rhythm=RHYTHM, classes=CLASSES)
        for windows in (WINDOWS, changed)
    ]
    one, other = (predict_classical(each, WINDOWS, TEST, rhythm=RHYTHM) for each in fitted)
    np.testing.assert_array_equal(one, other)


def test_windows_are_flattened_and_rhythm_comes_after_them():
    made = classical_inputs(WINDOWS[:, [0, 0]], RHYTHM)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made[:, 30:60], WINDOWS[:, 0])
    np.testing.assert_array_equal(made[:, 60:], RHYTHM)


@every_model
def test_beats_of_a_real_recording_are_learnt(name, mitdb):
    """Record 208 of DS1 has normal, ventricular and fusion beats."""
    from ecgtune.beats.kachuee import kachuee_beats

    record = read_record(mitdb / "208")
    marks = record.annotations["atr"]
    label = class_indices(marks.symbol)
    beats = np.isin(label, [0, 2, 3]) & (marks.sample < 200_000)
    windows, _ = kachuee_beats(record.read(0, 201_000)[:, 0], record.fs, marks.sample[beats])
    labels = np.searchsorted([0, 2, 3], label[beats])
    order = np.random.default_rng(0).permutation(len(labels))
    cut = len(order) * 3 // 4
    fitted = fit_classical(name, windows[:, None], labels, order[:cut], classes=("N", "V", "F"))
    predicted = predict_classical(fitted, windows[:, None], order[cut:])
    assert (predicted == labels[order[cut:]]).mean() > 0.9
    assert fitted.seconds > 0


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"name": "naive-bayes"},
            "unknown model 'naive-bayes'; known: svm, random-forest, gradient-boosting",
        ),
        ({"train": TRAIN[LABELS[TRAIN] < 2]}, "no beat of class high on the training side; take a split"),
        (
            {"train": TRAIN[LABELS[TRAIN] < 1], "may_lack": CLASSES},
            "fewer than two classes; take beats of two",
        ),
        ({"labels": LABELS[1:]}, r"labels of shape \(239,\) for 240 windows; give one for each"),
        ({"rhythm": RHYTHM[1:]}, r"RR features of shape \(239, 2\); give \[n, channels, width\] and"),
        ({"windows": WINDOWS[:, 0]}, r"windows of shape \(240, 30\) with RR features of shape \(240, 0\)"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(other, said):
    given = {"name": "svm", "windows": WINDOWS, "labels": LABELS, "train": TRAIN, "classes": CLASSES}
    with pytest.raises(ModelError, match=said) as told:
        fit_classical(**(given | other))
    assert "\n" not in str(told.value)


def test_a_class_that_may_lack_is_never_predicted():
    rows = TRAIN[LABELS[TRAIN] != 1]
    fitted = fit_classical("decision-tree", WINDOWS, LABELS, rows, classes=CLASSES, may_lack=("middle",))
    assert set(predict_classical(fitted, WINDOWS).tolist()) == {0, 2}
