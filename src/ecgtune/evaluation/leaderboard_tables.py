"""The leaderboard as Markdown and for the terminal."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ecgtune.evaluation.leaderboard import IMPOSSIBLE, NOT_MEASURED, Board, Missing, Value, boards
from ecgtune.evaluation.leaderboard_entries import ENTRIES, NOT_POSSIBLE, NOTES, TASKS, TELLS, Entry
from ecgtune.evaluation.result_tables import grid
from ecgtune.evaluation.results import Result

OVERVIEW = "overview"
"""Takes the place of a protocol's name where the table of all protocols is wanted."""

EMPTY = "–"

DEFAULT = "* the default model: as it ships under inter-patient, else as the protocol trains it"

LEGEND = (
    "In brackets, or behind the figure, the 95 % interval by bootstrap over records, of the first seed. With"
    " several seeds the figure is their mean, and their lowest and highest stand beside or below it. Accuracy"
    " and F1 are of all records' beats together; macro-F1 is the mean F1 of N, S and V, in a paper of those"
    " that it gives. 'Balanced, mean' is the mean of the records' balanced accuracy, where their test part"
    " has both classes; 'pooled' is that of all beats together. Rows are sorted by the overview's figure."
)
"""How the tables are to be read."""


def markdown(results: Mapping[str, Result], protocol: str | None = None) -> str:
    """Render for a document: all protocols under headings, one of them, or the ``overview``.

    Raises
    ------
    ResultError
        As `boards`.
    """
    if protocol == OVERVIEW:
        tables = [f"**{title}**\n\n{grid(rows)}" for title, rows in _overview(boards(results), _long)]
        return "\n\n".join([*tables, _escaped(DEFAULT)]) + "\n"
    parts = []
    for name in TELLS if protocol is None else [protocol]:
        parts += [f"## {name}"] * (protocol is None)
        found = boards(results, [name])
        parts.append(TELLS[name])
        for board in found:
            parts += [f"**{board.task.title}**", *([grid(_cells(board))] if board.rows else [])]
            parts += ["\n".join(f"* {_escaped(line)}" for line in _remarks(board))]
        parts += NOTES.get(name, ())
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(results: Mapping[str, Result], protocols: Iterable[str] | None = None) -> str:
    """Render for the terminal: the overview where all protocols are asked for, then their tables.

    Raises
    ------
    ResultError
        As `boards`.
    """
    found = boards(results, protocols)
    parts = []
    if protocols is None:
        parts = [f"{title}\n{_aligned(rows)}" for title, rows in _overview(found, _short)]
    for name in dict.fromkeys(board.protocol for board in found):
        parts.append(f"{name.upper()}\n{_wrapped(TELLS[name])}")
        for board in found:
            if board.protocol == name:
                table = [_aligned(_plain_cells(board))] if board.rows else []
                parts.append("\n".join([board.task.title, *table, *map(_wrapped, _remarks(board))]))
        parts += ["\n".join(_wrapped(f"- {note}") for note in NOTES[name])] if name in NOTES else []
    return "\n\n".join([*parts, _wrapped(LEGEND)])


def _overview(
    found: Sequence[Board], show: Callable[[Value | None], str]
) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and cells of one table for each task: the headline rows, by protocol."""
    for task in TASKS:
        tables = [board for board in found if board.task == task]
        labels = dict.fromkeys(entry.headline for entry in ENTRIES if entry.task == task and entry.headline)
        rows = [["", *(board.protocol for board in tables), "its paper"]]
        for label in labels:
            own = [entry for entry in ENTRIES if entry.task == task and entry.headline == label]
            papers = [figures for entry in own for figures in entry.paper.values() if figures]
            cells = [_overview_cell(board, own, show) for board in tables]
            rows.append([label, *cells, _paper(papers[0], task.main) if papers else EMPTY])
        yield f"{task.title}: {task.main}", rows


def _overview_cell(board: Board, own: Sequence[Entry], show: Callable[[Value | None], str]) -> str:
    for row in board.rows:
        if row.entry in own and row.values:
            return show(row.values[board.task.main])
    who = {own[0].system, own[0].headline}
    possible = not any((name, board.task.name, board.protocol) in NOT_POSSIBLE for name in who)
    return NOT_MEASURED if possible else IMPOSSIBLE


def _cells(board: Board) -> list[list[str]]:
    """Cells of a Markdown table, its head first."""
    names = [column.name for column in board.columns]
    head = ["system", *names, "its paper", "seeds", "records", "result"]
    body = [
        [
            _escaped(row.label),
            *(_long(row.values.get(name)) for name in names),
            _paper(row.paper) or EMPTY,
            *((str(row.seeds), str(row.records), f"`{row.entry.result}`") if row.seeds else (EMPTY,) * 3),
        ]
        for row in board.rows
    ]
    return [head, *body]


def _plain_cells(board: Board) -> list[list[str]]:
    """Cells for the terminal: what a paper reports, and the range of seeds, stand below a row's figures."""
    names = [column.name for column in board.columns]
    rows = [["", *names, "seeds", "rec"]]
    for row in board.rows:
        if row.values:
            shown = [_short(row.values[name]) for name in names]
            rows.append([row.label, *shown, str(row.seeds), str(row.records)])
        if row.seeds > 1:
            ends = [(row.values[name].lowest, row.values[name].highest) for name in names]
            cells = ["" if low is None else f"{'':5}{_ends(low, high)}" for low, high in ends]
            rows.append(["  range of the seeds", *cells, "", ""])
        if row.paper:
            published = [_number(row.paper[name]).rjust(4) if name in row.paper else "" for name in names]
            rows.append(["  its paper" if row.values else row.label, *published, "", ""])
    return rows


def _remarks(board: Board) -> Iterator[str]:
    """What stands below a table, a line each."""
    if any(row.entry.default for row in board.rows):
        yield DEFAULT
    unmeasured = [each for each in board.missing if each.status == NOT_MEASURED]
    if unmeasured:
        yield f"{NOT_MEASURED}: {', '.join(map(_which, unmeasured))}"
    for each in board.missing:
        if each.status == IMPOSSIBLE:
            yield f"{IMPOSSIBLE} for {_which(each)}: {each.why}"


def _which(missing: Missing) -> str:
    if len(missing.methods) > 3:
        return f"{missing.system} ({len(missing.methods)} methods)"
    return missing.system + (f" ({', '.join(missing.methods)})" if any(missing.methods) else "")


def _escaped(text: str) -> str:
    """For Markdown, to which a star is emphasis."""
    return text.replace("*", "\\*")


def _paper(figures: Mapping[str, float], only: str = "") -> str:
    """Published figures in words; one figure bare where it is the one that is wanted."""
    if only in figures:
        return f"{figures[only]:.3f}"
    return ", ".join(f"{name} {value:.3f}" for name, value in list(figures.items())[: 1 if only else None])


def _long(value: Value | None) -> str:
    if value is None or value.figure.value is None:
        return EMPTY
    figure = value.figure
    ends = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low is not None else ""
    seeds = f" [{value.lowest:.3f} to {value.highest:.3f}]" if value.lowest is not None else ""
    return f"{figure.value:.3f}{ends}{seeds}"


def _short(value: Value | None) -> str:
    if value is None or value.figure.value is None:
        return EMPTY.rjust(4)
    return f"{_number(value.figure.value):>4} {_ends(value.figure.low, value.figure.high)}".rstrip()


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_number(low)}-{_number(high)}"


def _number(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, subsequent_indent="  " * text.startswith(("- ", "* ", IMPOSSIBLE)))
