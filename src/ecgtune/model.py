"""A model is a folder: ``card.json`` (all that must be known to use it) and ``model.onnx``.

``weights.safetensors`` lies beside them for further training. Nothing in a model folder is pickled.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats.preprocessing import Preprocessing
from ecgtune.beats.usual_beat import STRETCH, Stretch, UsualBeats
from ecgtune.errors import ModelError, OutputError
from ecgtune.files import make_folder
from ecgtune.labels import CLASSES
from ecgtune.record import Record
from ecgtune.self_training import SelfTrainer, SelfTraining

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FORMAT = 3
"""Version of the model folder; a card with a larger one needs a newer ecgtune."""

_FORMAT_OF_JUMPS = 3
"""Format from which on jumps of the heart rate are sought as `ecgtune.beats.jumps` does it now."""

SEGMENT = STRETCH
"""Beats that are prepared in one go, beside those that they depend on: most half-hour recordings."""

PIECE = 512
"""Beats that the network labels in one go, beside those it needs: all of it stays in the cache."""

CARD, ONNX, WEIGHTS = "card.json", "model.onnx", "weights.safetensors"

_PREFERRED_LEADS = (
    "MLII",
    "II",
    "V1",
    "MV1",
    "V5",
    "MV5",
    "V2",
    "V4",
    "MV2",
    "V6",
    "V3",
    "MLIII",
    "III",
    "I",
)

_REQUIRED = {
    "format": int,
    "name": str,
    "version": str,
    "architecture": dict,
    "classes": list,
    "preprocessing": dict,
    "reach": int,
    "onnx_sha256": str,
}
"""What every card holds, and of which type."""


class Output(NamedTuple):
    """What a network says of beats.

    Parameters
    ----------
    probability
        float32 [n, 5], rows sum to one.
    evidence
        What it knows of each beat, about standardised and limited, float32 [n, numbers]; None where the model
        does without self-training (`ecgtune.self_training`).
    """

    probability: Floats
    evidence: Floats | None


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, ready to predict.

    Parameters
    ----------
    card
        The model card: architecture, classes, preprocessing, training records, protocol, split hash,
        metrics, licence.
    folder
        Where it was loaded from.
    """

    card: dict[str, Any]
    folder: Path
    preprocessing: Preprocessing = field(repr=False)

    def __reduce__(self) -> tuple[type["Model"], tuple[Any, ...]]:
        # To another process a model travels without its open network.
        return Model, (self.card, self.folder, self.preprocessing)

    @property
    def name(self) -> str:
        """Name and version, as outputs quote it."""
        return f"{self.card['name']} {self.card['version']}"

    @property
    def hash(self) -> str:
        """SHA-256 of ``model.onnx``."""
        return str(self.card["onnx_sha256"])

    @property
    def trained_on(self) -> frozenset[str]:
        """Patients (``mitdb/208``) whose recordings the model was trained on, by their beats or rhythm."""
        training = self.card.get("training", {})
        return frozenset((*training.get("patients", ()), *training.get("patients_by_rhythm", ())))

    @property
    def temperature(self) -> float:
        """What the network's logits are divided by; see `temperature_of`."""
        return temperature_of(self.card)

    @property
    def self_training(self) -> SelfTraining:
        """How limits between classes are drawn anew in each recording."""
        return SelfTraining.from_card(self.card)

    @property
    def _gives(self) -> list[str]:
        return ["probability", "evidence"] if self.self_training.active else ["probability"]

    @property
    def reach(self) -> int:
        """Beats on either side that a label depends on; of `Preprocessing.timed`, the positions alone.

        By self-training and the usual beat it also depends on its segment.
        """
        return self.preprocessing.reach_with(int(self.card["reach"]))

    @cached_property
    def _session(self) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        # One thread a recording: recordings are labelled side by side, and sums keep their order.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path, how = self.folder / ONNX, self.preprocessing
        try:
            session = ort.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{path}: cannot be loaded: {reason}; export the model again") from error
        takes = {entry.name: entry.shape[1:] for entry in session.get_inputs()}
        gives = [entry.name for entry in session.get_outputs()]
        expected = {"beats": [how.channels, how.width], "rhythm": [len(how.rhythm_features)]}
        if takes != expected or not set(self._gives) <= set(gives):
            raise ModelError(
                f"{path}: takes {takes} and gives {', '.join(gives)}; its card asks for {expected} and "
                f"{', '.join(self._gives)}: export the model again"
            )
        return session

    def open(self) -> None:
        """Load the network now rather than at the first prediction.

        Raises
        ------
        ModelError
            Where ``model.onnx`` cannot be loaded, or takes other inputs than its card says.
        """
        _ = self._session

    def predict(self, windows: Floats, at: Ints) -> Floats:
        """Class probabilities of all beats of one recording.

        Parameters
        ----------
        windows
            mV at the working rate, [n, leads, width], as `ecgtune.beats` cuts them.
        at
            Fiducials at the working rate, [n], ascending.

        Returns
        -------
        ndarray
            float32 [n, 5], rows sum to one.
        """
        predictor = Predictor(self)
        pieces = [*predictor.push(at, windows), *predictor.finish()]
        if not pieces:
            return np.empty((0, len(CLASSES)), dtype=np.float32)
        return np.concatenate([probability for _, probability in pieces])

    def run(self, beats: Floats, rhythm: Floats) -> Output:
        """Run the network on prepared inputs, without self-training."""
        probability, *evidence = self._session.run(self._gives, {"beats": beats, "rhythm": rhythm})
        return Output(probability, evidence[0] if evidence else None)


