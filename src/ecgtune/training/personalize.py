"""``ecgtune personalize``: a model tuned to one patient by the labels of some of the patient's beats.

The labelled part is read as in training: beats where the detector finds them, each with the label of the
annotation that it matches, and nothing after the part's end. A tail of it is held out first: where the tuned
network labels that worse than the parent, the parent's weights are kept. Otherwise the whole part tunes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune._version import __version__
from ecgtune.beats import annotated_beats
from ecgtune.errors import OutputError
from ecgtune.evaluation.metrics import known_confusion
from ecgtune.labels import CLASSES
from ecgtune.model import Model, load_model
from ecgtune.record import Annotations, Record
from ecgtune.training.export import load_network, save_model
from ecgtune.training.networks import BeatNetwork
from ecgtune.training.personal_labels import unchanged
from ecgtune.training.personal_part import CHECKED, DATABASE, LabelledPart, check_match, labelled_part
from ecgtune.training.personal_tuning import Tuning, labelled_confusion, tune
from ecgtune.training.sequences import labels_of
from ecgtune.training.tables import record_until, rows_of
from ecgtune.tuned import name_and_patient, signal_hash

FEWEST_CHECKED = 10
"""A shorter tail says nothing: without one, the tuned weights are kept unseen."""

Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class Personalized:
    """What tuning gave.

    Parameters
    ----------
    model
        The new model, loaded from its folder.
    parent
        What it was tuned from.
    tuned
        Whether the weights are tuned ones; False where the parent's were kept.
    why
        Which of them were kept and why, in one line.
    beats
        Labelled beats used, by class.
    notes
        What the labels do not allow, a line each.
    checked
        Confusion matrices of the held-out tail, by the parent and by the network tuned without it, [2, 5, 5];
        None where there was none.
    rest
        Confusion matrices of the labelled beats after the labelled part, by the parent and by the new model,
        at the annotated positions, [2, 5, 5]; None where there are none.
    """

    model: Model
    parent: Model
    tuned: bool
    why: str
    beats: dict[str, int]
    notes: tuple[str, ...] = ()
    checked: Matrix | None = None
    rest: Matrix | None = None


def personalize(
    record: Record,
    annotations: Annotations,
    model: Model | str | Path = "default",
    *,
    out: Path,
    until: float | None = None,
    check_from: float | None = None,
    leads: Sequence[str | int] | None = None,
    seed: int = 0,
    options: Tuning | None = None,
    reference: str = "",
) -> Personalized:
    """Tune a model to one patient.

    Parameters
    ----------
    record
        The patient's recording.
    annotations
        Labels of some of its beats; those of the labelled part tune, later ones only measure.
    model
        A loaded model, the name of one that ships with ecgtune, or a model folder.
    out
        Folder of the new model; written whole or not at all.
    until
        Second at which the labelled part ends: tuning reads no signal after it. Where it is not given, all
        labels tune.
    check_from
        Second from which the labelled part is held out first; where not given, so that a fifth of the
        labelled beats comes after it.
    leads
        As in `ecgtune.classify`.
    seed
        Of every draw.
    options
        See `Tuning`.
    reference
        What the labels are called in the model's card.

    Returns
    -------
    Personalized
        The model and what is known of it.

    Raises
    ------
    RecordError
        Where there is nothing to learn from: no labels in the part, too few, or labels that lie nowhere near
        a beat; or `until` lies outside the recording.
    ModelError
        Where the model cannot be loaded or has no weights to tune.
    OutputError
        Where ``out`` exists or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out}: exists already; choose another --out")
    parent = model if isinstance(model, Model) else load_model(model)
    network = load_network(parent.folder)
    options = options or Tuning()
    part = labelled_part(record, annotations, parent.preprocessing, until, check_from, leads)
    learnt = learn(network, parent, part, options, seed)
    notes = (*_notes(learnt.beats), *_note_unchanged(part, until))
    card = _card(parent, record, part, seed, options, reference, until)
    card["personal"] |= {"beats": learnt.beats, "tuned": learnt.tuned, "why": learnt.why}
    if learnt.checked is not None:
        wrong = (int(learnt.checked[0].sum()), *_wrong(learnt.checked))
        names = ("beats", "wrong_before", "wrong_after")
        card["personal"]["checked"] = dict(zip(names, wrong, strict=True))
    if learnt.network.is_familiar:
        card["architecture"] = card["architecture"] | {"familiar": True}
    new = save_model(learnt.network, card, out)
    rest = _rest(part, (parent, new))
    return Personalized(new, parent, learnt.tuned, learnt.why, learnt.beats, notes, learnt.checked, rest)


@dataclass(frozen=True)
class Learnt:
    """A network after the labelled part; the rest as in `Personalized`."""

    network: BeatNetwork
    tuned: bool
    why: str
    beats: dict[str, int]
    checked: Matrix | None


