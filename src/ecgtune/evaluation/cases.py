"""Which files are compared with which: reference and test annotations of each record."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgtune.errors import EcgtuneError, EvaluationError, RecordError
from ecgtune.readers.annotations import AnnotationsBeside
from ecgtune.readers.find import find_records


@dataclass(frozen=True)
class Case:
    """One record to compare.

    Parameters
    ----------
    record
        Its name.
    header
        The file that stands for the recording (its ``.hea``).
    reference, test
        The annotation files; they may be missing.
    """

    record: str
    header: Path
    reference: Path
    test: Path


@dataclass(frozen=True)
class Failure:
    """A record that was not evaluated, and why in one line.

    Parameters
    ----------
    record
        Its name, or the path that names none.
    message
        For the user; it names the record.
    """

    record: str
    message: str

    def __str__(self) -> str:
        """Give the message."""
        return self.message


@dataclass(frozen=True)
class Cases:
    """What there is to compare.

    Parameters
    ----------
    cases
        Records that have at least one of the two annotation files.
    failures
        Paths that name no record, and test annotations without a record.
    annotator
        The test annotator's name, given or inferred.
    unannotated
        Names of records that have neither annotation file, such as nstdb's pure noise.
    """

    cases: tuple[Case, ...]
    failures: tuple[Failure, ...]
    annotator: str
    unannotated: tuple[str, ...] = ()


def find_cases(references: Sequence[str | Path], reference: str, test: str | Path) -> Cases:
    """Find the annotation files to compare.

    Parameters
    ----------
    references
        Records, folders or patterns, as `ecgtune.readers.find_records` takes them.
    reference
        Name of the reference annotator: its files lie beside the records.
    test
        Name of an annotator whose files lie beside the records, or ``FOLDER``, or ``FOLDER:ANNOTATOR``. In a
        folder the annotator is the one that is there; the reference annotator and files that are no
        annotations do not count. A name that is both is the folder's, unless there is nothing in it for the
        records.

    Returns
    -------
    Cases
        In natural order as given.

    Raises
    ------
    EvaluationError
        Where no record is found, or the test annotator cannot be told.
    """
    records, failures = _records(references)
    if not records:
        raise EvaluationError(failures[0].message if failures else "no records given")
    folder, annotator = _test(str(test))
    if folder is not None and not annotator:
        is_annotator = any((header.parent / f"{name}.{test}").exists() for name, header in records.items())
        found = _annotators(folder, records)
        if is_annotator and not found:
            folder, annotator = None, str(test)
        else:
            annotator = _infer(folder, found, reference)
    cases, unannotated = [], []
    for name, header in records.items():
        beside = folder if folder is not None else header.parent
        case = Case(name, header, header.parent / f"{name}.{reference}", beside / f"{name}.{annotator}")
        if case.reference.exists() or case.test.exists():
            cases.append(case)
        else:
            unannotated.append(name)
    if not cases:
        raise EvaluationError(
            f"none of {_records_text(len(records))} has annotations of"
            f" {reference} or {annotator}; check the annotators' names"
        )
    if folder is not None and any(Path(path).is_dir() for path in references):
        failures += _without_record(folder, annotator, records)
    return Cases(tuple(cases), tuple(failures), annotator, tuple(unannotated))


def trained_on(test: Path) -> bool:
    """Whether the model that made a test annotation file was trained on this record.

    ``ecgtune classify`` says so in the JSON file that it writes beside the annotations; False where there is
    none, or it does not say.
    """
    try:
        content = json.loads(test.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(content, dict):
        return False
    model = content.get("model")
    sources = [content, model] if isinstance(model, dict) else [content]
    return any(
        source.get(key) is True for source in sources for key in ("trained_on", "trained_on_this_record")
    )


def _records(references: Sequence[str | Path]) -> tuple[dict[str, Path], list[Failure]]:
    """Headers by record name; a name that stands for two recordings is a failure."""
    records: dict[str, Path] = {}
    failures: list[Failure] = []
    for path in references:
        try:
            found = find_records([path])
        except RecordError as error:
            failures.append(Failure(str(path), str(error)))
            continue
        for header in found:
            name = header.stem
            if name not in records:
                records[name] = header
            elif records[name].resolve() != header.resolve():
                failures.append(
                    Failure(name, f"{name}: both {records[name]} and {header}; evaluate them one by one")
                )
    return records, failures


def _test(test: str) -> tuple[Path | None, str]:
    """Split what the user says of the test annotations into folder and annotator ('' to be inferred)."""
    if test and Path(test).is_dir():
        return Path(test), ""
    folder, colon, annotator = test.rpartition(":")
    if colon and folder and annotator and Path(folder).is_dir():
        return Path(folder), annotator
    if not test or any(separator in test for separator in "/\\:."):
        raise EvaluationError(
            f"test annotations {test!r}: no such folder; give ANNOTATOR, FOLDER or FOLDER:ANNOTATOR"
        )
    return None, test


def _annotators(folder: Path, records: Iterable[str]) -> Counter[str]:
    """How many of the records each annotator of a folder has annotated."""
    names = set(records)
    counts: Counter[str] = Counter()
    for path in folder.iterdir():
        stem, dot, annotator = path.name.rpartition(".")
        if dot and stem in names and annotator in AnnotationsBeside(folder / stem, fs=1.0):
            counts[annotator] += 1
    return counts


def _infer(folder: Path, counts: Counter[str], reference: str) -> str:
    """The only annotator of a folder; the reference annotator where there is no other."""
    others = {name: count for name, count in counts.items() if name != reference}
    found = others or dict(counts)
    if len(found) == 1:
        return next(iter(found))
    if not found:
        raise EvaluationError(f"{folder}: no annotation file of any of the records; check the folder")
    listing = ", ".join(f"{name} ({_records_text(count)})" for name, count in sorted(found.items()))
    example = max(found, key=lambda name: found[name])
    raise EvaluationError(f"{folder}: several annotators: {listing}; choose one, e.g. {folder}:{example}")


def _records_text(n: int) -> str:
    return f"{n} record{'' if n == 1 else 's'}"


def _without_record(folder: Path, annotator: str, records: Iterable[str]) -> list[Failure]:
    names = set(records)
    alone = sorted(path for path in folder.glob(f"*.{annotator}") if path.stem not in names)
    return [
        Failure(path.stem, f"{path.stem}: {path} has no record among the references; add its folder")
        for path in alone
    ]


def failure(record: str, error: EcgtuneError) -> Failure:
    """Make a failure of an error, with the record's name in front unless its text begins with it."""
    text = str(error)
    return Failure(record, text if text.startswith(f"{record}:") else f"{record}: {text}")
