"""The vocabulary of the package: `Record` and `Annotations`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgtune.errors import RecordError
from ecgtune.labels import is_beat

FloatArray = NDArray[np.float32]

_ABSENT: NDArray[Any] = np.empty(0)
"""Stands for a column that was not given; filled in to the length of the others."""


@dataclass(frozen=True)
class Annotations:
    """Labels at instants of a recording.

    Parameters
    ----------
    sample
        Sample numbers at the record's rate, int64 [n], ascending.
    symbol
        WFDB symbols (``N``, ``V``, ``+``, ``~``, ...), str [n].
    aux
        Free text of each annotation (rhythm changes, notes), str [n]; empty strings where absent.
    subtype
        WFDB subtype, int16 [n]; zeros where absent.
    probability
        Class probabilities in the order of `ecgtune.labels.CLASSES`, float32 [n, 5], or None.
    """

    sample: NDArray[np.int64]
    symbol: NDArray[np.str_]
    aux: NDArray[np.str_] = field(default_factory=lambda: _ABSENT)
    subtype: NDArray[np.int16] = field(default_factory=lambda: _ABSENT)
    probability: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.sample)
        set_ = object.__setattr__
        set_(self, "sample", np.asarray(self.sample, dtype=np.int64))
        set_(self, "symbol", np.asarray(self.symbol, dtype=np.str_))
        set_(self, "aux", np.full(n, "") if self.aux is _ABSENT else np.asarray(self.aux, dtype=np.str_))
        subtype = np.zeros(n) if self.subtype is _ABSENT else self.subtype
        set_(self, "subtype", np.asarray(subtype, dtype=np.int16))
        for name in ("symbol", "aux", "subtype"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {n} samples")

    def __len__(self) -> int:
        """Count the annotations."""
        return len(self.sample)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Annotations":
        """Return the annotations that a mask, an index array or a slice picks."""
        return Annotations(
            self.sample[which],
            self.symbol[which],
            self.aux[which],
            self.subtype[which],
            None if self.probability is None else self.probability[which],
        )

    def beats(self) -> "Annotations":
        """Return only the annotations whose symbol marks a beat."""
        return self.select(is_beat(self.symbol))


class SignalSource(Protocol):
    """Where a record's samples come from; reads any piece on demand."""

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` in mV, float32 [samples, leads], NaN where missing."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Samples that are in memory already, in mV, float32 [samples, leads]."""

    signal: FloatArray

    def read(self, start: int, stop: int) -> FloatArray:
        """Return a view of the samples from ``start`` to ``stop``."""
        return self.signal[start:stop]


class LazyAnnotations(Mapping[str, Annotations]):
    """Annotations by annotator (WFDB extension); each file is read when first asked for."""

    def __init__(self, loaders: Mapping[str, Callable[[], Annotations]]) -> None:
        self._loaders = dict(loaders)
        self._loaded: dict[str, Annotations] = {}

    def __getitem__(self, annotator: str) -> Annotations:
        """Read (once) and return the annotations of one annotator; KeyError where it is not there."""
        if annotator not in self._loaded:
            self._loaded[annotator] = self._loaders[annotator]()
        return self._loaded[annotator]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the annotators' names."""
        return iter(self._loaders)

    def __len__(self) -> int:
        """Count the annotators."""
        return len(self._loaders)


@dataclass(frozen=True)
class Record:
    """One recording: samples on demand, leads, rate and labels.

    Parameters
    ----------
    name
        The record's name, e.g. ``"208"``; output files are named after it.
    fs
        Sampling rate in Hz.
    leads
        Lead names, normalised (`ecgtune.labels` has no say here; see `normalise_lead`). Names may repeat,
        as svdb's two ``ECG``; leads are therefore selected by index or by name where it is unique.
    n_samples
        Length in samples.
    source
        Reads pieces of the signal.
    patient
        Patient identity, for splits; the record's own name where nothing is known.
    start
        Time of day of the first sample, if known.
    notes
        What was not read of the file, for the user.
    annotations
        `Annotations` by annotator.
    path
        The file the record came from, for messages.
    per_frame
        Samples in a frame of a WFDB record; annotation files that tell no time resolution count in frames.
    """

    name: str
    fs: float
    leads: tuple[str, ...]
    n_samples: int
    source: SignalSource
    patient: str = ""
    start: datetime | None = None
    notes: tuple[str, ...] = ()
    annotations: Mapping[str, Annotations] = field(default_factory=lambda: LazyAnnotations({}))
    path: Path | None = None
    per_frame: int = 1

    @classmethod
    def from_array(
        cls,
        signal: ArrayLike,
        fs: float,
        leads: tuple[str, ...] | list[str] | None = None,
        *,
        name: str = "record",
        patient: str = "",
        annotations: Mapping[str, Annotations] | None = None,
    ) -> "Record":
        """Make a record of samples in memory.

        Parameters
        ----------
        signal
            mV, [samples] or [samples, leads].
        fs
            Sampling rate in Hz.
        leads
            Lead names; ``lead 1``, ``lead 2``, ... where not given.
        name, patient, annotations
            As in the class.
        """
        array = np.asarray(signal, dtype=np.float32)
        if array.ndim == 1:
            array = array[:, np.newaxis]
        if array.ndim != 2:
            raise RecordError(f"{name}: signal has {array.ndim} dimensions; give [samples, leads]")
        if leads is None:
            leads = tuple(f"lead {i + 1}" for i in range(array.shape[1]))
        if len(leads) != array.shape[1]:
            raise RecordError(f"{name}: {len(leads)} lead names for {array.shape[1]} leads")
        return cls(
            name,
            float(fs),
            tuple(leads),
            len(array),
            ArraySource(array),
            patient or name,
            annotations=annotations if annotations is not None else LazyAnnotations({}),
        )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs

    @property
    def signal(self) -> FloatArray:
        """The whole signal in mV, float32 [samples, leads]; use `read` for long recordings."""
        return self.read()

    def read(self, start: int = 0, stop: int | None = None) -> FloatArray:
        """Read samples ``start`` to ``stop`` in mV, float32 [samples, leads], NaN where missing.

        Raises
        ------
        RecordError
            Where the piece lies outside the record, or its file turns out to be shorter.
        """
        stop = self.n_samples if stop is None else stop
        if not 0 <= start <= stop <= self.n_samples:
            raise RecordError(
                f"{self.name}: samples {start} to {stop} asked for; the record has {self.n_samples}"
            )
        return self.source.read(start, stop)

    def lead_index(self, lead: str | int) -> int:
        """Find a lead by index or (unique, normalised) name.

        Raises
        ------
        RecordError
            Where the lead is not there, or its name stands for several leads.
        """
        listing = ", ".join(f"{i}: {name}" for i, name in enumerate(self.leads))
        if isinstance(lead, int) or lead.isdigit():
            if not 0 <= int(lead) < len(self.leads):
                raise RecordError(f"{self.name}: no lead {lead}; it has {listing}")
            return int(lead)
        matches = [i for i, name in enumerate(self.leads) if name == normalise_lead(lead)]
        if len(matches) != 1:
            problem = "no lead" if not matches else f"{len(matches)} leads are named"
            raise RecordError(f"{self.name}: {problem} {lead}; choose by index from {listing}")
        return matches[0]


_LEAD_NAMES = {
    name.lower(): name
    for name in (
        *("I", "II", "III", "aVR", "aVL", "aVF"),
        *(f"V{i}" for i in range(1, 10)),
        *("MLI", "MLII", "MLIII", "MV1", "MV2", "MV5", "CM5"),
    )
} | {"modified ii": "MLII", "vx": "X", "vy": "Y", "vz": "Z"}


def normalise_lead(name: str) -> str:
    """Bring a lead's name to its usual spelling.

    ``ii``, ``Lead II``, ``ECG II``, ``II.`` become ``II``; ``mlii`` becomes ``MLII``; unknown names stay as
    they are, without surrounding blanks.
    """
    plain = name.strip()
    key = plain.lower().rstrip(".:")
    for prefix in ("lead_", "lead ", "ecg_", "ecg ", "ecg-", "ekg "):
        key = key.removeprefix(prefix).strip()
    return _LEAD_NAMES.get(key, plain)
