"""Lead faults put into a recording, simulated or real: flat, off, saturated, noisy, swapped, wrong gain."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.record import FloatArray, Record, SignalSource
from ecgtune.signals.noise import NoiseSource

FAULT_KINDS: dict[str, float | None] = {
    "flat": 0.0,
    "off": None,
    "saturated": 5.0,
    "burst": 1.0,
    "motion": 1.0,
    "muscle": 1.0,
    "pop": 3.0,
    "inverted": None,
    "gain": 0.3,
}
"""Kinds of fault and the amount each has where none is given (None: it takes no amount).

========= =========================================================================================
flat      constant at ``amount`` mV
off       missing: NaN
saturated at the amplifier's rail of ``amount`` mV (5 mV as in the MIT-BIH recorders)
burst     electrode-motion and muscle noise of ``amount`` mV RMS is added
motion    of electrode motion alone; muscle likewise
pop       electrode pops, one a second on average, the first at once: steps of about ``amount`` mV in
          either direction that decay within half a second
inverted  polarity swapped
gain      multiplied by ``amount``
========= =========================================================================================
"""

_NOISE = {"burst": ("motion", "muscle"), "motion": ("motion",), "muscle": ("muscle",)}
"""What is added to a lead, in equal parts, where noise is a fault."""

_POP_DECAY = 0.15
# Time constant in seconds, and after how many of them nothing is left in float32. The limit lies at the same
# sample in whichever piece it is read.
_POP_REACH = 18


class Fault(NamedTuple):
    """A fault of one lead for a while; a plain tuple ``(lead, start, stop, kind)`` will do.

    Parameters
    ----------
    lead
        Index or name.
    start, stop
        Seconds from the start of the record; ``stop`` may lie beyond its end (``math.inf``).
    kind
        One of `FAULT_KINDS`.
    amount
        How much, in the unit given in `FAULT_KINDS`.
    """

    lead: str | int
    start: float
    stop: float
    kind: str
    amount: float | None = None


@dataclass(frozen=True)
class _Placed:
    """A fault in samples of one record."""

    lead: int
    start: int
    stop: int
    kind: str
    amount: float
    fs: float
    noise: tuple[NoiseSource, ...]
    pops: NDArray[np.float64]

    def apply(self, x: FloatArray, first: int) -> FloatArray:
        """Samples ``first`` onwards of the lead as the fault leaves them, float32 [n]."""
        match self.kind:
            case "flat" | "saturated":
                return np.full_like(x, self.amount)
            case "off":
                return np.full_like(x, np.nan)
            case "burst" | "motion" | "muscle":
                strength = np.float32(self.amount / np.sqrt(len(self.noise)))
                pieces = (source.read(first, first + len(x))[:, 0] for source in self.noise)
                return np.asarray(x + strength * sum(pieces), dtype=np.float32)
            case "pop":
                t = (first + np.arange(len(x))) / self.fs
                out = x.astype(np.float64)
                for at, step in self.pops[self._near(t)]:
                    age = (t - at) / _POP_DECAY
                    out += np.where((age >= 0) & (age < _POP_REACH), step * np.exp(-np.maximum(age, 0)), 0)
                return out.astype(np.float32)
            case "inverted":
                return -x
            case _:
                return x * np.float32(self.amount)

    def _near(self, t: NDArray[np.float64]) -> slice:
        """The pops that may reach these instants."""
        first, last = np.searchsorted(self.pops[:, 0], [t[0] - (_POP_REACH + 1) * _POP_DECAY, t[-1] + 1])
        return slice(int(first), int(last))


@dataclass(frozen=True)
class _FaultySource:
    source: SignalSource
    faults: tuple[_Placed, ...]

    def read(self, start: int, stop: int) -> FloatArray:
        piece = np.array(self.source.read(start, stop), dtype=np.float32)
        for fault in self.faults:
            a, b = max(start, fault.start), min(stop, fault.stop)
            if a < b:
                rows = slice(a - start, b - start)
                piece[rows, fault.lead] = fault.apply(piece[rows, fault.lead], a)
        return piece


def with_faults(
    record: Record,
    faults: Iterable[Fault | tuple[str | int, float, float, str]],
    *,
    seed: int = 0,
) -> Record:
    """The same record with lead faults, applied as it is read, in the order given.

    Parameters
    ----------
    record
        Any record, simulated or real.
    faults
        `Fault` or ``(lead, start, stop, kind)``, times in seconds.
    seed
        Decides the noise of bursts and the instants of pops.

    Raises
    ------
    ValueError
        On an unknown lead or kind, an amount the kind does not take, or a time outside the record.
    """
    placed = tuple(_place(record, Fault(*fault), [seed, number]) for number, fault in enumerate(faults))
    return replace(record, source=_FaultySource(record.source, placed)) if placed else record


def _place(record: Record, fault: Fault, seed: list[int]) -> _Placed:
    if fault.kind not in FAULT_KINDS:
        raise ValueError(f"unknown fault {fault.kind!r}; known: {', '.join(FAULT_KINDS)}")
    usual = FAULT_KINDS[fault.kind]
    if usual is None and fault.amount is not None:
        raise ValueError(f"fault {fault.kind!r} takes no amount; {fault.amount:g} was given")
    try:
        lead = record.lead_index(fault.lead)
    except RecordError as error:
        raise ValueError(f"fault {fault.kind!r}: {error}") from error
    if not 0 <= fault.start < min(fault.stop, record.duration):
        raise ValueError(
            f"fault {fault.kind!r} from {fault.start:g} s to {fault.stop:g} s: the start must come before "
            f"the stop and lie inside the record of {record.duration:g} s"
        )
    stop = min(fault.stop, record.duration)
    amount = (usual or 0.0) if fault.amount is None else float(fault.amount)
    rng = np.random.default_rng([*seed, 77])
    noise = _NOISE.get(fault.kind, ())
    pops = np.empty((0, 2))
    if fault.kind == "pop":
        more = np.sort(rng.uniform(fault.start, stop, rng.poisson(stop - fault.start)))
        at = np.concatenate([[fault.start], more])
        pops = np.column_stack([at, rng.choice([-1, 1], len(at)) * rng.uniform(0.6, 1.4, len(at))])
        pops[:, 1] *= amount
    return _Placed(
        lead,
        round(fault.start * record.fs),
        round(stop * record.fs),
        fault.kind,
        amount,
        record.fs,
        tuple(NoiseSource(kind, record.fs, 1, int(rng.integers(1 << 31))) for kind in noise),
        pops,
    )
