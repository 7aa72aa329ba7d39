"""Networks that look at one window alone, those of the published systems: each beat stands for itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgtune.beats import Preprocessing, annotated_beats
from ecgtune.beats.cut import SNAP
from ecgtune.errors import RecordError
from ecgtune.explain.baselines import BASELINES
from ecgtune.explain.layers import last_convolution
from ecgtune.explain.subject import Examples, Floats, Reading, SignalAlone, beat_window, rr_seconds
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.signals.detect import detect_beats
from ecgtune.signals.resample import to_native
from ecgtune.signals.stream import choose_leads, probe
from ecgtune.systems.beat_tables import record_windows
from ecgtune.training.window_estimator import predict_windows


@dataclass(frozen=True)
class WindowSubject:
    """A network of windows and how its windows are cut.

    Parameters
    ----------
    name
        Of the model.
    network
        In evaluation mode: windows [n, leads, width] to logits [n, classes].
    classes
        Names of the classes.
    windows
        How windows are cut and scaled; see `ecgtune.systems.beat_tables.beat_table`.
    lead_count
        Leads of a window.
    fs
        Samples of a window per second.
    before
        Samples of a window before the fiducial.
    width
        Samples of a window.
    trained_on
        Patients that the network was trained on.
    """

    name: str
    network: nn.Module = field(repr=False)
    classes: tuple[str, ...]
    windows: dict[str, Any] = field(repr=False)
    lead_count: int
    fs: float
    before: int
    width: int
    trained_on: frozenset[str] = field(default=frozenset(), repr=False)
    baselines: tuple[str, ...] = BASELINES

    @property
    def leads(self) -> tuple[str, ...]:
        """A name for each lead that the network reads."""
        return tuple(f"lead {i + 1}" for i in range(self.lead_count))

    @property
    def rhythm_features(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def module(self) -> nn.Module:
        """See `SignalAlone`."""
        return SignalAlone(self.network).eval()

    @property
    def convolution(self) -> nn.Module | None:
        """The last convolution that a window goes through."""
        return last_convolution(self.network, self.network, torch.zeros(1, self.lead_count, self.width))

    @property
    def occluded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What occlusion takes away at a time."""
        return beat_window(self.fs)

    def with_network(self, network: nn.Module) -> "WindowSubject":
        """Return the same with another network."""
        return replace(self, network=network.eval())

    def read(
        self,
        record: Record,
        annotations: Annotations | None = None,
        *,
        leads: Sequence[str | int] | None = None,
        database: str = "",
        snap: int = SNAP,
    ) -> Reading:
        """Cut all beats of a recording; see `BeatSubject.read`."""
        asked = choose_leads(record, leads)
        usable = probe(record, asked)
        if len(usable) < self.lead_count:
            there = ", ".join(record.leads[i] for i in usable) or "none"
            raise RecordError(
                f"{record.name}: {self.name} reads {self.lead_count} leads, with signal there is {there}; "
                "take another model, or a recording with more leads"
            )
        read = preferred_leads(record, usable, self.lead_count)
        if annotations is None:
            sample = at = detect_beats(record, usable)
            label = np.full(len(at), -1, dtype=np.int64)
        else:
            beats = annotated_beats(record, annotations, read, Preprocessing(leads=len(read)), snap=snap)
            at, sample, label = to_native(beats.at, record.fs), beats.sample, beats.label.astype(np.int64)
        at = np.clip(at, 0, record.n_samples - 1)
        if not len(at):
            raise RecordError(f"{record.name}: no beats found in {record.duration:.0f} s; is this an ECG?")
        cut = record_windows(self.windows, record, read, at)
        return Reading(
            database=database,
            record=record.name,
            patient=record.patient,
            fs=record.fs,
            leads=tuple(record.leads[i] for i in read),
            sample=sample,
            label=label,
            signal=cut.windows,
            scale=cut.scale,
            offset=cut.offset,
            rhythm=None,
            rr=rr_seconds(at / record.fs),
            readable=np.ones(len(at), dtype=np.bool_),
            fiducial=at,
        )

    def probability(self, reading: Reading) -> Floats:
        """Probabilities of all beats of a recording, float32 [n, classes]."""
        return predict_windows(self.network, reading.signal)

    def examples(self, reading: Reading, rows: NDArray[np.integer] | None = None) -> Examples:
        """Some beats of a recording as examples."""
        chosen = np.arange(len(reading)) if rows is None else np.asarray(rows, dtype=np.int64)
        usual = np.median(reading.signal, axis=0).astype(np.float32)
        return reading.examples(
            chosen, signal=reading.signal[chosen], typical=np.tile(usual, (len(chosen), 1, 1))
        )
