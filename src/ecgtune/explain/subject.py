"""What can be explained: a trained network seen one beat at a time, and the beats as it sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgtune.beats.cut import SNAP
from ecgtune.errors import ModelError
from ecgtune.record import Annotations, Record

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Names = NDArray[np.str_]

TOGETHER = 512
"""Examples in one step of prediction."""


@dataclass(frozen=True, eq=False)
class Reading:
    """All beats of a recording as preprocessing gives them; it depends on no weights.

    Parameters
    ----------
    database, record, patient
        Where they are from; ``database`` may be empty.
    fs
        Rate of the recording in Hz.
    leads
        Names of the leads that the network reads.
    sample
        Native sample of each beat (its annotation's where it has one), int64 [n], ascending.
    label
        Index of the annotated class, -1 where there is none, int64 [n].
    signal
        float32 [n, channels, samples] in the network's units; of sequence models every lead's window, then
        every lead's typical beat, then the mean of look-alikes where the model reads it.
    scale, offset
        ``scale * signal + offset`` is in mV, float32 [n, leads].
    rhythm
        RR features, float32 [n, features]; None where the network reads none.
    rr
        Seconds from the beat before and to the beat after, float32 [n, 2]; NaN where there is none.
    readable
        Whether some lead carried signal at the beat, bool [n]; `ecgtune.classification` leaves others out.
    fiducial
        Native sample that each window is cut around, int64 [n]; ``sample`` where None.
    own_share
        Share of each beat itself in the mean of its look-alikes, float32 [n]; None where there is none.
    usual
        Usual beat of each stretch of the recording, float32 [stretches, leads, samples]; None where the
        network is told nothing of it.
    """

    database: str
    record: str
    patient: str
    fs: float
    leads: tuple[str, ...]
    sample: Ints = field(repr=False)
    label: Ints = field(repr=False)
    signal: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    offset: Floats = field(repr=False)
    rhythm: Floats | None = field(repr=False)
    rr: Floats = field(repr=False)
    readable: NDArray[np.bool_] = field(repr=False)
    fiducial: Ints | None = field(default=None, repr=False)
    own_share: Floats | None = field(default=None, repr=False)
    usual: Floats | None = field(default=None, repr=False)

    def __len__(self) -> int:
        """Count the beats."""
        return len(self.sample)

    def examples(
        self,
        rows: Ints,
        *,
        signal: Floats,
        typical: Floats,
        typical_rhythm: Floats | None = None,
        context: tuple[NDArray[np.generic], ...] = (),
    ) -> "Examples":
        """Put some rows together with what a subject knows of them; see `Examples`."""
        count, channels = signal.shape[:2]
        names = [*self.leads, *["-"] * (channels - len(self.leads))]
        return Examples(
            signal=signal,
            rhythm=None if self.rhythm is None else self.rhythm[rows],
            context=context,
            typical=typical,
            typical_rhythm=typical_rhythm,
            scale=self.scale[rows],
            offset=self.offset[rows],
            leads=np.tile(np.array(names, dtype=np.str_), (count, 1)),
            rr=self.rr[rows],
            label=self.label[rows],
            database=np.full(count, self.database),
            record=np.full(count, self.record),
            sample=self.sample[rows],
            fs=np.full(count, self.fs),
        )


@dataclass(frozen=True)
class Examples:
    """Beats to explain, of one recording or many; each stands alone.

    Parameters
    ----------
    signal
        float32 [n, leads, samples] in the network's units; of images [n, 3, height, width].
    rhythm
        RR features, float32 [n, features]; None where the network reads none.
    context
        What else the network sees of each beat and what is held fixed (typical beat, encoded neighbours):
        arrays [n, ...], in the order in which `Subject.module` takes them.
    typical
        Median beat of the recording around each beat, like ``signal``: the baseline ``"typical-beat"``.
    typical_rhythm
        Median RR features of the recording, like ``rhythm``.
    scale, offset
        ``scale * signal + offset`` is in mV, float32 [n, leads]; NaN of images.
    leads
        Names, str [n, leads].
    rr
        Seconds from the beat before and to the beat after, float32 [n, 2]; NaN where there is none.
    label
        Index of the annotated class, int64 [n]; -1 where there is none.
    database, record
        Where from, str [n]; of images the record is the file.
    sample
        Native sample, int64 [n].
    fs
        Native rate in Hz, float64 [n].
    """

    signal: Floats = field(repr=False)
    rhythm: Floats | None = field(repr=False)
    context: tuple[NDArray[np.generic], ...] = field(repr=False)
    typical: Floats = field(repr=False)
    typical_rhythm: Floats | None = field(repr=False)
    scale: Floats = field(repr=False)
    offset: Floats = field(repr=False)
    leads: Names = field(repr=False)
    rr: Floats = field(repr=False)
    label: Ints = field(repr=False)
    database: Names = field(repr=False)
    record: Names = field(repr=False)
    sample: Ints = field(repr=False)
    fs: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        """Count the beats."""
        return len(self.signal)

    @property
    def time(self) -> NDArray[np.float64]:
        """Seconds from the recording's start, [n]."""
        return self.sample / self.fs

    @property
    def millivolts(self) -> Floats:
        """The windows in mV, float32 [n, leads, samples]."""
        return self.signal * self.scale[:, :, np.newaxis] + self.offset[:, :, np.newaxis]

    def select(self, rows: NDArray[np.bool_] | NDArray[np.integer] | slice) -> "Examples":
        """Return the beats that a mask, an index array or a slice picks."""
        picked: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, tuple):
                picked[each.name] = tuple(part[rows] for part in value)
            else:
                picked[each.name] = None if value is None else value[rows]
        return Examples(**picked)

    def with_signal(self, signal: Floats) -> "Examples":
        """Return the same beats with another signal, masked or noisy for example."""
        return replace(self, signal=np.asarray(signal, dtype=np.float32))


