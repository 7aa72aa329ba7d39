"""Area under the receiver operating characteristic, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.ranking import auroc


@pytest.fixture
def subjects() -> tuple[np.ndarray, np.ndarray]:
    """Scores of three repetitions, with ties, and who is positive."""
    random = np.random.default_rng(0)
    positive = random.random(40) < 0.3
    return np.round(random.normal(size=(3, 40)) + positive, 1), positive


def test_it_is_scikit_learns(subjects: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = subjects
    every = [roc_auc_score(positive, row) for row in scores]
    assert auroc(scores[0], positive).value == pytest.approx(every[0])
    assert auroc(scores, positive).value == pytest.approx(np.mean(every))


def test_pairs_by_hand() -> None:
    # Of six pairs four are right and one is a tie.
    assert auroc([0.9, 0.4, 0.4, 0.5, 0.1], [1, 1, 0, 0, 0]).value == pytest.approx(4.5 / 6)
    assert auroc([0.1, 0.9], [True, False]).value == 0


def test_the_interval_is_that_of_resampled_subjects(subjects: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = subjects
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        chosen = random.integers(0, 40, 40)
        has = positive[chosen]
        if 0 < has.sum() < 40:
            above = scores[:, chosen[has], np.newaxis] - scores[:, np.newaxis, chosen[~has]]
            drawn.append(np.mean((above > 0) + 0.5 * (above == 0)))
    found = auroc(scores, positive)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
    assert (found.n_records, found.confidence) == (40, 0.95)


def test_a_difference_is_drawn_together(subjects: tuple[np.ndarray, np.ndarray]) -> None:
    scores, positive = subjects
    none = auroc(scores, positive, against=scores)
    assert (none.value, none.low, none.high) == (0, 0, 0)
    better = auroc(positive.astype(float), positive, against=scores)
    assert better.value == pytest.approx(1 - auroc(scores, positive).value)
    assert better.low > 0


@pytest.mark.parametrize(
    ("scores", "positive", "says"),
    [
        ([0.1, 0.2], [True, True], "2 of 2 are positive; both kinds are needed"),
        ([0.1, 0.2], [True, False, False], r"scores of shape \[2\] for 3 subjects"),
        ([0.1, np.nan], [True, False], "give a number for each"),
    ],
)
def test_what_has_no_area(scores: list[float], positive: list[bool], says: str) -> None:
    with pytest.raises(EvaluationError, match=says):
        auroc(scores, positive)
