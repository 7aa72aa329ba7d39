"""The summary of a labelled recording and how it came about, as JSON."""

import importlib.metadata
import json
from functools import cache
from typing import Any

from ecgtune.labelled import DISCLAIMER, PAUSE_S, RATE_WINDOW, Labelled, summarise

_PACKAGES = ("ecgtune", "numpy", "scipy", "sleepecg", "onnxruntime")


def encode_json(labelled: Labelled) -> str:
    """Encode the summary as JSON.

    Parameters
    ----------
    labelled
        The recording; its signal is not read.

    Returns
    -------
    str
        One object: ``record`` (name, file, rate, leads, start), ``model`` (name, hash, leads used, whether it
        was trained on this record), ``notes``, ``gaps_s``, ``rejected`` (beats called Q for lack of
        confidence: the limit, and their number by the model's own class; null where none was asked for),
        ``summary`` (`ecgtune.labelled.Summary`), ``definitions``, ``versions`` and ``disclaimer``. Numbers
        have at most four decimals.
    """
    record = labelled.record
    content = {
        "record": {
            "name": record.name,
            "file": record.path.name if record.path else None,
            "fs": record.fs,
            "samples": record.n_samples,
            "leads": list(record.leads),
            "start": record.start.isoformat() if record.start else None,
        },
        "model": {
            "name": labelled.model,
            "hash": labelled.model_hash,
            "leads": list(labelled.leads),
            "trained_on_this_record": labelled.trained_on,
        },
        "notes": list(labelled.notes),
        "gaps_s": (labelled.gaps / record.fs).tolist(),
        "rejected": _rejected(labelled),
        "summary": summarise(labelled).to_dict(),
        "definitions": {"pause_longer_than_s": PAUSE_S, "min_and_max_rate_over_rr_intervals": RATE_WINDOW},
        "versions": _versions(),
        "disclaimer": DISCLAIMER,
    }
    return json.dumps(_rounded(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rejected(labelled: Labelled) -> dict[str, Any] | None:
    if not labelled.min_confidence:
        return None
    counts = labelled.rejected_counts
    return {"below": labelled.min_confidence, "beats": sum(counts.values()), "counts": counts}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


@cache
def _versions() -> dict[str, str]:
    """Versions of what the labels depend on, of the packages that are installed."""
    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
