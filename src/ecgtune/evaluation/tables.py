"""An evaluation as tables for people."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ecgtune.evaluation.bootstrap import Interval
from ecgtune.evaluation.ec57 import BeatComparison, RunSummary
from ecgtune.evaluation.ec57.rates import O, X
from ecgtune.evaluation.ec57.summary import run_categories, run_rates
from ecgtune.evaluation.headline import BY_CLASS, OVERALL, headline
from ecgtune.labels import CLASSES, Convention

if TYPE_CHECKING:
    from ecgtune.evaluation.evaluate import Evaluation, Group

CONVENTIONS: dict[Convention, str] = {
    "aami": "AAMI classes (de Chazal: e and j are N)",
    "bxb": "bxb's classes (e, j and n are S); not comparable with AAMI's",
}
"""What a table says of its classes."""

_RATES = (
    ("Q Se", "qrs_sensitivity"),
    ("Q +P", "qrs_predictivity"),
    ("V Se", "veb_sensitivity"),
    ("V +P", "veb_predictivity"),
    ("S Se", "sveb_sensitivity"),
    ("S +P", "sveb_predictivity"),
)


def text(evaluation: "Evaluation") -> str:
    """Render the tables: the headline of the tested records, then the model's training records apart.

    Parameters
    ----------
    evaluation
        Its failures are not in the text; whoever prints it prints them too.
    """
    settings = evaluation.settings
    until = f"to {settings.stop:g} s" if settings.stop is not None else "to the end"
    parts = [
        f"{settings.test} against {settings.reference}, from {settings.start:g} s {until},"
        f" match window {1000 * settings.window:g} ms\n{CONVENTIONS[settings.classes]}\n"
    ]
    training = evaluation.training
    if evaluation.tested.results:
        parts += _group(evaluation.tested)
    elif training.results:
        parts.append("No headline: the model was trained on every record here.\n")
    else:
        parts.append("No record could be evaluated.\n")
    if training.results:
        parts.append(
            f"The model was trained on {_records(len(training.results))} below;"
            " these figures say nothing about new patients.\n"
        )
        parts += _group(training, labels=False)
    return "\n".join(parts)


def _group(group: "Group", labels: bool = True) -> list[str]:
    parts = [_beats(group)]
    runs = (("Ventricular runs", group.ventricular), ("Supraventricular runs", group.supraventricular))
    parts.append("".join(_runs(title, summary) for title, summary in runs))
    if labels:
        parts.append(_labels(group))
    return parts


def _beats(group: "Group") -> str:
    summary = group.beats
    header = ["record", "beats", "missed", "extra", *(title for title, _ in _RATES), "RR ms", "off s"]
    rows = [_beat_row(record) for record in summary.records]
    off = sum(record.shutdown for record in summary.records)
    missed, extra = int(summary.counts[:O, O:].sum()), int(summary.counts[O:, :O].sum())
    gross = [_percent(getattr(summary.gross, name).percent) for _, name in _RATES]
    average = [_percent(summary.average[name]) for _, name in _RATES]
    error = _number(summary.average_rms_rr_error, 1)
    totals = [
        ["gross", f"{summary.n_beats}", f"{missed}", f"{extra}", *gross, "", f"{off:.0f}"],
        ["average", "", "", "", *average, error, ""],
    ]
    return f"Beat by beat (EC57), {_records(len(rows))}, percent\n" + _table(header, rows, totals)


def _beat_row(record: BeatComparison) -> list[str]:
    counts = record.counts
    return [
        record.record,
        f"{counts[:O].sum()}",
        f"{counts[:O, O:].sum()}",
        f"{counts[O : X + 1, :O].sum()}",
        *(_percent(getattr(record.rates, name).percent) for _, name in _RATES),
        _number(record.rms_rr_error, 1),
        f"{record.shutdown:.0f}",
    ]


def _runs(title: str, summary: RunSummary) -> str:
    gross, rates, average = run_categories(summary.gross), run_rates(summary.gross), summary.average
    rows = [
        [
            name,
            f"{counts.found + counts.missed}",
            f"{counts.true + counts.false}",
            _percent(rates[2 * i].percent),
            _percent(rates[2 * i + 1].percent),
            _percent(average[2 * i]),
            _percent(average[2 * i + 1]),
        ]
        for i, (name, counts) in enumerate(
            zip(("couplets", "3 to 5 beats", "6 and more"), gross, strict=True)
        )
    ]
    header = [title, "reference", "test", "gross Se", "gross +P", "average Se", "average +P"]
    return _table(header, rows)


def _labels(group: "Group") -> str:
    """Class figures of the matched beats, with intervals, and the confusion matrix."""
    confusions = group.confusions
    found = headline(confusions)
    total = group.beats.counts[:O, :O]
    class_rows = [
        [
            name,
            f"{total[i].sum()}",
            *(f"{count}" for count in total[i].tolist()),
            *(_interval(found[f"{name} {figure}"]) for figure in BY_CLASS),
        ]
        for i, name in enumerate(CLASSES)
    ]
    header = ["class", "beats", *(f"as {name}" for name in CLASSES), *BY_CLASS]
    overall = [[name, _interval(found[name])] for name in OVERALL]
    return (
        "Labels of the beats that both have, percent with 95 % intervals over records\n"
        + _table(header, class_rows)
        + _table(["", ""], overall, ruled=False)
    )


def _interval(interval: Interval) -> str:
    value = _percent(100 * interval.value)
    if math.isnan(interval.low) or interval.n_records < 2:
        return value
    return f"{value} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def _percent(value: float) -> str:
    return _number(value, 2)


def _number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def _records(n: int) -> str:
    return f"{n} record{'' if n == 1 else 's'}"


def _table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    totals: Iterable[Sequence[str]] = (),
    *,
    ruled: bool = True,
) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    rows, totals = list(rows), list(totals)
    widths = [max(map(len, column)) for column in zip(header, *rows, *totals, strict=True)]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    lines = [*([line(header), rule] if ruled else []), *map(line, rows)]
    if totals:
        lines += [rule, *map(line, totals)]
    return "\n".join(lines) + "\n"