def preferred_leads(record: Record, usable: Sequence[int], most: int) -> tuple[int, ...]:
    """Pick the leads that a model reads, the usual leads of ambulatory recordings first.

    Parameters
    ----------
    record
        The recording.
    usable
        Indices of its leads that carry signal.
    most
        How many leads the model reads.
    """

    def rank(lead: int) -> tuple[int, int]:
        name = record.leads[lead]
        known = name in _PREFERRED_LEADS
        return (_PREFERRED_LEADS.index(name) if known else len(_PREFERRED_LEADS), lead)

    return tuple(sorted(usable, key=rank)[:most])


class Predictor:
    """Predicts beats as they come; how they are handed over does not change a digit.

    Always the same segments are prepared, `SEGMENT` beats counted from the recording's first with
    `Model.reach` beats on either side and the positions of more, and the network always sees the same pieces
    of them. Memory holds one segment, the beats that are waited for, typical beats that give the usual one,
    and what self-training learns from.
    """

    def __init__(self, model: Model) -> None:
        how = model.preprocessing
        self._model = model
        self._reach = int(model.card["reach"])
        self._trainer = SelfTrainer(model.self_training)
        self._usual = UsualBeats(how.stride)
        self._timed = max(model.reach, how.timed)
        # Numbers of the first position held, of the first window held, and of the next beat to predict.
        self._since = 0
        self._first = 0
        self._next = 0
        self._held = 0
        self._at = [np.empty(0, dtype=np.int64)]
        self._windows = [np.empty((0, how.leads, how.width), dtype=np.float32)]

    def push(self, at: Ints, windows: Floats) -> list[tuple[Ints, Floats]]:
        """Take further beats; return positions and probabilities of the segments that they complete."""
        if len(at):
            self._at.append(at)
            self._windows.append(windows)
            self._held += len(at)
        done = []
        while self._first + self._held >= self._next + SEGMENT + self._timed:
            done.append(self._segment(SEGMENT))
        return done

    def finish(self) -> list[tuple[Ints, Floats]]:
        """Predict what is left at the end of the recording."""
        done = []
        while (left := self._first + self._held - self._next) > 0:
            done.append(self._segment(min(left, SEGMENT)))
        return done

    def _segment(self, length: int) -> tuple[Ints, Floats]:
        reach = self._model.reach
        begin = self._next - self._first
        at, windows = np.concatenate(self._at), np.concatenate(self._windows)
        low, high = max(0, begin - reach), min(len(windows), begin + length + reach)
        early, late = max(0, self._next - self._timed), self._next + length + self._timed
        times = at[early - self._since : late - self._since]
        own = slice(begin - low, begin - low + length)
        beats, rhythm = self._model.preprocessing.inputs(
            windows[low:high], times, self._first + low - early, Stretch(own, self._usual)
        )
        probability = self._run(beats, rhythm, own.start, own.stop)
        positions = at[self._next - self._since :][:length]
        self._next += length
        first, since = max(0, self._next - reach), max(0, self._next - self._timed)
        self._windows = [windows[first - self._first :].copy()]
        self._at = [at[since - self._since :]]
        self._first, self._since = first, since
        self._held = len(self._windows[0])
        return positions, probability

    def _run(self, beats: Floats, rhythm: Floats, begin: int, end: int) -> Floats:
        """Probabilities of prepared beats from one to another."""
        found, known = [], []
        for start in range(begin, end, PIECE):
            stop = min(start + PIECE, end)
            low, high = max(0, start - self._reach), stop + self._reach
            own, said = slice(start - low, stop - low), self._model.run(beats[low:high], rhythm[low:high])
            found.append(said.probability[own])
            if said.evidence is not None:
                known.append(said.evidence[own])
        probability = np.concatenate(found)
        if not known:
            return probability
        return self._trainer.probability(probability, np.concatenate(known), self._model.temperature)


