"""Many recordings, files in and files out; a broken one does not stop the others, a stopped run goes on."""

import json
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ecgtune._version import __version__
from ecgtune.classification import classify
from ecgtune.errors import EcgtuneError, OutputError, RecordError
from ecgtune.files import make_folder
from ecgtune.labels import CLASSES
from ecgtune.ledger import Ledger, Stamp, fingerprint
from ecgtune.model import Model, load_model
from ecgtune.processes import run_all
from ecgtune.readers import read_record, record_files
from ecgtune.readers.find import expand
from ecgtune.rejection import check_confidence
from ecgtune.writers import FORMATS, write


@dataclass(frozen=True)
class Outcome:
    """What became of one recording of a batch.

    Parameters
    ----------
    path
        The recording's file.
    name
        Its name.
    files
        Files written (or found there already); empty where it failed.
    counts
        Beats of each class; empty where it failed or was not done again.
    error
        One line on what went wrong, or None.
    skipped
        Whether it had been labelled before and was left as it is.
    notes
        Remarks on the recording: lost leads, doubtful labels.
    """

    path: Path
    name: str
    files: tuple[Path, ...] = ()
    counts: dict[str, int] | None = None
    error: str | None = None
    skipped: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """How a batch of recordings is labelled; see `classify_files`."""

    out: Path
    model: Model
    leads: tuple[str, ...] | None
    formats: tuple[str, ...]
    fs: float | None
    units: str | None
    min_confidence: float = 0.0

    def files(self, path: Path) -> tuple[Path, ...]:
        """Files of a recording's results."""
        return tuple(self.out / f"{path.stem}.{kind}" for kind in self.formats)


def find_each(
    named: Sequence[str | Path], fs: float | None = None
) -> tuple[list[Path], list[Outcome], list[Path]]:
    """Expand files, folders and patterns into recordings; one that names none does not stop the others.

    Parameters
    ----------
    named
        What the user names.
    fs
        Rate of tables and arrays that do not tell it.

    Returns
    -------
    paths
        Each recording once, see `ecgtune.readers.find_records`.
    outcomes
        One, with its error, for each name that stands for no recording.
    without_rate
        Tables and arrays of folders that were passed over because nothing tells their rate.
    """
    found: dict[Path, None] = {}
    failed = []
    without_rate = []
    for name in named:
        try:
            records, passed_over = expand(name, fs)
        except RecordError as error:
            failed.append(Outcome(Path(name), Path(name).stem, error=str(error)))
            continue
        found.update(dict.fromkeys(records))
        without_rate += passed_over
    return list(found), failed, without_rate


