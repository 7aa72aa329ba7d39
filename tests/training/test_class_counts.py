import numpy as np
import pytest

from ecgtune.errors import ModelError
from ecgtune.training.class_counts import class_counts


def test_beats_are_counted_by_class():
    counts = class_counts(np.array([0, 2, 2, 1]), "NSV")
    assert counts.dtype == np.int64
    assert counts.tolist() == [1, 1, 2]


def test_a_class_that_lacks_is_named_unless_it_may_lack():
    labels = np.array([0, 2, 2])
    with pytest.raises(ModelError, match="no beat of class S on the training side; take a split or records"):
        class_counts(labels, "NSVF", may_lack=["F"])
    assert class_counts(labels, "NSVF", may_lack=["F", "S"]).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize("labels", [[], [1, 1]])
def test_one_class_is_not_enough(labels):
    with pytest.raises(ModelError, match="fewer than two classes; take beats of two or more"):
        class_counts(np.array(labels, dtype=np.int64), "NSV", may_lack="NSV")