def pretrained_folder() -> Path:
    """Folder of the models that ship with ecgtune."""
    return Path(str(files("ecgtune"))) / "pretrained"


def list_models() -> list[str]:
    """Names of the models that ship with ecgtune."""
    return sorted(path.parent.name for path in pretrained_folder().glob(f"*/{CARD}"))


def load_model(model: str | Path = "default") -> Model:
    """Load a model by name (one that ships with ecgtune) or from a folder.

    Raises
    ------
    ModelError
        Where the folder is missing, incomplete, damaged, or of a newer format.
    """
    folder = pretrained_folder() / model if str(model) in list_models() else Path(model)
    if not folder.is_dir():
        raise ModelError(
            f"{model}: no such model; give a folder or one of: {', '.join(list_models()) or 'none ships'}"
        )
    if not (folder / ONNX).exists() and (other := kind_of(folder)) in _OTHERS:
        raise ModelError(f"{folder}: {_OTHERS[other]}")
    for name in (CARD, ONNX):
        if not (folder / name).is_file():
            raise ModelError(f"{folder}: {name} is missing; a model folder holds {CARD} and {ONNX}")
    card = read_card(folder)
    try:
        digest = hashlib.sha256((folder / ONNX).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"{folder / ONNX}: cannot be read: {error.strerror or error}; export the model again"
        ) from error
    if digest != card["onnx_sha256"]:
        raise ModelError(
            f"{folder / ONNX}: does not belong to its card (SHA-256 differs); export the model again"
        )
    return Model(card, folder, Preprocessing.from_card(card["preprocessing"]))


_OTHERS = {
    "ecg-image": "this model labels images: take `ecgtune classify-images`",
    "beat-windows": "this model looks at single windows, to be explained: label recordings by a sequence "
    "model, such as default or one of `ecgtune train default`",
}
"""Kinds of models that have folders of their own, and what to do with them."""


def kind_of(folder: Path) -> str:
    """What the card of a model folder, or of the model in a run folder, says that it is; empty where nothing.

    A model that labels recordings says nothing.
    """
    path = folder / CARD if (folder / CARD).is_file() else folder / "model" / CARD
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("kind", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def export_model(model: str | Path, out: Path) -> Path:
    """Copy a model folder, whole or not at all, and return the copy.

    Raises
    ------
    ModelError
        Where the model cannot be loaded.
    OutputError
        Where ``out`` exists or cannot be written.
    """
    source = load_model(model).folder
    if out.exists():
        raise OutputError(f"{out}: exists already; choose another --out")
    make_folder(out.parent)
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.copytree(source, part)
        part.rename(out)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    return out


def temperature_of(card: dict[str, Any]) -> float:
    """What a card says that its network's logits are divided by, so that probabilities mean what they say.

    1 where it says nothing. ``model.onnx`` does it already; see `ecgtune.evaluation.calibration`.

    Raises
    ------
    ModelError
        Where it is no number above 0.
    """
    given = card.get("temperature", 1.0)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < float("inf"):
        raise ModelError(f"temperature {given!r} in the model's card; give a number above 0")
    return float(given)


def read_card(folder: Path) -> dict[str, Any]:
    """Read and check a model card.

    Raises
    ------
    ModelError
        Where it is no JSON, lacks a field, or is of a newer format, or of an older one with features that
        are computed otherwise now.
    """
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}; train or export the model again") from error
    if not isinstance(card, dict) or (missing := [name for name in _REQUIRED if name not in card]):
        lacking = ", ".join(missing) if isinstance(card, dict) else "everything"
        raise ModelError(f"{path}: lacks {lacking}; train or export the model again")
    if isinstance(card["format"], int) and card["format"] > FORMAT:
        raise ModelError(
            f"{path}: format {card['format']}; this ecgtune reads up to {FORMAT}: upgrade ecgtune"
        )
    for name, kind in _REQUIRED.items():
        if not isinstance(card[name], kind):
            raise ModelError(
                f"{path}: {name} is {card[name]!r:.40}, no {kind.__name__}; train or export the model again"
            )
    if card["format"] < _FORMAT_OF_JUMPS and card["preprocessing"].get("usual"):
        raise ModelError(
            f"{path}: format {card['format']}, from before jumps of the heart rate were sought as they are "
            "now; train or tune the model again"
        )
    temperature_of(card)
    SelfTraining.from_card(card)
    if tuple(card["classes"]) != CLASSES:
        raise ModelError(f"{path}: classes {card['classes']}; this ecgtune labels {' '.join(CLASSES)}")
    return card
