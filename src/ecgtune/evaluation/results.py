"""The result store: what was measured, and everything that is needed to measure it again.

A result is one JSON file, ``results/NAME.json``, or ``results/NAME/result.json`` beside its figures. Tables
in README and docs are rendered from these files (`ecgtune.evaluation.result_tables`); nobody types a figure.
No host name and no path of a machine is kept.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ecgtune.errors import ResultError
from ecgtune.evaluation.bootstrap import Interval
from ecgtune.evaluation.plain import DecodeError, decode, encode
from ecgtune.files import write_whole

FORMAT = 1
"""Version of the files; one with a larger number needs a newer ecgtune."""

FOLDER = Path("results")
"""Where a checkout keeps its results."""

FILE = "result.json"
"""The result in a folder that holds figures too, or a run's."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ABSOLUTE = re.compile(r"""(?:^|[\s='"(])(?:/[\w.~-]|~/|[A-Za-z]:\\)""")


@dataclass(frozen=True)
class Figure:
    """One number.

    Parameters
    ----------
    value
        The figure: a proportion (0 to 1), a count (an integer), or in units of `unit`; None where undefined.
    low, high
        Ends of its interval; what kind of interval, the result's `intervals` says.
    n
        How many records (patients, seeds) the interval is drawn over.
    unit
        ``""`` for a proportion, an index or a count; else ``"%"``, ``"ms"``, ``"s"``, ...
    """

    value: int | float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""

    @classmethod
    def of(cls, interval: Interval) -> "Figure":
        """Take a figure with its bootstrap interval; undefined numbers become None."""
        return cls(
            _defined(interval.value), _defined(interval.low), _defined(interval.high), interval.n_records
        )


@dataclass(frozen=True)
class Data:
    """What was read of one database.

    Parameters
    ----------
    records
        How many of its records were used.
    sha256
        Over the names and hashes of these records' files; see `ecgtune.evaluation.provenance.data_used`.
    partial
        Whether the copy at hand lacks records of the published database.
    """

    records: int
    sha256: str
    partial: bool


@dataclass(frozen=True)
class Division:
    """A split that was used: its protocol, its seed, and `Split.hash`."""

    protocol: str
    seed: int
    split_hash: str


@dataclass(frozen=True)
class Scoring:
    """One scoring of a test side: when (UTC), of which split, by which model.

    Parameters
    ----------
    when
        ISO date and time.
    protocol, split_hash
        The split whose test side was scored.
    model_hash
        Hash of the model; for a method without model file, of its parameters and training side.
    """

    when: str
    protocol: str
    split_hash: str
    model_hash: str


@dataclass(frozen=True)
class Code:
    """Version of the code.

    Parameters
    ----------
    ecgtune
        Version of the package.
    commit
        Of the checkout it ran from; None for an installed package.
    changed
        Whether the package's sources differed from that commit.
    """

    ecgtune: str
    commit: str | None = None
    changed: bool = False