def concatenate(several: Sequence[Examples]) -> Examples:
    """Put examples of one subject below each other.

    Raises
    ------
    ModelError
        Where there are none.
    """
    if not several:
        raise ModelError("no beats to explain; give at least one")
    joined: dict[str, Any] = {}
    for each in fields(Examples):
        values = [getattr(one, each.name) for one in several]
        if isinstance(values[0], tuple):
            joined[each.name] = tuple(np.concatenate(parts) for parts in zip(*values, strict=True))
        else:
            joined[each.name] = None if values[0] is None else np.concatenate(values)
    return Examples(**joined)


class Subject(Protocol):
    """A trained model that can be explained: of recordings, or of images (`ImageSubject`)."""

    @property
    def name(self) -> str:
        """Of the model, as outputs quote it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """What may stand for "nothing there"."""

    @property
    def network(self) -> nn.Module:
        """The whole network, in evaluation mode."""

    @property
    def module(self) -> nn.Module:
        """The network's view of single examples.

        Takes signal [n, leads, samples], rhythm [n, features] where there are RR features (None or nothing
        where not), then the tensors of ``Examples.context``; gives logits [n, classes].
        """

    @property
    def convolution(self) -> nn.Module | None:
        """The last convolution that an example's signal goes through, for Grad-CAM; None without one."""

    @property
    def occluded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape of the window that occlusion moves over the signal, and its stride."""

    def with_network(self, network: nn.Module) -> "Subject":
        """Return the same subject with another network of the same kind: with random weights, for example."""


class SignalAlone(nn.Module):
    """A network that takes the signal and nothing else, called as every subject's module is.

    Parameters
    ----------
    network
        Takes signals [n, ...], gives logits [n, classes].
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, signal: Tensor, rhythm: Tensor | None = None) -> Tensor:
        """Logits [n, classes]; there are no RR features."""
        logits: Tensor = self.network(signal)
        return logits


OCCLUDED_S = 0.06
"""Seconds that occlusion takes away at a time, half a P wave; the next window begins half of it later."""


def beat_window(fs: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`Subject.occluded` of windows at a rate: one lead at a time."""
    width = max(1, round(OCCLUDED_S * fs))
    return (1, width), (1, max(1, width // 2))


class BeatSubject(Subject, Protocol):
    """A model that labels beats of recordings."""

    @property
    def fs(self) -> float:
        """Samples of a window per second."""

    @property
    def before(self) -> int:
        """Samples of a window before the fiducial."""

    @property
    def width(self) -> int:
        """Samples of a window."""

    @property
    def leads(self) -> tuple[str, ...]:
        """A name for each lead that the network reads; a recording has names of its own."""

    @property
    def rhythm_features(self) -> tuple[str, ...]:
        """Names of the RR features; none where the network reads none."""

    @property
    def trained_on(self) -> frozenset[str]:
        """Patients (``mitdb/208``) that the model was trained on."""

    def read(
        self,
        record: Record,
        annotations: Annotations | None = None,
        *,
        leads: Sequence[str | int] | None = None,
        database: str = "",
        snap: int = SNAP,
    ) -> Reading:
        """Cut and prepare all beats of a recording.

        Parameters
        ----------
        record
            The recording.
        annotations
            Positions and labels of the beats; the detector finds them where None.
        leads
            Names or indices of the leads to use; all where None, of which the model takes its own.
        database
            Where the recording is from.
        snap
            Working samples that an annotated beat is moved by, to a detected one; see `annotated_beats`.

        Raises
        ------
        RecordError
            Where no beat is found, no lead has signal, or the network needs more leads.
        """

    def probability(self, reading: Reading) -> Floats:
        """Probabilities of all beats of a recording as labelling it gives them, float32 [n, classes]."""

    def examples(self, reading: Reading, rows: NDArray[np.integer] | None = None) -> Examples:
        """Some beats of a recording as examples, all where ``rows`` is None.

        What is held fixed of their neighbours is computed by the subject's network: examples belong to it
        (`with_network` asks for new ones; the reading stays).
        """

    def with_network(self, network: nn.Module) -> "BeatSubject":
        """Return the same subject with another network of the same kind."""


def rr_seconds(times: NDArray[np.floating]) -> Floats:
    """Seconds before and after each beat, float32 [n, 2]; NaN at the ends."""
    rr = np.diff(np.asarray(times, dtype=np.float64))
    missing = [np.nan] if len(times) else []
    return np.stack([np.r_[missing, rr], np.r_[rr, missing]], axis=1).astype(np.float32)


def inputs_of(examples: Examples) -> tuple[Tensor, ...]:
    """What is explained, as tensors: the signal, and RR features where there are some."""
    signal = torch.from_numpy(np.ascontiguousarray(examples.signal))
    if examples.rhythm is None:
        return (signal,)
    return signal, torch.from_numpy(np.ascontiguousarray(examples.rhythm))


def context_of(examples: Examples) -> tuple[Tensor, ...]:
    """What is held fixed, as tensors."""
    return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in examples.context)


def logits_of(subject: Subject, examples: Examples) -> Floats:
    """Logits of examples, float32 [n, classes], by the single-beat view."""
    module, found = subject.module, []
    with torch.inference_mode():
        for at in range(0, len(examples), TOGETHER):
            some = examples.select(slice(at, at + TOGETHER))
            found.append(module(*inputs_of(some), *context_of(some)).numpy())
    return np.concatenate(found) if found else np.zeros((0, len(subject.classes)), dtype=np.float32)