def classify_files(
    paths: Sequence[Path],
    out: Path,
    *,
    model: Model | str | Path = "default",
    leads: Sequence[str] | None = None,
    formats: Sequence[str] = FORMATS,
    fs: float | None = None,
    units: str | None = None,
    min_confidence: float = 0.0,
    jobs: int = 1,
    again: bool = False,
    done: Callable[[Outcome], None] = lambda _: None,
    waiting: Callable[[list[Path]], None] = lambda _: None,
) -> list[Outcome]:
    """Label recordings and write the results; one that fails does not stop the others.

    The same call goes on where an earlier one was stopped: recordings whose outputs are there, made from the
    same file by the same model with the same options, are left alone. Outputs of another recording of that
    name, and such as were changed since they were written, are not replaced; that recording fails.

    Parameters
    ----------
    paths
        Recordings, as `ecgtune.readers.find_records` gives them.
    out
        Folder of the outputs, made where it is missing.
    model
        See `classify`.
    leads, fs, units
        Leads to use; rate and units of files that do not tell them.
    min_confidence
        See `ecgtune.classify`.
    formats
        Any of `ecgtune.writers.FORMATS`.
    jobs
        Recordings at a time, each in a process of its own where there are several; a script that asks for
        them keeps what it does behind ``if __name__ == "__main__":``.
    again
        Whether recordings that are done are done again.
    done
        Called with each outcome as it comes.
    waiting
        Called at the first Ctrl-C with the recordings that are being labelled by other processes; they are
        finished. A second one ends the processes.

    Returns
    -------
    list of Outcome
        In the order of ``paths``.

    Raises
    ------
    EcgtuneError
        Where `min_confidence` is no probability.
    ModelError
        Where the model cannot be loaded.
    OutputError
        Where the folder cannot be made or written to, or a format is unknown.
    KeyboardInterrupt
        After Ctrl-C.
    """
    check_confidence(min_confidence)
    if not isinstance(model, Model):
        model = load_model(model)
    model.open()
    if unknown := [name for name in formats if name not in FORMATS]:
        raise OutputError(f"unknown output format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    if not formats:
        raise OutputError(f"no output format asked for; known: {', '.join(FORMATS)}")
    make_folder(out)
    job = Job(out, model, None if leads is None else tuple(leads), tuple(formats), fs, units, min_confidence)
    ledger = Ledger(out, job.formats)
    first: dict[str, Path] = {}
    for path in paths:
        first.setdefault(path.stem, path)

    outcomes: dict[Path, Outcome] = {}

    def is_done(outcome: Outcome) -> None:
        outcomes[outcome.path] = outcome
        done(outcome)

    due: dict[Path, Stamp] = {}
    for path in paths:
        try:
            if first[path.stem] != path:
                raise OutputError(
                    f"{path}: another recording is named {path.stem} too ({first[path.stem]}); "
                    "label it into another --out"
                )
            stamp = _stamp(path, job)
            is_there = not again and ledger.holds(path.stem, stamp)
            if not is_there:
                ledger.check(path, stamp)
        except Exception as error:
            is_done(_failed(path, error))
            continue
        if is_there:
            is_done(Outcome(path, path.stem, job.files(path), skipped=True))
        else:
            due[path] = stamp
    # A folder that takes no file is told of before any recording is read. The labelling is closed at once
    # where it is left early, so that no process goes on.
    with (
        ledger.replacing({path.stem: stamp for path, stamp in due.items()}),
        closing(_label_all(job, list(due), jobs, waiting)) as labelling,
    ):
        for outcome in labelling:
            is_done(_entered(outcome, due[outcome.path], ledger))
    return [outcomes[path] for path in paths]


def _stamp(path: Path, job: Job) -> Stamp:
    """What a recording's results depend on.

    Raises
    ------
    OutputError
        Where they would overwrite the recording.
    """
    sources = record_files(path)
    if clash := {file.resolve() for file in job.files(path)} & {file.resolve() for file in sources}:
        raise OutputError(f"{clash.pop()}: belongs to the recording itself; choose another --out")
    stamp = {
        "source": fingerprint(sources),
        "model": [job.model.name, job.model.hash, asdict(job.model.self_training)],
        "leads": job.leads,
        "formats": job.formats,
        "fs": job.fs,
        "units": job.units,
        "min_confidence": job.min_confidence,
        "ecgtune": __version__,
    }
    as_stored: Stamp = json.loads(json.dumps(stamp))
    return as_stored


def _label_all(
    job: Job, paths: Sequence[Path], jobs: int, waiting: Callable[[list[Path]], None]
) -> Generator[Outcome, None, None]:
    """Label recordings; where a process is ended in the middle, what is left one after the other."""
    left, alone = list(paths), False
    while left:
        try:
            at_once = 1 if alone else jobs
            with closing(run_all(_label, job, left, at_once, apart=alone, waiting=waiting)) as labelling:
                for _, outcome in labelling:
                    left = [path for path in left if path != outcome.path]
                    yield outcome
        except BrokenExecutor:
            if alone:
                path = left.pop(0)
                text = "the process that labelled it was ended, most likely for want of memory"
                yield Outcome(path, path.stem, error=f"{path}: {text}; free some and try again")
            alone = True


def _label(job: Job, path: Path) -> Outcome:
    """Label a recording and write its files, or tell in a line why that cannot be done."""
    try:
        record = read_record(path, fs=job.fs, units=job.units)
        labelled = classify(record, job.model, leads=job.leads, min_confidence=job.min_confidence)
        files = write(labelled, job.out, job.formats)
    except Exception as error:
        return _failed(path, error)
    symbols, counts = np.unique(labelled.annotations.symbol, return_counts=True)
    found = dict(zip(symbols.tolist(), counts.tolist(), strict=True))
    counted = {name: found.get(name, 0) for name in CLASSES}
    return Outcome(path, path.stem, tuple(files), counted, notes=labelled.notes)


def _failed(path: Path, error: Exception) -> Outcome:
    """Tell in a line what went wrong; a defect of ours must not cost the user the other recordings."""
    text = str(error)
    if not isinstance(error, EcgtuneError):
        text = f"{path}: unexpected {type(error).__name__}: {' '.join(text.split())}"
    elif text.startswith(f"{path.stem}: "):
        # Past the readers a recording is known by its name; the user looks for a file.
        text = f"{path}{text.removeprefix(path.stem)}"
    return Outcome(path, path.stem, error=text)


def _entered(outcome: Outcome, stamp: Stamp, ledger: Ledger) -> Outcome:
    """Note that a recording is done; where that cannot be written, it is not."""
    if outcome.error is not None:
        return outcome
    try:
        ledger.enter(outcome.name, stamp)
    except OutputError as error:
        return Outcome(outcome.path, outcome.name, error=str(error))
    return outcome
