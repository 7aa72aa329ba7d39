"""What tuning to a patient gave, as text for people and as plain types for machines."""

from typing import Any

import numpy as np

from ecgtune.evaluation.metrics import Figures, figures
from ecgtune.labels import CLASSES
from ecgtune.training.personalize import Matrix, Personalized

_COLUMNS = (("Se", "sensitivity"), ("+P", "predictivity"), ("F1", "f1"))


def format_personalized(result: Personalized) -> str:
    """Say what was learnt from, which weights were kept and why, and how both models do on the rest."""
    order = sorted(CLASSES, key=lambda name: (result.beats[name] == 0, CLASSES.index(name)))
    lines = [", ".join(f"{name}: {_beats(result.beats[name])}" for name in order)]
    lines += [f"  {note}" for note in result.notes]
    lines.append(result.why)
    if result.rest is None:
        lines.append("no labels after the labelled part to compare with")
    else:
        lines += _compared(result.rest, ("before", "after"))
    return "\n".join(lines)


def to_plain(result: Personalized) -> dict[str, Any]:
    """Everything as plain types: counts, decisions, matrices [true, predicted] and figures."""
    found: dict[str, Any] = {
        "model": {"name": result.model.name, "folder": str(result.model.folder), "sha256": result.model.hash},
        "parent": {"name": result.parent.name, "sha256": result.parent.hash},
        "tuned": result.tuned,
        "why": result.why,
        "beats": result.beats,
        "notes": list(result.notes),
        "checked": None if result.checked is None else _pair(result.checked),
        "rest": None if result.rest is None else _pair(result.rest),
    }
    return found


def _pair(matrices: Matrix) -> dict[str, Any]:
    pairs = zip(("before", "after"), matrices, strict=True)
    return {name: {"matrix": m.tolist(), "figures": _defined(figures(m).to_dict())} for name, m in pairs}


def _defined(value: Any) -> Any:
    """Undefined figures become None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _beats(n: int) -> str:
    return f"{n:,} beat{'' if n == 1 else 's'}" if n else "none"


def _compared(matrices: Matrix, names: tuple[str, str]) -> list[str]:
    """Tabulate the classes that occur, then the overall figures, then both confusion matrices."""
    pair = [figures(matrix) for matrix in matrices]
    beats = int(matrices[0].sum())
    lines = [
        f"on the rest, {beats:,} labelled beats, in percent:",
        f"{'':8s}{'':>8s}" + "".join(f"  {name:>22s}" for name in names),
        f"{'':8s}{'beats':>8s}" + 2 * ("  " + "".join(f"{title:>7s}" for title, _ in _COLUMNS) + " "),
    ]
    for i, name in enumerate(CLASSES):
        if matrices[:, i].any() or matrices[:, :, i].any():
            cells = "  ".join(_cells(each, i) + " " for each in pair)
            lines.append(f"{name:8s}{int(matrices[0, i].sum()):8,d}  {cells}")
    for title, key in (("accuracy", "accuracy"), ("macro-F1", "macro_f1")):
        values = (f"{_percent(getattr(each, key)):>22s}" for each in pair)
        lines.append(f"{title:16s}  " + "  ".join(values))
    for name, matrix in zip(names, matrices, strict=True):
        shown = [i for i in range(len(CLASSES)) if matrices[:, i].any() or matrices[:, :, i].any()]
        lines.append(f"{name}, labelled (rows) as (columns):")
        lines.append(f"{'':8s}" + "".join(f"{CLASSES[j]:>8s}" for j in shown))
        lines += [f"{CLASSES[i]:8s}" + "".join(f"{matrix[i, j]:8,d}" for j in shown) for i in shown]
    return lines


def _cells(found: Figures, i: int) -> str:
    return "".join(f"{_percent(getattr(found.classes[i], key)):>7s}" for _, key in _COLUMNS)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"
