"""The protocols ``patient-adapted`` and ``patient-adapted-24``: a base tuned to each test record."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import DS1
from ecgtune.errors import SplitError
from ecgtune.evaluation.results import Figure, Result, Table, plain_matrices
from ecgtune.files import make_folder, write_whole
from ecgtune.model import Model
from ecgtune.splits import Split
from ecgtune.training.measured import groups
from ecgtune.training.personal_text import to_plain
from ecgtune.training.personalize import personalize
from ecgtune.training.tables import RecordKey, open_record

Matrices = dict[RecordKey, NDArray[np.int64]]

COLUMNS = ("V Se", "V +P", "V F1", "S Se", "S +P", "S F1", "macro-F1 (N, S, V)", "accuracy")

PUBLISHED = {
    "patient-adapted-24": {
        "published: Kiranyaz 2016": (
            "published: Kiranyaz 2016, doi:10.1109/TBME.2015.2468589",
            {"V Se": 0.939, "V +P": 0.906, "S Se": 0.603, "S +P": 0.635},
        )
    }
}
"""Rows of papers that measured the same thing, by protocol: name, label and figures."""


@dataclass(frozen=True)
class Adapted:
    """A base model tuned to each test record.

    Parameters
    ----------
    before, after
        Confusion matrix [true, predicted] of each record's test beats, by the base and by the tuned model.
    kept
        Records where tuning was not adopted, and the base's weights were kept.
    hash
        SHA-256 over the hashes of the tuned models.
    scored
        Whether any test beat was scored now, and not by an earlier call that was interrupted.
    """

    before: Matrices
    after: Matrices
    kept: tuple[str, ...]
    hash: str
    scored: bool


def adapt(base: Model, split: Split, folder: Path, seed: int, tell: Callable[[str], None]) -> Adapted:
    """Tune a model to each test record by its first minutes, and score the rest of it.

    A record that an interrupted call finished is not done again.

    Parameters
    ----------
    base
        Trained on the split's training side.
    split
        With tuning sides and boundaries in time.
    folder
        Where each record's model and figures go.
    seed
        Of the tuning.
    tell
        Called with each line of progress.

    Raises
    ------
    SplitError
        Where tuning would divide a record's beats in another way than the split.
    """
    before, after, kept = {}, {}, []
    digest, scored = hashlib.sha256(), False
    make_folder(folder)
    for key in split.records("test"):
        found = _read(folder, key, base)
        if found is None:
            scored = True
            found = _adapt_one(base, split, key, folder, seed)
        before[key], after[key] = (np.array(found["rest"][when]["matrix"]) for when in ("before", "after"))
        digest.update(found["model"]["sha256"].encode())
        if not found["tuned"]:
            kept.append("/".join(key))
        tell(f"{key[1]}: {found['why']}")
    return Adapted(before, after, tuple(kept), digest.hexdigest(), scored)


def adapted_result(result: Result, adapted: Adapted, split: Split) -> Result:
    """Put the base's figures on the same beats, and a paper's where there are any, beside the tuned ones.

    Parameters
    ----------
    result
        Of the tuned models, as `ecgtune.training.measured.result_of` makes it.
    adapted
        What `adapt` gave.
    split
        Who was where.
    """
    figures = dict(result.figures)
    figures |= {f"before: {row}": named for row, named in groups(adapted.before).items()}
    overall = [row for row in result.figures if ": " not in row]
    rows = {}
    for row in overall:
        for name, label in ((f"before: {row}", f"{row}, before tuning"), (row, f"{row}, tuned")):
            classes = {f"{c} {k}": figures[f"{name}: {c}"][k] for c in "VS" for k in ("Se", "+P", "F1")}
            figures[name] = figures[name] | classes
            rows[name] = label
    for name, (label, published) in PUBLISHED.get(split.protocol, {}).items():
        figures[name] = {column: Figure(value) for column, value in published.items()}
        rows[name] = label
    wrong = {
        key: [int(m.sum() - m.trace()) for m in (adapted.before[key], adapted.after[key])]
        for key in adapted.after
    }
    figures["records"] = {
        "records": Figure(len(wrong)),
        "better": Figure(sum(after < before for before, after in wrong.values())),
        "worse": Figure(sum(after > before for before, after in wrong.values())),
        "base's weights kept": Figure(len(adapted.kept)),
    }
    tables = {
        "summary": Table("", "test side", rows, COLUMNS),
        "records": Table(
            "Records by the number of wrong labels", "", {"records": "tuned"}, tuple(figures["records"])
        ),
        "classes": result.tables["classes"],
    }
    return replace(
        result,
        figures=figures,
        tables=tables,
        notes=(*result.notes, *_notes(split)),
        matrices={"before": plain_matrices(adapted.before), "test": plain_matrices(adapted.after)},
    )


def _notes(split: Split) -> list[str]:
    names = {record for _, record in split.records("test")}
    notes = [
        "before: the base model on the same beats; tuned: a model a record, as by `ecgtune personalize`",
        "options of the tuning were compared inside DS1 without 201, by leaving patients out",
    ]
    if seen := sorted(names & set(DS1)):
        notes.append(
            f"{len(seen)} of the {len(names)} tested records are of DS1 ({' '.join(seen)}): the beat "
            "detector was trained on them, and the network's design and the tuning's options were chosen by "
            "them; the figures are optimistic"
        )
    return notes


def _adapt_one(base: Model, split: Split, key: RecordKey, folder: Path, seed: int) -> dict[str, Any]:
    record, annotations = open_record(key)
    check_from, until = split.boundaries[key]
    out = folder / key[1]
    if out.exists():
        # Its figures were not written, so the call was cut off between the two.
        shutil.rmtree(out)
    result = personalize(
        record, annotations, base, out=out, until=until, check_from=check_from, seed=seed, reference="atr"
    )
    plain = to_plain(result)
    plain["model"]["folder"] = out.name
    rows = split.test[
        (split.beats.database[split.test] == key[0]) & (split.beats.record[split.test] == key[1])
    ]
    tested = 0 if result.rest is None else int(result.rest[0].sum())
    if tested != len(rows):
        raise SplitError(
            f"{'/'.join(key)}: {tested} beats scored, where the split's test side has {len(rows)}"
        )
    write_whole(_figures(folder, key), json.dumps(plain, indent=1) + "\n")
    return plain


def _read(folder: Path, key: RecordKey, base: Model) -> dict[str, Any] | None:
    path = _figures(folder, key)
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found if found["parent"]["sha256"] == base.hash else None


def _figures(folder: Path, key: RecordKey) -> Path:
    return folder / f"{key[1]}.json"
