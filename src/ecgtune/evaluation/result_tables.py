"""Stored results as Markdown, and the tables in README and docs that are made of them.

A document holds a line ``<!-- results:NAME -->`` and, below it, a line ``<!-- /results -->``; what stands
between is generated from ``results/NAME.json``. ``<!-- results:NAME/TABLE -->`` takes one of its tables, and
``<!-- results:NAME/notes -->`` its notes. Where the figures come from stands below a result's last marker.
``<!-- leaderboard -->`` to the same end takes the leaderboard's tables of all protocols,
``<!-- leaderboard:PROTOCOL -->`` those of one, ``<!-- leaderboard:overview -->`` the ones that span them all.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ecgtune.errors import ResultError
from ecgtune.evaluation.results import FOLDER, Figure, Result, Table, load_results
from ecgtune.files import write_whole

DOCUMENTS = ("README.md", "docs/*.md")
"""Where a checkout has generated tables."""

NOTES = "notes"
"""Takes the place of a table's name where the notes are wanted."""

_BEGIN = re.compile(
    r"^<!-- (?:results:(?P<name>[^\s/]+)(?:/(?P<table>\S+))?|leaderboard(?::(?P<part>\S+))?) -->$"
)
_END = "<!-- /results -->"


def markdown(result: Result, table: str | None = None, *, heading: bool = False, source: bool = True) -> str:
    """Render a result's tables and, below them, where the figures come from.

    Parameters
    ----------
    result
        The result.
    table
        Name of one of its tables, or ``notes``; all tables where not given.
    heading
        Whether the result's title stands above.
    source
        Whether it says where the figures come from.

    Raises
    ------
    ResultError
        Where there is no such table.
    """
    tables = result.tables or {"all": _everything(result)}
    if table is not None and table not in {*tables, NOTES}:
        raise ResultError(f"{result.name}: no table {table!r}; there are {', '.join(tables)}")
    if table == NOTES:
        parts = ["\n".join(f"* {note}" for note in result.notes)]
        return "\n\n".join(parts + [provenance(result)] * source) + "\n"
    chosen = tables.values() if table is None else [tables[table]]
    parts = [f"### {result.title}"] if heading else []
    for each in chosen:
        parts += [f"**{each.title}**"] * bool(each.title) + [grid(_rows(result, each))]
    return "\n\n".join(parts + [provenance(result)] * source) + "\n"


def plain_tables(result: Result) -> str:
    """Render a result's tables for the terminal, in aligned columns, and its notes below."""
    tables = result.tables or {"all": _everything(result)}
    parts = []
    for table in tables.values():
        rows = _rows(result, table)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
            )
            for first, *others in rows
        ]
        parts.append("\n".join([table.title] * bool(table.title) + [line.rstrip() for line in lines]))
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    return "\n\n".join(parts)


def provenance(result: Result) -> str:
    """Say in one paragraph where a result's figures come from."""
    code, facts = result.code, []
    commit = f" {code.commit[:9]}{' with changes' * code.changed}" if code.commit else ""
    if result.divisions:
        hashes = dict.fromkeys(f"{each.protocol} {each.split_hash[:9]}" for each in result.divisions)
        facts.append(f"split{'s' * (len(hashes) > 1)} {', '.join(hashes)}")
    if result.seeds:
        facts.append(f"seed{'s' * (len(result.seeds) > 1)} {', '.join(map(str, result.seeds))}")
    if result.parameters:
        facts.append(f"{result.parameters:,} parameters")
    for name, data in result.data.items():
        partial = " of a partial copy" * data.partial
        facts.append(f"{name} ({data.records} records{partial}, {data.sha256[:9]})")
    intervals = f"Intervals: {result.intervals}. " if result.intervals else ""
    return (
        f"{intervals}Measured {result.created} with `{result.command}` (ecgtune {code.ecgtune}{commit},"
        f" {result.wall_s:,.0f} s on {result.machine}){''.join(f'; {fact}' for fact in facts)}."
        f" All of it: `{result.name}` in `results/`."
    )


