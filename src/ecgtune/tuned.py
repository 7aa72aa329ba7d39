"""Which recording a model was tuned to, and what is to be said of any other."""

import hashlib
import math
from typing import Any

import numpy as np

from ecgtune.databases import CATALOGUE, identify
from ecgtune.model import Model
from ecgtune.record import Record


def name_and_patient(record: Record) -> tuple[str, str]:
    """What the card of a tuned model calls a recording and its patient: ``mitdb/202`` and ``mitdb/201``.

    A recording of no public database has the names that it came with.
    """
    patient = identify(record) or record.patient or record.name
    database = patient.split("/")[0]
    known = database in CATALOGUE and record.name in CATALOGUE[database].record_set
    return f"{database}/{record.name}" if known else record.name, patient


def signal_hash(record: Record, n_samples: int) -> str:
    """SHA-256 of a recording's first samples in all leads: float32 in mV, little-endian, sample by sample."""
    digest = hashlib.sha256()
    step = int(60 * record.fs)
    for start in range(0, n_samples, step):
        piece = record.read(start, min(start + step, n_samples))
        digest.update(np.ascontiguousarray(piece, dtype="<f4").tobytes())
    return digest.hexdigest()


def other_recording_note(model: Model, record: Record) -> str | None:
    """Say that a model was tuned to another recording than this; None where it was not.

    Parameters
    ----------
    model
        Any model; one that ``ecgtune personalize`` left as its parent was counts as not tuned.
    record
        The recording to be labelled. It is the one that tuned where it is the same of a public database, or
        begins with the samples that were read; its file's name, format and folder do not matter. Where the
        card does not tell how many samples that are, the name must do.
    """
    personal = model.card.get("personal", {})
    if not personal.get("tuned") or _is_same(personal, record):
        return None
    parent = f"{personal['parent']['name']} {personal['parent']['version']}"
    return (
        f"the model was tuned to another recording, {personal['record']}: for another patient take its "
        f"parent, {parent}; for the same patient with other electrodes that may be better too"
    )


def _is_same(personal: dict[str, Any], record: Record) -> bool:
    name, _ = name_and_patient(record)
    known = "/" in name
    if name == personal["record"] and (known or "signal_samples" not in personal):
        return True
    n_samples = personal.get("signal_samples", math.inf)
    if n_samples > record.n_samples:
        return False
    return signal_hash(record, n_samples) == str(personal["signal_sha256"])
