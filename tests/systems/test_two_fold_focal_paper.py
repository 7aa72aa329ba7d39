"""What the paper's tables say of themselves, and figures in their form, by hand."""

import numpy as np
import pytest

from ecgtune.labels import CLASSES
from ecgtune.systems.config import load_config
from ecgtune.systems.two_fold_focal_paper import by_class, class_balanced, implied, overall

MITDB = {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043}

MATRIX = np.array(
    [
        [80, 10, 5, 5, 0],
        [2, 8, 0, 0, 0],
        [0, 0, 20, 0, 0],
        [1, 0, 1, 2, 0],
        [0, 0, 0, 0, 16],
    ]
)


@pytest.fixture
def classes() -> dict[str, list[float]]:
    return load_config("two-fold-focal")["paper"]["classes"]


def test_the_papers_f1_is_that_of_its_precision_and_recall(classes: dict[str, list[float]]) -> None:
    for precision, recall, f1, _ in classes.values():
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall), abs=0.006)


def test_its_table_1_is_not_of_beats_in_their_natural_frequencies(classes: dict[str, list[float]]) -> None:
    total = sum(MITDB.values())
    assert total == 109_494
    found = implied(classes, {name: count / total for name, count in MITDB.items()})
    # N's precision needs twice and more as many false N as its own table leaves, whatever the rounding.
    assert found["called N, at least"] == pytest.approx(90_631 / total * 0.975 * (1 / 0.975 - 1))
    assert found["called N, at least"] > 3 * found["missed, at most"]
    assert found["accuracy, at most"] == pytest.approx(0.984, abs=0.001)


def test_it_may_be_of_a_class_balanced_test_side(classes: dict[str, list[float]]) -> None:
    found = implied(classes, dict.fromkeys(CLASSES, 0.2))
    assert found["called N, at least"] < found["missed, at most"]
    # The sum of what is called each class is all there is, to within the rounding.
    called = [0.2 * recall / precision for precision, recall, *_ in classes.values()]
    assert sum(called) == pytest.approx(1, abs=0.011)


def test_neither_gives_the_accuracy_of_its_table_2(classes: dict[str, list[float]]) -> None:
    total = sum(MITDB.values())
    for shares in ({k: v / total for k, v in MITDB.items()}, dict.fromkeys(CLASSES, 0.2)):
        assert (
            implied(classes, shares)["accuracy, at most"] < load_config("two-fold-focal")["paper"]["accuracy"]
        )


def test_figures_of_a_class_by_hand() -> None:
    found = by_class(MATRIX)
    assert found["S"]["precision"] == pytest.approx(8 / 18)
    assert found["S"]["recall"] == pytest.approx(8 / 10)
    assert found["S"]["F1"] == pytest.approx(16 / 28)
    # 150 beats, 10 false S and 2 missed.
    assert found["S"]["accuracy"] == pytest.approx(138 / 150)
    assert list(found["Q"].values()) == [1, 1, 1, 1]


def test_figures_of_the_whole_by_hand() -> None:
    found = overall(MATRIX)
    assert found["accuracy"] == pytest.approx(126 / 150)
    assert found["recall"] == pytest.approx((0.8 + 0.8 + 1 + 0.5 + 1) / 5)
    assert found["precision"] == pytest.approx((80 / 83 + 8 / 18 + 20 / 26 + 2 / 7 + 1) / 5)


def test_a_balanced_test_side_counts_each_class_the_same() -> None:
    balanced = class_balanced(MATRIX)
    assert balanced.sum(1) == pytest.approx(np.ones(5))
    before, after = by_class(MATRIX), by_class(balanced)
    assert [after[name]["recall"] for name in CLASSES] == [before[name]["recall"] for name in CLASSES]
    assert after["S"]["precision"] == pytest.approx(0.8 / (0.8 + 0.1))
    assert overall(balanced)["accuracy"] == pytest.approx(overall(MATRIX)["recall"])


def test_a_class_that_the_test_side_lacks_does_not_count() -> None:
    matrix = MATRIX.copy()
    matrix[4] = 0
    assert overall(class_balanced(matrix))["recall"] == pytest.approx((0.8 + 0.8 + 1 + 0.5) / 4)
    assert np.isnan(by_class(matrix)["Q"]["recall"])