def update_text(text: str, results: dict[str, Result], where: str) -> str:
    """Put the tables of today's results between a document's markers.

    Parameters
    ----------
    text
        The document.
    results
        By name.
    where
        The document's name, for messages.

    Raises
    ------
    ResultError
        Where a marker names no result or no table, or has no partner.
    """
    lines: list[str] = []
    inside: str | None = None
    begins = [_BEGIN.match(line) for line in text.splitlines()]
    last = {begin["name"]: number for number, begin in enumerate(begins, start=1) if begin}
    for number, line in enumerate(text.splitlines(), start=1):
        begin = begins[number - 1]
        if begin:
            if inside:
                raise ResultError(f"{where}:{number}: {inside} has no {_END} before the next one")
            inside = line
            try:
                rendered = _rendered(begin, results, source=last[begin["name"]] == number)
            except ResultError as error:
                raise ResultError(f"{where}:{number}: {error}") from error
            lines += [line, *rendered.splitlines(), _END]
        elif line == _END:
            if not inside:
                raise ResultError(f"{where}:{number}: {_END} without a beginning")
            inside = None
        elif not inside:
            lines.append(line)
    if inside:
        raise ResultError(f"{where}: {inside} has no {_END}")
    return "\n".join(lines) + "\n"


def _rendered(begin: re.Match[str], results: Mapping[str, Result], source: bool) -> str:
    """What a marker stands for."""
    name = begin["name"]
    if name is None:
        # It lays out its tables with `grid`, so that it can only be imported when it is asked for.
        from ecgtune.evaluation import leaderboard_tables

        return leaderboard_tables.markdown(results, begin["part"])
    if name not in results:
        raise ResultError(f"no result {name!r}; there are {', '.join(sorted(results)) or 'none'}")
    return markdown(results[name], begin["table"], source=source)


def documents(root: Path = Path()) -> list[Path]:
    """README and docs of a checkout that have generated tables."""
    found = [path for pattern in DOCUMENTS for path in sorted(root.glob(pattern))]
    return [path for path in found if any(map(_BEGIN.match, path.read_text("utf-8").splitlines()))]


def update_documents(paths: Iterable[Path], folder: Path = FOLDER, *, write: bool = True) -> list[Path]:
    """Rewrite the tables in documents, in place; return those whose tables were stale.

    Parameters
    ----------
    paths
        The documents.
    folder
        The results.
    write
        False: only look which are stale.

    Raises
    ------
    ResultError
        As `update_text`, and where a document or a result cannot be read; no document is written then.
    """
    results = load_results(folder)
    stale = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ResultError(f"{path}: cannot be read: {error.strerror or error}") from error
        updated = update_text(text, results, str(path))
        if updated != text:
            stale[path] = updated
    if write:
        for path, updated in stale.items():
            write_whole(path, updated)
    return list(stale)


def _everything(result: Result) -> Table:
    columns = dict.fromkeys(name for named in result.figures.values() for name in named)
    return Table("", "", {row: row for row in result.figures}, tuple(columns))


def _rows(result: Result, table: Table) -> list[list[str]]:
    """Cells of a table, its head first."""
    head = [table.corner, *table.columns]
    body = [
        [label, *(_cell(result.figures[row].get(column)) for column in table.columns)]
        for row, label in table.rows.items()
    ]
    return [head, *body]


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells, the head's first, as a Markdown table; all columns but the first to the right."""
    head, *body = rows
    widths = [max(3, *map(len, column)) for column in zip(head, *body, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(cells, widths) for cells in (head, rule, *body))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return _number(figure.value, figure.unit)
    low, high = (_number(end, figure.unit) for end in (figure.low, figure.high))
    return f"{_number(figure.value, figure.unit)} ({low} to {high})"


def _number(value: float, unit: str) -> str:
    if isinstance(value, int):
        return f"{value:,}" + (f" {unit}" if unit else "")
    if not unit:
        return f"{value:.3f}"
    return f"{value:.2f} %" if unit == "%" else f"{value:.4g} {unit}"