@dataclass(frozen=True)
class Table:
    """How figures are laid out.

    Parameters
    ----------
    title
        Above the table; may be empty.
    corner
        Header of the first column.
    rows
        Rows of the result's figures, and the label that each has in the table.
    columns
        Names of the figures shown.
    """

    title: str
    corner: str
    rows: dict[str, str]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What one run measured.

    Parameters
    ----------
    name
        Lower-case words joined by hyphens; the file's name.
    title
        One line for readers.
    created
        Day of the measurement.
    command
        The command that measures it again, without paths of a machine.
    figures
        By row (``"pooled"``) and name (``"S F1"``).
    intervals
        What the figures' intervals are, e.g. ``"95 % bootstrap over records"``; empty without intervals.
    tables
        How they are rendered, by name; one table of everything where none is given.
    protocol
        What was done to whom, in a few words: a protocol's name, or what stands in its place.
    divisions
        The splits.
    data
        By database.
    code
        Version.
    seeds
        Of the training.
    wall_s
        Wall time in seconds.
    parameters
        Of the network; None where there is none.
    machine
        Its class, e.g. ``"2 cores x86_64"``.
    notes
        Decisions and remarks.
    scorings
        Every scoring of a test side, in order of time.
    matrices
        Confusion matrix [true, predicted] of each record, by what was tested.
    format
        Version of the file.
    """

    name: str
    title: str
    created: date
    command: str
    protocol: str
    figures: dict[str, dict[str, Figure]]
    code: Code
    machine: str
    wall_s: float
    intervals: str = ""
    tables: dict[str, Table] = field(default_factory=dict)
    divisions: tuple[Division, ...] = ()
    data: dict[str, Data] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    parameters: int | None = None
    notes: tuple[str, ...] = ()
    scorings: tuple[Scoring, ...] = ()
    matrices: dict[str, dict[str, tuple[tuple[int, ...], ...]]] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ResultError(f"name {self.name!r}: give lower-case words joined by hyphens")
        texts = {"title": self.title, "command": self.command, "protocol": self.protocol}
        texts |= {"machine": self.machine, "notes": "\n".join(self.notes)}
        for place, text in texts.items():
            if _ABSOLUTE.search(text):
                raise ResultError(
                    f"{self.name}: {place} holds a path of this machine: {text!r}; leave it out"
                )
        for place, text in (("figures", "row"), ("title", "text"), ("command", "text")):
            if not getattr(self, place):
                raise ResultError(f"{self.name}: {place}: no {text} there")
        for name, table in self.tables.items():
            self._check_table(name, table)
        for name, records in self.matrices.items():
            for record, matrix in records.items():
                if any(len(row) != len(matrix) or min(row) < 0 for row in matrix):
                    raise ResultError(f"{self.name}: matrices.{name}.{record}: is no square matrix of counts")

    def _check_table(self, name: str, table: Table) -> None:
        for row in table.rows:
            if row not in self.figures:
                raise ResultError(f"{self.name}: tables.{name}.rows: there is no row {row!r} of figures")
        for column in table.columns:
            if not any(column in self.figures[row] for row in table.rows):
                raise ResultError(f"{self.name}: tables.{name}.columns: no row has a figure {column!r}")

    def to_json(self) -> str:
        """Encode for the file: fields in the order above, short lists and figures on one line."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content = {"format": content.pop("format")} | content
        plain = json.loads(json.dumps(content, default=_plain, allow_nan=False))
        return encode(_compact(plain)) + "\n"


def save_result(result: Result, path: Path) -> Path:
    """Write a result, whole or not at all.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    write_whole(path, result.to_json())
    return path


def load_result(path: Path) -> Result:
    """Read and check a result.

    Raises
    ------
    ResultError
        Where it cannot be read; the text names the file and the field.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ResultError(f"{path}: is no JSON: {error}; measure it again") from error
    if not isinstance(content, dict):
        raise ResultError(f"{path}: is no result: a JSON object is expected")
    version = content.get("format", 0)
    if isinstance(version, int) and version > FORMAT:
        raise ResultError(f"{path}: format {version}; this ecgtune reads up to {FORMAT}: upgrade ecgtune")
    try:
        result: Result = decode(Result, content)
    except (DecodeError, ResultError) as error:
        raise ResultError(f"{path}: {error}") from error
    return result


def load_results(folder: Path = FOLDER, names: Iterable[str] = ()) -> dict[str, Result]:
    """Read all results of a folder, or those named, by name.

    Raises
    ------
    ResultError
        Where one is missing or damaged, or its file has another name than it has itself.
    """
    names = list(names)
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder; run inside a checkout, or give --folder")
    there = {path.stem: path for path in folder.glob("*.json")}
    there |= {path.parent.name: path for path in folder.glob(f"*/{FILE}")}
    if unknown := [name for name in names if name not in there]:
        listing = ", ".join(sorted(there)) or "none"
        raise ResultError(f"{folder}: no result {unknown[0]}; there are {listing}")
    results = {}
    for name in names or sorted(there):
        path = there[name]
        result = load_result(path)
        if result.name != name:
            raise ResultError(f"{path}: name is {result.name!r}; call the file (or its folder) so")
        results[name] = result
    return results


def plain_matrices(matrices: Mapping[Any, ArrayLike]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Confusion matrices as a result keeps them, by record (``mitdb/100``) in sorted order."""
    named = {key if isinstance(key, str) else "/".join(key): matrix for key, matrix in matrices.items()}
    return {key: tuple(map(tuple, np.asarray(named[key]).astype(int).tolist())) for key in sorted(named)}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return asdict(value)


def _compact(plain: Any) -> Any:
    """Round figures to six decimals and leave out what a figure does not have, for a readable diff."""
    figures = {
        row: {
            name: {
                key: _rounded(part)
                for key, part in figure.items()
                if part not in (None, "") or key == "value"
            }
            for name, figure in named.items()
        }
        for row, named in plain["figures"].items()
    }
    return plain | {"figures": figures}


def _rounded(part: Any) -> Any:
    return round(part, 6) if isinstance(part, float) else part
