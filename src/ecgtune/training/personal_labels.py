"""A person's labels of one recording: an annotator beside it, an annotation file, or a corrected CSV."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.evaluation.check import MARKS
from ecgtune.labels import BEAT_SYMBOLS, CLASSES, class_indices
from ecgtune.readers.annotations import read_annotations
from ecgtune.record import Annotations, Record

TABLES = (".csv", ".tsv")
_SEPARATORS = ",;\t"
_APART_S = 0.1
"""A row's time and sample may differ by this much before one of them must be wrong."""


def read_labels(reference: str, record: Record) -> Annotations:
    """Read labels of a record.

    Parameters
    ----------
    reference
        An annotator's name (``atr`` stands for ``233.atr`` beside ``233.hea``), the path of an annotation
        file, or of a CSV file as ``ecgtune classify`` writes it; see `read_label_table`.
    record
        Whose labels they are.

    Returns
    -------
    Annotations
        Ascending; ``probability`` holds the columns of a CSV that has them.

    Raises
    ------
    RecordError
        Where there is no such annotator or file, or it is damaged.
    """
    path = Path(reference)
    if path.suffix.lower() in TABLES:
        return read_label_table(path, record)
    if path.suffix or len(path.parts) > 1:
        return read_annotations(path, record.fs, record.per_frame)
    if reference in record.annotations:
        return record.annotations[reference]
    there = ", ".join(record.annotations)
    raise RecordError(
        f"{record.name}: no annotator {reference!r} beside it; "
        + (f"there {'are' if ',' in there else 'is'} {there}" if there else "there is none: give a file")
    )


def read_label_table(path: Path, record: Record) -> Annotations:
    """Read the beats of a CSV file that ``ecgtune classify`` wrote and a person corrected.

    Of its columns ``label`` (N, S, V, F or Q) or ``symbol`` (WFDB's) is needed, and ``sample`` or ``time_s``;
    a row may leave one of the two empty. Editors that save with semicolons and decimal commas, tabs, a byte
    order mark or blank lines are understood; other columns but ``probability_*`` are passed over. Beats that
    the model was not sure enough of (column ``unsure``) and that nobody has labelled since are no labels.

    Parameters
    ----------
    path
        The file.
    record
        Gives rate and length.

    Raises
    ------
    RecordError
        Where the file, a column or a value is missing, a label is unknown, a time lies outside the recording,
        or rows are out of order; the text names the line.
    """
    rows = _Rows(path)
    column = rows.one_of("label", "symbol")
    samples, symbols, probabilities, last = [], [], [], (-1, 0)
    for row in rows:
        sample = _sample(row, record)
        if sample <= last[0]:
            what = "is there already" if sample == last[0] else f"comes after {last[0]}"
            raise row.error(f"sample {sample} {what} (line {last[1]}); keep one row a beat, sorted by time")
        last = (sample, row.line)
        symbol = _symbol(row, column)
        if symbol == "Q" and row.cells.get("unsure"):
            continue
        samples.append(sample)
        symbols.append(symbol)
        probabilities.append([row.number(f"probability_{name.lower()}") for name in CLASSES])
    if not samples:
        raise RecordError(f"{path}: no labels in it; a row a beat is needed")
    probability = np.array(probabilities, dtype=np.float32)
    return Annotations(
        np.array(samples, dtype=np.int64),
        np.array(symbols),
        probability=probability if np.isfinite(probability).all() else None,
    )


def unchanged(annotations: Annotations) -> NDArray[np.bool_]:
    """Which labels are still the class that a model found most likely: nobody has changed them. Bool [n].

    All False where the annotations carry no probabilities. Rounding makes ties: any of them will do.
    """
    if annotations.probability is None:
        return np.zeros(len(annotations), dtype=np.bool_)
    given = class_indices(annotations.symbol)
    own = annotations.probability[np.arange(len(annotations)), given]
    return np.asarray((given >= 0) & (own >= annotations.probability.max(axis=1)), dtype=np.bool_)


@dataclass(frozen=True)
class _Row:
    path: Path
    line: int
    cells: dict[str, str]
    decimal: str

    def error(self, problem: str) -> RecordError:
        return RecordError(f"{self.path}, line {self.line}: {problem}")

    def number(self, column: str) -> float:
        """Value of a column; NaN where it is empty or not there."""
        text = self.cells.get(column, "").replace(self.decimal, ".")
        if not text:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if not math.isfinite(value):
            raise self.error(f"{column} is {self.cells[column]!r}, no number")
        return value


class _Rows:
    """Rows of a table with a header, as dictionaries."""

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise RecordError(f"{path}: cannot be read: {reason}") from error
        except UnicodeDecodeError as error:
            raise RecordError(f"{path}: is no text; save it as CSV (UTF-8)") from error
        self.path = path
        self._lines = text.splitlines()
        head = self._lines[0] if self._lines else ""
        self._separator = max(_SEPARATORS, key=head.count)
        self.columns = [name.strip().lower() for name in self._cells(0)] if head else []
        if not {"sample", "time_s"} & set(self.columns):
            raise self._lacking("sample or time_s")

    def one_of(self, *names: str) -> str:
        found = [name for name in names if name in self.columns]
        if not found:
            raise self._lacking(" or ".join(names))
        return found[0]

    def __iter__(self) -> Iterator[_Row]:
        decimal = "," if self._separator == ";" else "."
        for i in range(1, len(self._lines)):
            cells = [cell.strip() for cell in self._cells(i)]
            if any(cells):
                named = dict(zip(self.columns, cells, strict=False))
                yield _Row(self.path, i + 1, named, decimal)

    def _cells(self, i: int) -> list[str]:
        return next(csv.reader([self._lines[i]], delimiter=self._separator), [])

    def _lacking(self, column: str) -> RecordError:
        there = ", ".join(self.columns) or "nothing"
        return RecordError(f"{self.path}, line 1: no column {column}; there is {there}")


def _sample(row: _Row, record: Record) -> int:
    sample, seconds = row.number("sample"), row.number("time_s")
    if math.isnan(sample) and math.isnan(seconds):
        raise row.error("neither sample nor time_s is filled in")
    if not math.isnan(sample) and not math.isnan(seconds) and abs(sample / record.fs - seconds) > _APART_S:
        raise row.error(
            f"sample {sample:.0f} is at {sample / record.fs:.3f} s, not at time_s {seconds:.3f}; "
            f"correct one of them ({record.name} has {record.fs:g} Hz)"
        )
    if math.isnan(sample):
        sample = seconds * record.fs
    if not 0 <= round(sample) < record.n_samples:
        raise row.error(
            f"sample {sample:.0f} lies outside the {record.n_samples} samples of {record.name}: "
            "labels of another recording or at another rate?"
        )
    return round(sample)


def _symbol(row: _Row, column: str) -> str:
    text = row.cells.get(column, "")
    known = frozenset(CLASSES) if column == "label" else BEAT_SYMBOLS | MARKS
    if text in known:
        return text
    if not text:
        raise row.error(f"{column} is empty; fill it in or delete the row")
    advice = f"write {', '.join(CLASSES)}" if column == "label" else "use WFDB's symbols"
    raise row.error(f"{column} is {text!r}; {advice}, or delete the row if it is no beat")
