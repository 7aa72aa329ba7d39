"""`Split`: which beats train, validate and test; printable, hashable, and an error where it leaks."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import SplitError
from ecgtune.labels import CLASSES
from ecgtune.splits.beat_index import NO_ROWS, BeatIndex, RecordKey, Rows, record_codes
from ecgtune.splits.boundaries import limit_samples, window_samples


@dataclass(frozen=True, eq=False)
class Split:
    """Who is where.

    Parameters
    ----------
    protocol
        Name of the protocol, e.g. ``"inter-patient"``.
    beats
        The index that the sides point into.
    train, validate, test
        Rows of `beats`, ascending; empty where the protocol has no such side.
    tune, tune_validate
        Rows of the test patients' own labelled minutes (`patient-adapted`), to tune on and to validate the
        tuning by; empty elsewhere.
    seed
        What the random choices were drawn with.
    fold
        Number of the fold, from 0, for the protocols with folds.
    classes
        Names of the classes that the labels index.
    window
        Seconds before and after a beat that its input covers; what may not cross a boundary in time.
    boundaries
        For records that are divided in time: the two instants, in seconds, that divide training (or tuning)
        from validation, and validation from testing.
    shared
        Patients that train and test may share; ``None`` stands for any, with `boundaries` at disjoint times.
    """

    protocol: str
    beats: BeatIndex = field(repr=False)
    train: Rows
    validate: Rows
    test: Rows
    tune: Rows = field(default_factory=lambda: NO_ROWS)
    tune_validate: Rows = field(default_factory=lambda: NO_ROWS)
    seed: int = 0
    fold: int | None = None
    classes: tuple[str, ...] = CLASSES
    window: tuple[float, float] = (0.0, 0.0)
    boundaries: Mapping[RecordKey, tuple[float, float]] = field(default_factory=dict, repr=False)
    shared: frozenset[str] | None = frozenset()

    def sides(self) -> Iterator[tuple[str, Rows]]:
        """Name and rows of each side that holds beats."""
        for name in ("train", "validate", "tune", "tune_validate", "test"):
            rows: Rows = getattr(self, name)
            if len(rows):
                yield name, rows

    @property
    def signal_until(self) -> dict[RecordKey, float]:
        """Second after which training (tuning) reads no signal of a record; no limit where it is absent.

        Training cuts the signal at ``int(signal_until * fs)`` *before* it filters or normalises it; 0 means
        that it reads nothing of the record, infinity that it may read all.
        """
        return {key: limits[0] for key, limits in self.boundaries.items()}

    @property
    def validate_until(self) -> dict[RecordKey, float]:
        """Second after which validation reads no signal of a record; no limit where it is absent."""
        return {key: limits[1] for key, limits in self.boundaries.items()}

    def patients(self, side: str) -> tuple[str, ...]:
        """Patients of one side, sorted."""
        return tuple(np.unique(self.beats.patient[getattr(self, side)]).tolist())

    def records(self, side: str) -> tuple[RecordKey, ...]:
        """Database and name of each record of one side, sorted."""
        return tuple(record_codes(self.beats, getattr(self, side))[0])

    def counts(self, rows: Rows) -> NDArray[np.int64]:
        """Number of beats of each class among some rows, int64 [classes]."""
        return np.bincount(self.beats.label[rows], minlength=len(self.classes)).astype(np.int64)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over the sorted (database, record, sample) of each side.

        The same on every machine and for every order of the rows; two splits of one hash hold the same beats
        on the same sides.
        """
        digest = hashlib.sha256()
        for name, rows in self.sides():
            columns = self.beats.database[rows], self.beats.record[rows], self.beats.sample[rows]
            order = np.lexsort(columns[::-1])
            digest.update(f"{name} {len(rows)}\n".encode())
            lines = zip(*(column[order].tolist() for column in columns), strict=True)
            digest.update("".join(f"{d}\t{r}\t{s}\n" for d, r, s in lines).encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Summarise for a result file or a model card: plain types only."""
        return {
            "protocol": self.protocol,
            "seed": self.seed,
            "fold": self.fold,
            "hash": self.hash,
            "window": list(self.window),
            "sides": {
                name: {
                    "patients": list(self.patients(name)),
                    "records": ["/".join(key) for key in self.records(name)],
                    "beats": dict(zip(self.classes, self.counts(rows).tolist(), strict=False)),
                }
                for name, rows in self.sides()
            },
        }

    def __str__(self) -> str:
        """Tabulate the sides, then every patient's beats by class on each side."""
        fold = "" if self.fold is None else f", fold {self.fold}"
        lines = [f"{self.protocol} (seed {self.seed}{fold}), hash {self.hash[:12]}"]
        if self.shared is None and not self.boundaries:
            lines.append("the same patient may be on both sides: this says nothing of a new patient")
        lines += ["", self._line("side", "patients", self.classes)]
        for name, rows in self.sides():
            lines.append(self._line(name, str(len(self.patients(name))), self.counts(rows)))
        lines += ["", self._line("side", "patient", self.classes)]
        for name, rows in self.sides():
            owner = self.beats.patient[rows]
            lines += [self._line(name, who, self.counts(rows[owner == who])) for who in self.patients(name)]
        return "\n".join(lines)

    @staticmethod
    def _line(side: str, who: str, cells: Any) -> str:
        return f"{side:<14}{who:<20}" + "".join(f"{cell!s:>9}" for cell in cells)

    def check(self) -> "Split":
        """Return the split itself if nobody is where the protocol forbids it.

        Raises
        ------
        SplitError
            Where a beat is on two sides, a patient is on sides that must not share one, or a beat's window
            crosses the boundary in time that divides its record; the text names the patients.
        """
        rows = np.concatenate([side for _, side in self.sides()] or [NO_ROWS])
        twice, times = np.unique(rows, return_counts=True)
        if np.any(times > 1):
            who = np.unique(self.beats.patient[twice[times > 1]])
            raise SplitError(f"{self.protocol}: {sum(times > 1)} beats of {_names(who)} are on two sides")
        if self.boundaries:
            self._check_time()
        if self.shared is not None:
            self._check_patients(self.shared)
        return self

    def _check_patients(self, shared: frozenset[str]) -> None:
        groups = {name: set(self.patients(name)) for name, _ in self.sides()}
        if self.boundaries:
            # A test patient is tuned on before the boundary: those sides are divided in time instead.
            tested = (groups.pop(name, set()) for name in ("tune", "tune_validate", "test"))
            groups["test"] = set().union(*tested)
        names = list(groups)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                # The exception of a protocol is between training and testing.
                allowed = shared if second == "test" else frozenset()
                if both := sorted((groups[first] & groups[second]) - allowed):
                    raise SplitError(
                        f"{self.protocol}: {_names(both)} on both sides, {first} and {second}; leave the "
                        "patient out of one, or use a protocol whose name says that it shares patients"
                    )

    def _check_time(self) -> None:
        own = self.shared is None
        before, between = (self.train, self.validate) if own else (self.tune, self.tune_validate)
        for place, rows in enumerate((before, between, self.test)):
            first, last = window_samples(self.beats, rows, self.window)
            early, late = limit_samples(self.beats, rows, self.boundaries)
            crosses = (last >= early, (first < early) | (last >= late), first < late)[place]
            if np.any(crosses):
                raise SplitError(
                    f"{self.protocol}: {int(crosses.sum())} windows of "
                    f"{_names(np.unique(self.beats.patient[rows[crosses]]))} cross the boundary in time"
                )


def _names(patients: Any) -> str:
    listing = [str(patient) for patient in patients]
    shown = ", ".join(listing[:5]) + (f" and {len(listing) - 5} more" if len(listing) > 5 else "")
    return f"patient{'s' if len(listing) > 1 else ''} {shown}"
