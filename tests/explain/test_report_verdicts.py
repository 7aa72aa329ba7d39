"""What counts as faithful, sane and robust, and how a report says so."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up_beats_explained import all_of, random_reading, small_network, subject_around

from ecgtune.evaluation.bootstrap import Interval
from ecgtune.explain.faithfulness import Curves
from ecgtune.explain.report_faith import EDGES, RANDOM, Faith
from ecgtune.explain.report_sanity import Sanity
from ecgtune.explain.report_verdicts import (
    FAITHFUL,
    ROBUST,
    SANE,
    Criterion,
    Verdict,
    by_record,
    headline,
    judge,
    passed,
    reasons,
    verdicts_of,
)
from ecgtune.explain.sanity import Likeness
from ecgtune.explain.sanity_labels import Memorised


def interval(value, low, high, records=5):
    return Interval(value, low, high, 0.95, records, 1.0)


@pytest.mark.parametrize(
    ("found", "met"),
    [
        (interval(-0.2, -0.3, -0.1), True),
        (interval(-0.2, -0.5, 0.0), False),
        (interval(0.2, 0.1, 0.3), False),
        (interval(-0.2, -0.3, -0.1, records=2), False),
        (interval(math.nan, math.nan, math.nan, records=0), False),
    ],
)
def test_all_of_an_interval_must_lie_below_the_limit(found, met):
    assert Criterion("a difference", found, 0.0).passed is met


def test_one_criterion_that_is_not_met_decides():
    good, bad = (
        Criterion("one", interval(0.1, 0.0, 0.2), 0.5),
        Criterion("other", interval(0.6, 0.5, 0.7), 0.5),
    )
    assert judge(SANE, "m", "zero", [good]).holds
    verdict = judge(SANE, "m", "zero", [good, bad])
    assert not verdict.holds
    assert verdict.reason == "other is 0.600 (0.500 to 0.700), where less than 0.5 is asked"


def test_too_few_records_are_no_verdict():
    few = Criterion("it", interval(0.0, 0.0, 0.0, records=2), 0.5)
    assert "defined in 2 records, too few for a verdict" in judge(ROBUST, "m", "zero", [few]).reason


@pytest.fixture
def beats():
    """Twelve beats of each of four records."""
    readings = [random_reading(n=12, seed=i, record=f"10{i}") for i in range(4)]
    return all_of(*readings).examples(subject_around(small_network()))


def test_records_count_alike_whatever_their_beats(beats):
    values = np.where(beats.record == "100", 1.0, 0.0)
    values[:10] = np.nan
    found = by_record(values, beats)
    assert found.value == pytest.approx(0.25)
    assert found.n_records == 4
    assert found.low < 0.25 < found.high
    assert by_record(np.full(len(beats), np.nan), beats).n_records == 0


def measured(beats, *, area=-0.2, edges=0.0, weights=(0.1, 0.1), labels=(0.1, 0.1), change=0.1):
    """Figures of one method and filling: area less that of random orders, likenesses, sensitivity."""
    rng = np.random.default_rng(0)
    n = len(beats)

    def curves(level):
        straight = np.tile(level, (n, 2)) + rng.normal(scale=0.01, size=(n, 1))
        return Curves(np.array([0.0, 1.0]), straight, straight)

    def like(pair):
        return Likeness(*(level + rng.normal(scale=0.01, size=n) for level in pair))

    by = ("zero", "m")
    faith = Faith(
        examples=beats,
        target=np.zeros(n, dtype=np.int64),
        methods=("m",),
        fillings=("zero",),
        values={},
        error={},
        deletion={
            by: curves(0.5 + area),
            ("zero", RANDOM): curves(0.5),
            ("zero", EDGES): curves(0.5 + edges),
        },
        insertion={},
        infidelity={},
        agreement={},
        between={},
        regions={},
        room={},
    )
    sanity = Sanity(
        examples=beats,
        sensitivity={by: np.full(n, change)},
        stages=("a", "b"),
        depths=(1, 2),
        weights={by: [like((0.9, 0.9)), like(weights)]},
        labels={by: like(labels)},
        memorised=Memorised(small_network(), 1.0, 10, 5),
    )
    return {verdict.question: verdict for verdict in verdicts_of(faith, sanity)}


def test_a_method_that_passes_everything(beats):
    assert all(verdict.holds for verdict in measured(beats).values())


@pytest.mark.parametrize(
    ("figures", "failed", "why"),
    [
        ({"area": 0.0, "edges": 0.2}, FAITHFUL, "random orders"),
        ({"area": 0.1, "edges": 0.2}, FAITHFUL, "random orders"),
        ({"area": -0.2, "edges": -0.3}, FAITHFUL, "an edge detector"),
        ({"weights": (0.6, 0.1)}, SANE, "of contributions with all weights random"),
        ({"weights": (0.0, 0.7)}, SANE, "of their sizes with all weights random"),
        ({"labels": (0.1, 0.6)}, SANE, "of their sizes with permuted labels"),
        ({"change": 0.8}, ROBUST, "the change under noise is 0.8"),
    ],
)
def test_each_way_to_fail_fails_alone_and_says_why(beats, figures, failed, why):
    found = measured(beats, **figures)
    assert {question for question, verdict in found.items() if not verdict.holds} == {failed}
    assert why in found[failed].reason


def verdict(method, question, filling, holds):
    return Verdict(question, method, filling, holds, "a figure")


def test_the_first_line_says_what_fails_and_with_which_filling():
    every = [
        verdict(method, question, filling, True)
        for method in ("one", "two", "three")
        for question in (FAITHFUL, SANE, ROBUST)
        for filling in ("zero", "noise")
    ]
    assert headline("model 1", every) == (
        "PASSED: one, two and three explain model 1 faithfully, sanely and robustly with every filling."
    )
    some = [
        replace(each, holds=False)
        if (each.method, each.question) == ("one", SANE)
        or (each.method, each.question, each.filling) == ("two", FAITHFUL, "noise")
        else each
        for each in every
    ]
    assert headline("model 1", some) == (
        "FAILED: not every explanation of model 1 can be trusted: one is not sane; two is not faithful "
        "(filling noise). three passed everything."
    )
    assert passed(some)["two", FAITHFUL] == ("zero",)
    assert passed(some)["one", SANE] == ()
    assert reasons(some) == [
        "one is not sane: a figure (filling zero)",
        "two is not faithful: a figure (filling noise)",
    ]
