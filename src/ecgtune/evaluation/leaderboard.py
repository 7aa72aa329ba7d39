"""Every system under every protocol, from the stored results alone.

What is compared is declared in `ENTRIES`. All figures are computed here from the results' confusion
matrices, by the functions that measure a single model, so that no row is measured otherwise than its
neighbour. A result that is not there is "not measured", never an error.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ecgtune.errors import ResultError
from ecgtune.evaluation.bootstrap import Matrices, bootstrap, bootstrap_mean, mean_over, pooled
from ecgtune.evaluation.headline import named_metrics
from ecgtune.evaluation.leaderboard_entries import (
    ENTRIES,
    NOT_POSSIBLE,
    NOTES,
    TASKS,
    TELLS,
    Column,
    Entry,
    Task,
)
from ecgtune.evaluation.results import Figure, Result

NOT_MEASURED, IMPOSSIBLE = "not measured", "n/a"
"""What a table says of a method that it does not show."""


@dataclass(frozen=True)
class Value:
    """A figure of the first seed's interval and all seeds' mean.

    Parameters
    ----------
    figure
        Mean over the seeds; interval over the records of the first one.
    lowest, highest
        Of the seeds; None with one seed.
    """

    figure: Figure
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class Row:
    """A method under a protocol.

    Parameters
    ----------
    entry
        What is shown.
    seeds, records
        How many; 0 where only a publication has figures.
    values
        By the name of the column.
    paper
        What is published of it under this protocol, by column.
    """

    entry: Entry
    seeds: int = 0
    records: int = 0
    values: dict[str, Value] = field(default_factory=dict)
    paper: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """System and method, marked where it is the default model."""
        return self.entry.label + " *" * self.entry.default


@dataclass(frozen=True)
class Missing:
    """What a table does not show: methods of a system, whether they could be measured, and if not, why."""

    system: str
    methods: tuple[str, ...]
    status: str
    why: str = ""


@dataclass(frozen=True)
class Board:
    """The table of a protocol and a task."""

    protocol: str
    task: Task
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    missing: tuple[Missing, ...]


def boards(results: Mapping[str, Result], protocols: Iterable[str] | None = None) -> list[Board]:
    """Compute the tables of protocols.

    Parameters
    ----------
    results
        By name, see `ecgtune.evaluation.results.load_results`.
    protocols
        Some of `TELLS`; all where None.

    Raises
    ------
    ResultError
        On an unknown protocol, and where a result's matrices have another number of classes than the task.
    """
    protocols = list(TELLS if protocols is None else protocols)
    if unknown := [name for name in protocols if name not in TELLS]:
        raise ResultError(f"no protocol {unknown[0]!r} in the leaderboard; there are {', '.join(TELLS)}")
    return [_board(results, name, task) for name in protocols for task in TASKS if name in task.protocols]


def _board(results: Mapping[str, Result], protocol: str, task: Task) -> Board:
    columns = tuple(column for column in task.columns if not column.only or protocol in column.only)
    rows, without = [], []
    for entry in ENTRIES:
        if entry.task == task and protocol in entry.keys:
            row = _row(results, entry, protocol, columns)
            rows.append(row) if row else without.append(entry)
    main = task.main
    # What is only published stands last; the order of `ENTRIES` decides between equals.
    rows.sort(key=lambda row: -(row.values[main].figure.value or 0.0) if row.values else 1.0)
    return Board(protocol, task, columns, tuple(rows), tuple(_missing(task, protocol, rows, without)))


def _missing(task: Task, protocol: str, rows: Sequence[Row], without: Sequence[Entry]) -> Iterator[Missing]:
    here = {
        who: why for (who, name, which), why in NOT_POSSIBLE.items() if (name, which) == (task.name, protocol)
    }
    shown = {row.entry.system for row in rows}
    for system in dict.fromkeys(entry.system for entry in ENTRIES if entry.task == task and entry.result):
        methods = tuple(entry.method for entry in without if entry.system == system)
        if methods or system not in shown | set(here):
            yield Missing(system, methods, NOT_MEASURED)
    yield from (Missing(who, (), IMPOSSIBLE, why) for who, why in here.items())


def _row(results: Mapping[str, Result], entry: Entry, protocol: str, columns: Sequence[Column]) -> Row | None:
    paper = entry.paper.get(protocol, {})
    if not entry.result:
        return Row(entry, paper=paper)
    seeds = _seeds(results, entry, protocol)
    if not seeds:
        return None
    values = {column.name: _value(seeds, column) for column in columns}
    return Row(entry, len(seeds), len(seeds[0]), values, paper)


def _seeds(results: Mapping[str, Result], entry: Entry, protocol: str) -> list[Matrices]:
    """Matrices of each seed that a result has of a method, the first seed first."""
    if entry.result not in results:
        return []
    pattern = re.escape(entry.keys[protocol]).replace(r"\{seed\}", r"(\d+)")
    found = {}
    for name, matrices in results[entry.result].matrices.items():
        if match := re.fullmatch(pattern, name):
            found[int(match[1]) if match.groups() else 0] = matrices
            if wrong := [record for record, m in matrices.items() if len(m) != entry.task.classes]:
                raise ResultError(
                    f"{entry.result}: matrices.{name}.{wrong[0]}: {len(matrices[wrong[0]])} classes;"
                    f" the leaderboard's {entry.task.name} have {entry.task.classes}"
                )
    return [found[seed] for seed in sorted(found) if found[seed]]


def _value(seeds: Sequence[Matrices], column: Column) -> Value:
    metric = named_metrics()[column.metric]
    chosen = [_chosen(matrices, column) for matrices in seeds]
    if not all(chosen):
        return Value(Figure(None))
    first = Figure.of((bootstrap_mean if column.over_records else bootstrap)(chosen[0], metric))
    if len(seeds) == 1:
        return Value(first)
    every = [
        mean_over(matrices, metric)
        if column.over_records
        else float(metric(pooled(matrices).astype(np.float64)))
        for matrices in chosen
    ]
    if np.isnan(every).any():
        return Value(Figure(None))
    mean = Figure(float(np.mean(every)), first.low, first.high, first.n)
    return Value(mean, min(every), max(every))


def _chosen(matrices: Matrices, column: Column) -> Matrices:
    """Records that a column is computed from: of a mean over records those that test all classes."""
    kept = {name: np.asarray(matrix) for name, matrix in matrices.items() if name != column.without}
    if column.over_records:
        kept = {name: matrix for name, matrix in kept.items() if matrix.sum(1).all()}
    return kept


def to_plain(results: Mapping[str, Result], protocols: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Everything as plain types, a table of a protocol and a task each.

    Raises
    ------
    ResultError
        As `boards`.
    """
    return [
        {
            "protocol": board.protocol,
            "tells": TELLS[board.protocol],
            "task": board.task.name,
            "columns": [column.name for column in board.columns],
            "rows": [
                {
                    **{name: getattr(row.entry, name) for name in ("system", "method", "result", "default")},
                    **{"seeds": row.seeds, "records": row.records, "paper": dict(row.paper)},
                    "figures": {
                        name: {
                            **{key: getattr(value.figure, key) for key in ("value", "low", "high", "n")},
                            **{"lowest": value.lowest, "highest": value.highest},
                        }
                        for name, value in row.values.items()
                    },
                }
                for row in board.rows
            ],
            "missing": [asdict(missing) for missing in board.missing],
            "notes": list(NOTES.get(board.protocol, ())),
        }
        for board in boards(results, protocols)
    ]
