"""How many beats of each class there are to learn from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError


def class_counts(
    labels: NDArray[np.integer], classes: Sequence[str], may_lack: Sequence[str] = ()
) -> NDArray[np.int64]:
    """Beats of each class on the training side, int64 [classes].

    Parameters
    ----------
    labels
        Index into ``classes`` of each beat, [n].
    classes
        Names of the classes.
    may_lack
        Classes that need not be there.

    Raises
    ------
    ModelError
        Where another class is not there, or there are fewer than two, of which nothing can be learnt.
    """
    counts = np.bincount(labels, minlength=len(classes)).astype(np.int64)
    absent = [name for name, n in zip(classes, counts, strict=True) if not n]
    lacking = [name for name in absent if name not in may_lack]
    if lacking:
        raise ModelError(
            f"no beat of class {lacking[0]} on the training side; take a split or records that have one, "
            "or name the class in may_lack"
        )
    if len(classes) - len(absent) < 2:
        raise ModelError("the training side has fewer than two classes; take beats of two or more")
    return counts
