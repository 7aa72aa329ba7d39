"""Sequence models of beats, the default one among them, seen one beat at a time.

The explained beat's own window and RR features are what is attributed. The typical beat beside it, and what
the network has made of the neighbours, are computed once and stay as they are. Of the mean of its look-alikes
the beat's own share changes with its window, not the others'. How it compares with the recording's usual beat
follows its window, too; the usual beat stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from ecgtune.beats import Preprocessing, annotated_beats, stream_windows
from ecgtune.beats.cut import SNAP
from ecgtune.beats.usual_beat import ALIKE, BEAT, OF_A_BEAT, STRETCH, feature_name
from ecgtune.errors import RecordError
from ecgtune.explain.baselines import BASELINES
from ecgtune.explain.beside_usual import beside_usual
from ecgtune.explain.layers import last_convolution
from ecgtune.explain.subject import Examples, Floats, Ints, Reading, beat_window, rr_seconds
from ecgtune.labels import CLASSES
from ecgtune.model import preferred_leads
from ecgtune.record import Annotations, Record
from ecgtune.self_training import (
    BUT_V,
    LOWEST,
    NO_SELF_TRAINING,
    Discriminant,
    N,
    S,
    SelfTraining,
    V,
    moved_by_stretches,
)
from ecgtune.signals.resample import WORKING_RATE, check_rate, to_native
from ecgtune.signals.stream import choose_leads, probe

ENCODED_TOGETHER = 1024
"""Beats that are encoded in one step."""


class OneBeat(nn.Module):
    """One beat's logits as a function of its own window and RR features alone.

    Parameters
    ----------
    network
        Has ``encode``, ``tell`` and ``decide_middle``, as `ecgtune.training.networks.BeatSequence` has.
    preprocessing
        Says where its RR features hold what depends on its window: how it compares with the usual beat.
    """

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.before, names = preprocessing.before, preprocessing.rhythm_features
        first = {kind: feature_name(kind, OF_A_BEAT[0]) for kind in (BEAT, ALIKE)}
        self.columns = {kind: names.index(name) for kind, name in first.items() if name in names}

    def forward(
        self,
        signal: Tensor,
        rhythm: Tensor,
        typical: Tensor,
        alike: Tensor,
        share: Tensor,
        usual: Tensor,
        told: Tensor,
        sides: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        trust: Tensor | None = None,
    ) -> Tensor:
        """Logits [n, classes].

        Parameters
        ----------
        signal
            The beat's own window, [n, leads, width].
        rhythm
            Its RR features, [n, features].
        typical
            Its typical beat, [n, leads, width].
        alike
            The mean of its look-alikes without its own share, [n, leads, width]; [n, 0, width] where the
            network reads none.
        share
            Its own share of that mean, [n].
        usual
            The usual beat, [n, leads, width]; [n, 0, width] where the network is told nothing of it.
        told
            What the temporal network is told of the beats around, [n, 2 reach + 1, ...], its own in the
            middle.
        sides
            How many beats the recording has before and after, at most ``reach``, int64 [n, 2]: near its
            ends the network sees fewer.
        weight, bias, trust
            Discriminant of its stretch, towards which the logits move, [n, classes, numbers], [n, classes]
            and [n, 2] (`ecgtune.self_training.Discriminant`); None without self-training.
        """
        if alike.shape[1]:
            alike = alike + share[:, None, None] * signal
        for kind, windows in ((BEAT, signal), (ALIKE, alike)):
            if (at := self.columns.get(kind)) is not None:
                compared = beside_usual(windows, typical, usual, self.before)
                rhythm = torch.cat([rhythm[:, :at], compared, rhythm[:, at + len(OF_A_BEAT) :]], 1)
        beat, timing = torch.cat([signal, typical, alike], 1).unsqueeze(1), rhythm.unsqueeze(1)
        network: Any = self.network
        if weight is None:
            encoded = network.encode(beat, timing)
        else:
            evidence = network.evidence(beat, timing)
            encoded = network.encode_known(beat, evidence)
        own = network.tell(encoded, timing)
        middle = told.shape[1] // 2
        told = torch.cat([told[:, :middle], own, told[:, middle + 1 :]], 1)
        logits: Tensor = network.decide_middle(encoded[:, 0], told, sides)
        if weight is None or bias is None or trust is None:
            return logits
        return moved_logits(logits, evidence[:, 0], weight, bias, trust)


def moved_logits(logits: Tensor, evidence: Tensor, weight: Tensor, bias: Tensor, trust: Tensor) -> Tensor:
    """Logits [n, classes] moved towards discriminants, as `ecgtune.self_training.moved` moves them.

    Where nothing is trusted they stay as they are: all classes are shifted by what probabilities do not show.
    """
    said = logits.log_softmax(1)
    drawn = (weight @ evidence.unsqueeze(2)).squeeze(2) + bias
    now, to = _odds(said), _odds(drawn.log_softmax(1).clamp(min=LOWEST))
    ventricular, supraventricular = now + trust.T * (to - now)
    both = torch.logaddexp(said[:, N], said[:, S])
    others = {place: said[:, place] for place in BUT_V} | {
        S: both + functional.logsigmoid(supraventricular),
        N: both + functional.logsigmoid(-supraventricular),
    }
    less = torch.stack([others[place] for place in BUT_V]).logsumexp(0)
    moved = [ventricular if place == V else others[place] - less for place in range(said.shape[1])]
    return torch.stack(moved, 1).log_softmax(1) + logits.logsumexp(1, keepdim=True)


def _odds(said: Tensor) -> Tensor:
    """Log odds of V against all others, and of S against N, [2, n]."""
    return torch.stack([said[:, V] - said[:, list(BUT_V)].logsumexp(1), said[:, S] - said[:, N]])


@dataclass(frozen=True)
class SequenceSubject:
    """A sequence model of beats.

    Parameters
    ----------
    name
        Name and version.
    network
        In evaluation mode; see `OneBeat`.
    preprocessing
        Of the model's card.
    trained_on
        Patients that it was trained on.
    temperature
        What probabilities divide the logits by; attributions are of the logits as they are.
    self_training
        How the logits move in each recording; of attributions, the discriminants stay as they are.
    """

    name: str
    network: nn.Module = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    trained_on: frozenset[str] = field(default=frozenset(), repr=False)
    temperature: float = 1.0
    self_training: SelfTraining = NO_SELF_TRAINING
    classes: tuple[str, ...] = CLASSES
    baselines: tuple[str, ...] = BASELINES
    _labelled: WeakKeyDictionary[Reading, "_Labelled"] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    @property
    def fs(self) -> float:
        """Samples of a window per second."""
        return float(self.preprocessing.rate)

    @property
    def before(self) -> int:
        """Samples of a window before the fiducial."""
        return self.preprocessing.before

    @property
    def width(self) -> int:
        """Samples of a window."""
        return self.preprocessing.width

    @property
    def leads(self) -> tuple[str, ...]:
        """A name for each lead that the network reads."""
        return tuple(f"lead {i + 1}" for i in range(self.preprocessing.leads))

    @property
    def rhythm_features(self) -> tuple[str, ...]:
        """Names of the RR features."""
        return self.preprocessing.rhythm_features

    @property
    def module(self) -> nn.Module:
        """See `OneBeat`."""
        return OneBeat(self.network, self.preprocessing).eval()

    @property
    def convolution(self) -> nn.Module | None:
        """The last convolution that a beat's window goes through, or where several networks' are joined."""
        joined: nn.Module | None = getattr(self.network, "joined_maps", None)
        if joined is not None:
            return joined
        how = self.preprocessing
        beats = torch.zeros(1, 1, how.channels, how.width)
        rhythm = torch.zeros(1, 1, len(how.rhythm_features))
        return last_convolution(self.network, self.network.encode, beats, rhythm)  # type: ignore[arg-type]

    @property
    def occluded(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What occlusion takes away at a time."""
        return beat_window(self.fs)

    def with_network(self, network: nn.Module) -> "SequenceSubject":
        """Return the same with another network, without self-training, which belongs to this one."""
        return replace(self, network=network.eval(), self_training=NO_SELF_TRAINING)

    def read(
        self,
        record: Record,
        annotations: Annotations | None = None,
        *,
        leads: Sequence[str | int] | None = None,
        database: str = "",
        snap: int = SNAP,
    ) -> Reading:
        """Cut and prepare all beats of a recording; see `BeatSubject.read`."""
        how = self.preprocessing
        check_rate(record)
        asked = choose_leads(record, leads)
        usable = probe(record, asked)
        if not usable:
            names = ", ".join(record.leads[i] for i in asked)
            raise RecordError(
                f"{record.name}: no signal in lead {names} (flat or missing); choose another lead"
            )
        read = preferred_leads(record, usable, how.leads)
        if annotations is None:
            at, windows, readable = _detected(record, usable, [usable.index(lead) for lead in read], how)
            sample = np.minimum(to_native(at, record.fs), record.n_samples - 1)
            label = np.full(len(at), -1, dtype=np.int64)
        else:
            table = annotated_beats(record, annotations, read, how, snap=snap)
            at, windows, sample = table.at, table.windows, table.sample
            label, readable = table.label.astype(np.int64), np.ones(len(at), dtype=np.bool_)
        parts = how.parts(windows, at)
        signal, rhythm = parts.inputs()
        return Reading(
            database,
            record.name,
            record.patient,
            record.fs,
            tuple(record.leads[i] for i in read),
            sample,
            label,
            signal,
            *_units(windows, signal[:, : how.leads]),
            rhythm,
            rr_seconds(at / WORKING_RATE),
            readable,
            to_native(at, record.fs),
            None if parts.alike is None else parts.alike.own,
            parts.usual,
        )

    def probability(self, reading: Reading) -> Floats:
        """Probabilities of all beats of a recording, float32 [n, classes]."""
        return np.asarray(softmax(self._label(reading).logits / self.temperature, axis=1), dtype=np.float32)

    def examples(self, reading: Reading, rows: NDArray[np.integer] | None = None) -> Examples:
        """Some beats of a recording as examples."""
        chosen = np.arange(len(reading)) if rows is None else np.asarray(rows, dtype=np.int64)
        n, reach, leads = len(reading), self._reach, self.preprocessing.leads
        around = chosen[:, np.newaxis] + np.arange(-reach, reach + 1)
        inside = np.clip(around, 0, max(n - 1, 0))
        # Only what the chosen beats see is encoded: of a day's recording that is little. Self-training
        # wants all of it, once.
        seen, place = np.unique(inside, return_inverse=True)
        rhythm = _rhythm(reading)
        told = self._tell(reading.signal[seen], torch.from_numpy(rhythm[seen]))[place.reshape(inside.shape)]
        sides = np.stack([np.minimum(chosen, reach), np.minimum(n - 1 - chosen, reach)], axis=1)
        signal = reading.signal[chosen]
        usual = np.median(rhythm, axis=0).astype(np.float32)
        own, typical, alike = np.split(signal, (leads, 2 * leads), axis=1)
        share = np.zeros(len(chosen), dtype=np.float32)
        if reading.own_share is not None:
            share = reading.own_share[chosen]
            alike = alike - share[:, np.newaxis, np.newaxis] * own
        return reading.examples(
            chosen,
            signal=own,
            typical=typical,
            typical_rhythm=np.tile(usual, (len(chosen), 1)),
            context=(
                typical,
                alike,
                share,
                np.zeros_like(own[:, :0]) if reading.usual is None else reading.usual[chosen // STRETCH],
                told,
                sides.astype(np.int64),
                *self._drawn(reading, chosen),
            ),
        )

    @property
    def _reach(self) -> int:
        return int(self.network.reach)  # type: ignore[arg-type]

    def _label(self, reading: Reading) -> "_Labelled":
        """Label all beats of a recording.

        With self-training what was labelled is kept as long as the reading is, since explanations want its
        discriminants; the network is taken not to change.
        """
        if not self.self_training.active:
            return self._label_anew(reading)
        if (found := self._labelled.get(reading)) is None:
            found = self._labelled[reading] = self._label_anew(reading)
        return found

    def _label_anew(self, reading: Reading) -> "_Labelled":
        rhythm = torch.from_numpy(_rhythm(reading))
        n, reach, length = len(reading), self._reach, ENCODED_TOGETHER
        network, active = self.network, self.self_training.active
        encoded, known = self._encode(reading.signal, rhythm, evidence=active)
        logits = np.zeros((n, len(self.classes)), dtype=np.float32)
        with torch.inference_mode():
            for begin in range(0, n, length):
                low, high = max(0, begin - reach), min(n, begin + length + reach)
                said = network.decide(encoded[None, low:high], rhythm[None, low:high])[0]  # type: ignore[operator]
                logits[begin : begin + length] = said[begin - low : begin - low + length].numpy()
        drawn: list[Discriminant] = []
        if active:
            logits, drawn = moved_by_stretches(logits, known.numpy(), self.self_training)
        return _Labelled(logits, tuple(drawn))

    def _drawn(self, reading: Reading, chosen: Ints) -> tuple[Floats, ...]:
        """Weights, biases and trust of the discriminants of some beats, [n, ...] each; none without."""
        if not self.self_training.active:
            return ()
        of, drawn = chosen // STRETCH, self._label(reading).drawn
        return tuple(np.stack(parts)[of] for parts in zip(*drawn, strict=True))

    def _tell(self, signal: Floats, rhythm: Tensor) -> Floats:
        encoded, _ = self._encode(signal, rhythm, evidence=False)
        with torch.inference_mode():
            told: Floats = self.network.tell(encoded[None], rhythm[None])[0].numpy()  # type: ignore[operator]
        return told

    def _encode(self, signal: Floats, rhythm: Tensor, *, evidence: bool) -> tuple[Tensor, Tensor]:
        """Vectors of beats, and where it is asked for what is known of each, else [0]."""
        network: Any = self.network
        beats = torch.from_numpy(np.ascontiguousarray(signal))
        parts, known = [], []
        with torch.inference_mode():
            for at in range(0, len(beats), ENCODED_TOGETHER):
                own = beats[None, at : at + ENCODED_TOGETHER], rhythm[None, at : at + ENCODED_TOGETHER]
                if evidence:
                    known.append(network.evidence(*own))
                    parts.append(network.encode_known(own[0], known[-1])[0])
                else:
                    parts.append(network.encode(*own)[0])
        return torch.cat(parts), torch.cat([each[0] for each in known]) if known else torch.zeros(0)


class _Labelled(NamedTuple):
    """Logits of all beats of a recording, [n, classes], and the discriminants of its stretches."""

    logits: Floats
    drawn: tuple[Discriminant, ...]


def _rhythm(reading: Reading) -> Floats:
    assert reading.rhythm is not None  # A sequence model always has RR features.
    return reading.rhythm


def _detected(
    record: Record, usable: Sequence[int], cut: Sequence[int], how: Preprocessing
) -> tuple[Ints, Floats, NDArray[np.bool_]]:
    """Positions, windows and readability of the beats that the detector finds."""
    found = [(block.lost, at, windows) for block, at, windows in stream_windows(record, usable, cut, how)]
    at = np.concatenate([each[1] for each in found])
    if not len(at):
        raise RecordError(f"{record.name}: no beats found in {record.duration:.0f} s; is this an ECG?")
    lost: NDArray[np.bool_] = np.asarray(np.concatenate([each[0] for each in found], axis=1).all(axis=0))
    readable = ~lost[np.minimum(at // WORKING_RATE, len(lost) - 1)]
    return at, np.concatenate([each[2] for each in found]), readable


def _units(windows: Floats, scaled: Floats) -> tuple[Floats, Floats]:
    """Scale and offset of each lead from network units back to mV, float32 [n, leads] each.

    Read off the windows themselves, so that whatever preprocessing scales by is met.
    """
    span = np.ptp(scaled, axis=2)
    scale = np.where(span > 0, np.ptp(windows, axis=2) / np.where(span > 0, span, 1), 0)
    offset = np.median(windows, axis=2) - scale * np.median(scaled, axis=2)
    return scale.astype(np.float32), offset.astype(np.float32)
