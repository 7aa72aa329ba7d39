"""The protocols as scikit-learn's splitters, without importing scikit-learn."""

from collections.abc import Iterator
from typing import Any

from ecgtune.errors import SplitError
from ecgtune.splits.beat_index import BeatIndex, Rows
from ecgtune.splits.choose import joined
from ecgtune.splits.protocols import make_folds


class Splitter:
    """A protocol as the ``cv`` of scikit-learn's searches and cross-validations.

    Parameters
    ----------
    protocol
        A name of `PROTOCOLS`.
    beats
        The index of the beats that ``X`` holds, row by row; where it is not given, ``X`` itself must be one.
    seed, options
        As in `make_split`.

    Examples
    --------
    >>> search = GridSearchCV(model, grid, cv=Splitter("leave-patients-out", beats, k=5))  # doctest: +SKIP
    """

    def __init__(
        self, protocol: str, beats: BeatIndex | None = None, *, seed: int = 0, **options: Any
    ) -> None:
        self.protocol = protocol
        self.beats = beats
        self.seed = seed
        self.options = options

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Rows to train and to test on, ascending, fold by fold.

        scikit-learn knows two sides: a validation side goes to training, unless the protocol has no test side
        (`leave-patients-out`), where it takes its place. ``y`` and ``groups`` are not used, since the beats
        know their classes and patients.

        Raises
        ------
        SplitError
            As `make_split`, and where ``X`` and the beats differ in length.
        """
        beats: BeatIndex = X if self.beats is None else self.beats
        if len(X) != len(beats):
            raise SplitError(f"{self.protocol}: X has {len(X)} rows for {len(beats)} beats")
        for fold in make_folds(beats, self.protocol, seed=self.seed, **self.options):
            if len(fold.test):
                yield joined([rows for name, rows in fold.sides() if name != "test"]), fold.test
            else:
                yield fold.train, fold.validate

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds."""
        beats: BeatIndex = X if self.beats is None else self.beats
        return len(make_folds(beats, self.protocol, seed=self.seed, **self.options))
