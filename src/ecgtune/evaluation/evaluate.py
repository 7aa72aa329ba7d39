"""The job behind ``ecgtune evaluate``: annotation files in, EC57 figures out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import EcgtuneError, EvaluationError
from ecgtune.evaluation.cases import Case, Failure, failure, find_cases, trained_on
from ecgtune.evaluation.check import check_annotations, check_period
from ecgtune.evaluation.ec57 import (
    START_S,
    WINDOW_S,
    BeatComparison,
    BeatSummary,
    RunComparison,
    RunSummary,
    compare_beats,
    compare_runs,
    summarise_beats,
    summarise_runs,
)
from ecgtune.evaluation.ec57.period import Period
from ecgtune.labels import Convention, class_map
from ecgtune.readers import read_record
from ecgtune.readers.annotations import read_annotations
from ecgtune.readers.wfdb_header import read_header
from ecgtune.record import Annotations


@dataclass(frozen=True)
class Settings:
    """What was compared with what.

    Parameters
    ----------
    reference, test
        Names of the annotators.
    classes
        The class convention, ``"aami"`` or ``"bxb"``.
    start, stop
        The test period in s; `stop` None: to the end.
    window
        Match window in s.
    """

    reference: str = "atr"
    test: str = ""
    classes: Convention = "aami"
    start: float = START_S
    stop: float | None = None
    window: float = WINDOW_S

    def __post_init__(self) -> None:
        try:
            class_map(self.classes)
        except ValueError as error:
            raise EvaluationError(str(error)) from None
        Period.of(1.0, self.start, self.stop, self.window, 0)


@dataclass(frozen=True)
class RecordResult:
    """One record's comparisons.

    Parameters
    ----------
    record
        Its name.
    beats
        Beat by beat.
    ventricular, supraventricular
        Run by run.
    trained_on
        Whether the model that labelled it was trained on it.
    """

    record: str
    beats: BeatComparison
    ventricular: RunComparison
    supraventricular: RunComparison
    trained_on: bool = False


@dataclass(frozen=True)
class Group:
    """Records that are summed up together.

    Parameters
    ----------
    results
        The records.
    """

    results: tuple[RecordResult, ...]

    @cached_property
    def beats(self) -> BeatSummary:
        """Beat by beat."""
        return summarise_beats(result.beats for result in self.results)

    @cached_property
    def ventricular(self) -> RunSummary:
        """Ventricular runs."""
        return summarise_runs(result.ventricular for result in self.results)

    @cached_property
    def supraventricular(self) -> RunSummary:
        """Supraventricular runs."""
        return summarise_runs(result.supraventricular for result in self.results)

    @property
    def confusions(self) -> dict[str, NDArray[np.int64]]:
        """Matched beats of each record by true and predicted class, int64 [5, 5]."""
        return {result.record: result.beats.confusion for result in self.results}


@dataclass(frozen=True)
class Evaluation:
    """What ``ecgtune evaluate`` found.

    Parameters
    ----------
    results
        Every record that could be compared, in the order given.
    failures
        Those that could not, each with a line that says why.
    settings
        What was compared with what.
    unannotated
        Names of records that nobody has annotated, which are passed over.
    """

    results: tuple[RecordResult, ...]
    failures: tuple[Failure, ...]
    settings: Settings
    unannotated: tuple[str, ...] = ()

    @cached_property
    def tested(self) -> Group:
        """Records that the model was not trained on: the headline is theirs alone."""
        return Group(tuple(result for result in self.results if not result.trained_on))

    @cached_property
    def training(self) -> Group:
        """Records that the model was trained on; never in a headline."""
        return Group(tuple(result for result in self.results if result.trained_on))

    def to_text(self) -> str:
        """Readable tables."""
        from ecgtune.evaluation.tables import text

        return text(self)

    def to_json(self) -> str:
        """Everything for machines; undefined figures are null."""
        from ecgtune.evaluation.export import encode_json

        return encode_json(self)

    def to_csv(self) -> str:
        """One line a record, with a header line."""
        from ecgtune.evaluation.export import encode_csv

        return encode_csv(self)

    def to_bxb(self) -> str:
        """What ``sumstats`` prints for ``bxb -L`` and ``rxr -L``, and the table of shutdowns between them.

        Records that the model was trained on are left out, as the format has no place to mark them; see
        `left_out`.
        """
        from ecgtune.evaluation.ec57 import report

        group = self.tested
        return "\n".join(
            (
                report.beat_sumstats(group.beats),
                report.shutdown_lines(group.beats.records),
                report.run_sumstats(group.ventricular, "V"),
                report.run_sumstats(group.supraventricular, "S"),
            )
        )

    def left_out(self, *, bxb: bool = False) -> list[str]:
        """Say which records are not in the output and why, a line for the user each reason.

        Parameters
        ----------
        bxb
            Of `to_bxb`, which also leaves out what the model was trained on.
        """
        lines = []
        if self.unannotated:
            names = ", ".join(self.unannotated)
            annotators = f"{self.settings.reference} nor of {self.settings.test}"
            lines.append(f"left out, with annotations neither of {annotators}: {names}")
        if bxb and self.training.results:
            names = ", ".join(result.record for result in self.training.results)
            lines.append(
                f"left out of --bxb, since the model that labelled them was trained on them: {names}"
                + ("" if self.tested.results else "; no record is left")
                + " (without --bxb, or with --json or --csv, they are shown and marked)"
            )
        return lines


def evaluate(
    references: Sequence[str | Path],
    *,
    reference: str = "atr",
    test: str | Path,
    classes: Convention = "aami",
    start: float = START_S,
    stop: float | None = None,
    window: float = WINDOW_S,
) -> Evaluation:
    """Compare test annotations with the reference's, record by record.

    Parameters
    ----------
    references
        Records, folders or patterns; the reference annotations lie beside the records.
    reference
        Name of the reference annotator.
    test
        Name of an annotator whose files lie beside the records, or ``FOLDER[:ANNOTATOR]``; in a folder with
        one annotator its name may be left out.
    classes
        ``"aami"`` (de Chazal's classes) or ``"bxb"`` (``e``, ``j``, ``n`` are S).
    start, stop
        The test period in s; the standard's is 300 s to the end.
    window
        Match window in s; the standard's is 0.15.

    Returns
    -------
    Evaluation
        Results, and failures of the records that could not be compared.

    Raises
    ------
    EvaluationError
        Where there is nothing to compare, or an option makes no sense.
    """
    Settings(reference, "", classes, start, stop, window)
    found = find_cases(references, reference, test)
    settings = Settings(reference, found.annotator, classes, start, stop, window)
    return replace(evaluate_cases(found.cases, settings, found.failures), unannotated=found.unannotated)


def evaluate_cases(cases: Iterable[Case], settings: Settings, failures: Iterable[Failure] = ()) -> Evaluation:
    """Compare the files of each case; a record that cannot be compared becomes a failure.

    Parameters
    ----------
    cases
        What to compare.
    settings
        How.
    failures
        Known already; they come first.
    """
    results: list[RecordResult] = []
    failed = list(failures)
    for case in cases:
        try:
            results.append(_evaluate_case(case, settings))
        except EcgtuneError as error:
            failed.append(failure(case.record, error))
    return Evaluation(tuple(results), tuple(failed), settings)


def evaluate_annotations(
    record: str,
    reference: Annotations,
    test: Annotations,
    fs: float,
    settings: Settings,
    *,
    n_samples: int | None = None,
    trained_on: bool = False,
) -> RecordResult:
    """Compare annotations in memory, beat by beat and run by run.

    Parameters
    ----------
    record
        The record's name.
    reference, test
        At the same rate.
    fs
        Sampling rate in Hz.
    settings
        How to compare; its annotators' names are for messages.
    n_samples
        Length of the recording, if known.
    trained_on
        Whether the model that made the test annotations was trained on this record.

    Raises
    ------
    EvaluationError
        Where the annotations cannot be compared; see `ecgtune.evaluation.check`.
    """
    check_annotations(reference, record, settings.reference, n_samples)
    check_annotations(test, record, settings.test, n_samples)
    period = Period.of(fs, settings.start, settings.stop, settings.window, 0, record)
    check_period(reference, record, period, fs)
    options: _Options = {
        "start": settings.start,
        "stop": settings.stop,
        "window": settings.window,
        "classes": settings.classes,
        "record": record,
        "n_samples": n_samples,
    }
    return RecordResult(
        record,
        compare_beats(reference, test, fs, **options),
        compare_runs(reference, test, fs, ectopic="V", **options),
        compare_runs(reference, test, fs, ectopic="S", **options),
        trained_on,
    )


class _Options(TypedDict):
    start: float
    stop: float | None
    window: float
    classes: Convention
    record: str
    n_samples: int | None


def _evaluate_case(case: Case, settings: Settings) -> RecordResult:
    files = ((case.reference, "reference", settings.reference), (case.test, "test", settings.test))
    for file, side, annotator in files:
        if not file.exists():
            raise EvaluationError(f"{case.record}: no {side} annotations of {annotator}: {file} is missing")
    fs, n_samples = _rate_and_length(case.header)
    return evaluate_annotations(
        case.record,
        read_annotations(case.reference, fs),
        read_annotations(case.test, fs),
        fs,
        settings,
        n_samples=n_samples,
        trained_on=trained_on(case.test),
    )


def _rate_and_length(path: Path) -> tuple[float, int | None]:
    if path.suffix == ".hea":
        header = read_header(path)
        return header.fs, header.n_frames
    record = read_record(path)
    return record.fs, record.n_samples
