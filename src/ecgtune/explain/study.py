"""What studies of a trained model share: its card, whom it may be tested on, the name of the result."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecgtune.databases import DS1, DS2
from ecgtune.errors import ModelError
from ecgtune.evaluation.provenance import now
from ecgtune.evaluation.results import Scoring
from ecgtune.explain.beats_of import Index, held_out, index_records, records_of
from ecgtune.explain.load import beat_subject_of
from ecgtune.explain.subject import BeatSubject
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.labels import CLASSES
from ecgtune.model import list_models, load_model
from ecgtune.training.measured import earlier_scorings
from ecgtune.training.weights_folder import model_in
from ecgtune.training.window_model import load_window_model

TEST_SIDES: Mapping[str, tuple[str, ...]] = {
    "inter-patient": DS2,
    "inter-patient-published": DS2,
    "leave-patients-out": DS1,
}
"""Records of mitdb that a protocol keeps for testing (or, leaving patients out, for choosing)."""


@dataclass(frozen=True)
class Studied:
    """A model of beats and what its card says.

    Parameters
    ----------
    model
        Name or folder.
    subject
        The model.
    hash
        Of its weights.
    training
        The card's part of that name: data, protocol, split hash, seed.
    """

    model: str
    subject: BeatSubject = field(repr=False)
    hash: str
    training: dict[str, Any] = field(repr=False)

    @property
    def parameters(self) -> int:
        """How many the network has."""
        return sum(weight.numel() for weight in self.subject.network.parameters())

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.training.get("seed", 0))


def studied_model(model: str | Path) -> Studied:
    """Open a model of beats with the five AAMI classes.

    Raises
    ------
    ModelError
        Where there is none, it is damaged or has no weights, it labels images, or has other classes.
    """
    subject = beat_subject_of(model)
    if tuple(subject.classes) != CLASSES:
        raise ModelError(
            f"{subject.name}: classes {', '.join(subject.classes)}; a study needs {' '.join(CLASSES)}"
        )
    if isinstance(subject, SequenceSubject):
        loaded = load_model(model if str(model) in list_models() else model_in(Path(model)))
        return Studied(str(model), subject, loaded.hash, loaded.card.get("training", {}))
    card = load_window_model(Path(model)).card
    return Studied(str(model), subject, card["weights_sha256"], card["training"])


def index_for(studied: Studied, data: str, records: Sequence[str] | None) -> Index:
    """Annotated beats of the records that a model is studied on.

    Parameters
    ----------
    studied
        The model.
    data
        Database.
    records
        Names of its records; where None, those of patients that the model was not trained on, of mitdb those
        on the test side of its protocol.

    Raises
    ------
    ModelError
        Where the model was trained on every patient of the database.
    DataError
        Where a record is not there.
    """
    index = index_records(records_of(data, records))
    if records is not None:
        return index
    keys = held_out(index, studied.subject.trained_on)
    side = TEST_SIDES.get(str(studied.training.get("protocol")))
    if data == "mitdb" and side is not None:
        keys = tuple(key for key in keys if key[1] in side)
    if not keys:
        raise ModelError(
            f"{studied.subject.name}: was trained on every patient of {data}; take one trained with "
            "--protocol inter-patient, another --data, or name --records"
        )
    return index_records(keys)


def whose(studied: Studied, index: Index) -> str:
    """Say on whose recordings a model is studied, and whether it was trained on them."""
    trained = sorted({index.patient[key] for key in index.keys} & studied.subject.trained_on)
    names = ", ".join("/".join(key) for key in index.keys)
    if not trained:
        return f"{len(index.keys)} records of patients that the model was not trained on: {names}"
    return f"{len(index.keys)} records: {names}; the model WAS TRAINED on {', '.join(trained)}"


def scorings_of(studied: Studied, data: str, index: Index, path: Path) -> tuple[Scoring, ...]:
    """Log of scorings of the test side, that of this study last; empty where it is not the test side."""
    earlier = earlier_scorings(path)
    tested = set(TEST_SIDES.get(str(studied.training.get("protocol")), ())) - set(DS1)
    if data != "mitdb" or not tested & {record for _, record in index.keys}:
        return earlier
    protocol, split_hash = studied.training["protocol"], studied.training["split_hash"]
    return (*earlier, Scoring(now().isoformat(), protocol, split_hash, studied.hash))


def result_name(out: Path, kind: str, model: str) -> str:
    """Name of a result: its folder's, as the result store wants it, or one made of kind and model's name."""
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", out.name):
        return out.name
    return f"{kind}-{'-'.join(re.findall('[a-z0-9]+', model.lower()))}"


def command_of(kind: str, model: str, options: Mapping[str, object], out: Path) -> str:
    """Command that measures the same again, without paths of a machine.

    Parameters
    ----------
    kind
        Name of the command.
    model
        Name or folder.
    options
        By name without dashes; True stands for a flag, and None, False and empty ones are left out.
    out
        Folder of the results.
    """
    said = ""
    for name, given in options.items():
        if given is True:
            said += f" --{name}"
        elif given:
            text = ",".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
            said += f" --{name} {text}"
    return f"ecgtune {kind} {_shown(Path(model))}{said} --out {_shown(out)}"


def _shown(path: Path) -> str:
    return path.name if path.is_absolute() else path.as_posix()