def learn(network: BeatNetwork, parent: Model, part: LabelledPart, options: Tuning, seed: int) -> Learnt:
    """Tune a copy of the parent's network to a labelled part, or keep it where that is no better.

    Labels are compared as the models would give them: both networks train themselves as the parent does.

    Parameters
    ----------
    network
        The parent's, with its weights.
    parent
        Gives preprocessing, self-training and name.
    part
        Of the recording; see `ecgtune.training.personal_part.labelled_part`.
    options, seed
        As in `personalize`.

    Raises
    ------
    RecordError
        Where the labels are too few, or belong to other beats.
    """
    network = network.eval()
    how, itself = parent.preprocessing, parent.self_training
    table = part.table(part.end, how)
    every = part.prepared(table, part.whole, how)
    check_match(part, 0 if every is None else int((every.label >= 0).sum()), how)
    assert every is not None
    seen = labelled_confusion(network, every, itself)
    beats = dict(zip(CLASSES, seen.sum(axis=1).tolist(), strict=True))
    if seen.trace() == seen.sum():
        why = f"{parent.name} gets all {seen.sum()} labelled beats right; kept as it is"
        return Learnt(network, False, why, beats, None)
    checked = None
    early = part.prepared(part.table(part.check_from, how), part.early, how)
    tail = part.prepared(table, part.tail, how)
    if early is not None and tail is not None and int((tail.label >= 0).sum()) >= FEWEST_CHECKED:
        pair = (network, tune(network, early, options, seed))
        checked = np.stack([labelled_confusion(each, tail, itself) for each in pair])
    tuned, why = _decide(parent.name, checked)
    return Learnt(tune(network, every, options, seed) if tuned else network, tuned, why, beats, checked)


def _decide(name: str, checked: Matrix | None) -> tuple[bool, str]:
    if checked is None:
        return True, "tuned; too few labels to hold some out, so nothing says that it got better"
    before, after = _wrong(checked)
    figures = f"of {int(checked[0].sum())} held-out beats {name} gets {before} wrong, the tuned model {after}"
    if after > before:
        return False, f"{figures}: {name} is kept as it is"
    return True, f"{figures}: tuned"


def _wrong(matrices: Matrix) -> list[int]:
    return [int(matrix.sum() - matrix.trace()) for matrix in matrices]


def _notes(beats: dict[str, int]) -> list[str]:
    """Say what the labels can teach and what not."""
    there = [name for name, n in beats.items() if n]
    if len(there) == 1:
        return [
            f"all labels are {there[0]}: they can teach which beats are {there[0]} here; "
            "of all others the tuned model may find fewer"
        ]
    few = [f"{name} ({beats[name]})" for name in there if beats[name] < FEWEST_CHECKED]
    missing = [name for name in ("S", "V") if not beats[name]]
    notes = []
    if few:
        notes.append(f"few labels of {', '.join(few)}: expect little of them")
    if missing:
        notes.append(f"no labels of {' and '.join(missing)}: the tuned model may find fewer of them")
    return notes


def _note_unchanged(part: LabelledPart, until: float | None) -> list[str]:
    """Point out labels that may never have been looked at."""
    if part.labels.probability is None:
        return []
    if until is not None:
        left_out = len(part.rest) - len(_looked_at(part))
        return [f"{left_out:,} labels after the last change are a model's own: not compared with"] * bool(
            left_out
        )
    changed = np.flatnonzero(~unchanged(part.labels))
    last = int(changed[-1]) if len(changed) else 0
    if last > (1 - CHECKED) * len(part.labels):
        return []
    at = part.labels.sample[last] / part.record.fs
    return [f"no label after {at:.0f} s was changed by hand; if only the beginning was checked, give --until"]


def _looked_at(part: LabelledPart) -> NDArray[np.intp]:
    """Rows after the labelled part; where a model labelled them first, up to the last that was changed."""
    if part.labels.probability is None:
        return part.rest
    changed = np.flatnonzero(~unchanged(part.labels))
    rest: NDArray[np.intp] = part.rest[part.rest <= (changed[-1] if len(changed) else -1)]
    return rest if len(rest) >= FEWEST_CHECKED else rest[:0]


def _rest(part: LabelledPart, models: tuple[Model, Model]) -> Matrix | None:
    """Confusion matrices of the beats after the labelled part; None where nobody has labelled them."""
    rows = _looked_at(part)
    if not len(rows):
        return None
    how = models[0].preprocessing
    table = annotated_beats(part.record, part.labels, part.leads, how, database=DATABASE)
    label = labels_of(table, rows_of(table, part.index, rows))
    return np.stack(
        [known_confusion(label, m.predict(table.windows, table.at).argmax(axis=1)) for m in models]
    )


def _card(
    parent: Model,
    record: Record,
    part: LabelledPart,
    seed: int,
    options: Tuning,
    reference: str,
    until: float | None,
) -> dict[str, Any]:
    name, patient = name_and_patient(record)
    n_samples = record_until(record, part.end).n_samples
    trained = dict(parent.card.get("training", {}))
    trained["records"] = list(dict.fromkeys((*trained.get("records", ()), name)))
    trained["patients"] = sorted({*trained.get("patients", ()), patient})
    return parent.card | {
        "name": f"{parent.card['name']}-{record.name}",
        "summary": f"{parent.name} tuned to the patient of {name}; for this patient alone",
        "ecgtune": __version__,
        "training": trained,
        "metrics": {},
        "personal": {
            "parent": {"name": parent.card["name"], "version": parent.card["version"], "sha256": parent.hash},
            "record": name,
            "patient": patient,
            "reference": Path(reference).name,
            "until_s": until,
            "check_from_s": part.check_from,
            "leads": [part.record.leads[i] for i in part.leads],
            "signal_samples": n_samples,
            "signal_sha256": signal_hash(record, n_samples),
            "options": asdict(options),
            "seed": seed,
        },
    }
