"""Which beats a report explains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_beats_explained import all_of, random_reading

from ecgtune.errors import DataError
from ecgtune.explain.beats_of import (
    Index,
    deal,
    held_out,
    index_records,
    most_classes,
    records_of,
)


def labels_of(**counts):
    """Class 0 as often as each record has it, and one beat without a class."""
    return {("made-up", name): np.array([-1] + [0] * count) for name, count in counts.items()}


def test_beats_come_from_as_many_records_as_possible():
    dealt = deal(labels_of(a=100, b=3, c=50), 23, seed=0)
    assert {key[1]: len(rows) for key, rows in dealt.items()} == {"a": 10, "b": 3, "c": 10}


@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    total=st.integers(1, 40),
    seed=st.integers(0, 5),
)
def test_a_draw_is_as_even_as_the_records_allow(counts, total, seed):
    labels = labels_of(**{f"r{i}": count for i, count in enumerate(counts)})
    given_counts = [len(rows) for rows in deal(labels, total, seed).values()]
    assert sum(given_counts) == min(total, sum(counts))
    for mine, there in zip(given_counts, counts, strict=True):
        # Whoever has beats left has at most one less than anybody.
        assert mine == there or mine >= max(given_counts) - 1


def test_rows_are_of_their_class_in_order_and_from_the_seed():
    rng = np.random.default_rng(0)
    labels = {("made-up", name): rng.integers(-1, 3, 60) for name in "abc"}
    dealt = deal(labels, 12, seed=4)
    chosen = np.concatenate([labels[key][rows] for key, rows in dealt.items()])
    assert np.bincount(chosen).tolist() == [12, 12, 12]
    assert all((np.diff(rows) > 0).all() for rows in dealt.values())
    again, other = deal(labels, 12, seed=4), deal(labels, 12, seed=5)
    assert all((dealt[key] == again[key]).all() for key in dealt)
    assert any(not np.array_equal(dealt[key], other[key]) for key in dealt)


def test_fewer_are_dealt_the_same_way():
    drawn = all_of(random_reading(n=30), random_reading(n=30, seed=1, record="101"))
    few = drawn.thin(4, seed=0)
    chosen = np.concatenate(
        [reading.label[rows] for reading, rows in zip(few.readings, few.rows, strict=True)]
    )
    assert np.bincount(chosen).tolist() == [4, 4, 4]
    assert [len(rows) for rows in few.rows] == [6, 6]


def index_of(classes):
    keys = tuple(("made-up", name) for name in classes)
    return Index(
        keys,
        {key: f"made-up/{key[1]}" for key in keys},
        {key: np.arange(len(classes[key[1]])) for key in keys},
        {key: np.array(classes[key[1]]) for key in keys},
    )


def test_a_few_records_hold_as_many_classes_as_possible():
    index = index_of({"a": [0, 0], "b": [0, 1], "c": [0], "d": [0, 2, -1], "e": [0, 1]})
    found = most_classes(index, index.keys, 2, seed=0)
    assert {label for key in found for label in index.label[key].tolist()} >= {0, 1, 2}
    assert most_classes(index, index.keys, 9, seed=0) == index.keys


def test_records_of_the_models_own_patients_are_left_out():
    index = index_of({"a": [0], "b": [0]})
    assert held_out(index, frozenset({"made-up/a"})) == (("made-up", "b"),)
    assert held_out(index, frozenset()) == index.keys


@pytest.mark.usefixtures("data")
def test_paced_records_are_not_explained_unless_named():
    every = records_of("mitdb")
    assert ("mitdb", "102") not in every
    assert len(every) == 44
    assert records_of("mitdb", ["102"]) == (("mitdb", "102"),)
    with pytest.raises(DataError, match="mitdb: no record 999"):
        records_of("mitdb", ["208", "999"])


@pytest.mark.usefixtures("data")
def test_an_index_knows_patients_and_classes():
    index = index_records([("mitdb", "208")])
    assert index.patient == {("mitdb", "208"): "mitdb/208"}
    # 373 fusion beats, the fourth class.
    assert np.bincount(index.label["mitdb", "208"])[3] == 373
