"""Trials: many models, each trained and tested on rows of one table; what is finished is never done again.

A *method* is a model and how it is trained; a *trial* is a method on the rows of one split. Networks of
windows and classical models are tried alike, so that a table of them compares nothing but them.
"""

import hashlib
import io
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgtune.databases.verification import file_sha256
from ecgtune.errors import ModelError
from ecgtune.evaluation.provenance import now
from ecgtune.files import make_folder, write_whole
from ecgtune.labels import CLASSES
from ecgtune.training.classical import CLASSICAL_MODELS, fit_classical, predict_classical
from ecgtune.training.networks.windows import WINDOW_NETWORKS, build_window_network
from ecgtune.training.window_estimator import fit_windows, predict_windows
from ecgtune.training.window_options import WindowOptions
from ecgtune.training.workers import run_all

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

OUTCOME = "outcome.npz"
WEIGHTS = "best.pt"

DIGITS = 10
"""Of the hash in a folder's name."""


@dataclass(frozen=True)
class Method:
    """A model and how it is trained.

    Parameters
    ----------
    name
        Unique in a study; names its row.
    model
        Of `WINDOW_NETWORKS` or `CLASSICAL_MODELS`.
    arguments
        Of the network.
    options
        Of the network's training; its seed is the trial's.
    weighted
        Whether a classical model counts the classes alike.

    Raises
    ------
    ModelError
        On an unknown model.
    """

    name: str
    model: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: WindowOptions = field(default_factory=WindowOptions)
    weighted: bool = False

    def __post_init__(self) -> None:
        known = [*WINDOW_NETWORKS, *CLASSICAL_MODELS]
        if self.model not in known:
            raise ModelError(f"{self.name}: unknown model {self.model!r}; known: {', '.join(known)}")

    @property
    def is_network(self) -> bool:
        """Whether it is a network of windows."""
        return self.model in WINDOW_NETWORKS


@dataclass(frozen=True)
class Trial:
    """A method on the rows of one split.

    Parameters
    ----------
    method
        What is trained.
    protocol
        Named in messages and folders; protocols that share the training share the name of the first.
    seed
        Of everything that the training draws.
    train, validate, test
        Rows of the table, int64.
    start
        Folder of a finished trial whose weights a network starts from: all that fit, the output layer if the
        classes are the same.
    frozen
        Parts of the network that keep their start.
    """

    method: Method
    protocol: str
    seed: int
    train: Rows = field(repr=False)
    validate: Rows = field(repr=False)
    test: Rows = field(repr=False)
    start: Path | None = None
    frozen: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Method, protocol and seed."""
        return f"{self.method.name}, {self.protocol}, seed {self.seed}"


@dataclass(frozen=True)
class WindowTable:
    """What all trials look at.

    Parameters
    ----------
    windows
        float32 [n, channels, width].
    labels
        Index into ``classes``, int64 [n].
    classes
        Names of the classes.
    """

    windows: Floats = field(repr=False)
    labels: Rows = field(repr=False)
    classes: tuple[str, ...] = CLASSES


@dataclass(frozen=True)
class Outcome:
    """What a trial gave.

    Parameters
    ----------
    predicted
        Class of each test row, int64 [test].
    probability
        float32 [test, classes] of networks; None of classical models.
    history
        See `ecgtune.training.window_estimator.FittedWindows`; empty of classical models.
    best
        Epoch kept, from 1; 0 of classical models.
    parameters
        Of the network; 0 of classical models.
    seconds
        Wall time of the training, on one thread.
    when
        ISO date and time (UTC) at which the test side was scored.
    folder
        Where it is kept.
    """

    predicted: Rows = field(repr=False)
    probability: Floats | None = field(repr=False)
    history: tuple[dict[str, Any], ...] = field(repr=False)
    best: int
    parameters: int
    seconds: float
    when: str
    folder: Path


def run_trials(
    trials: Sequence[Trial],
    table: WindowTable,
    folder: Path,
    *,
    jobs: int,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Train and test, or read what an earlier call has finished.

    A trial that was interrupted goes on after its last whole epoch and gives what it would have given.

    Parameters
    ----------
    trials
        What to do, the longest first where several processes work.
    table
        What they look at.
    folder
        Keeps a folder for each trial.
    jobs
        Processes, each with one thread.
    tell
        Called with a line for each finished trial; its epochs are in ``log.txt`` of its folder.

    Returns
    -------
    list
        In the order of the trials.

    Raises
    ------
    ModelError
        Where two trials have one name, or a training side cannot be learned from.
    """
    names = [trial.name for trial in trials]
    if double := {name for name in names if names.count(name) > 1}:
        raise ModelError(f"two trials named {min(double)!r}; results are kept by name")
    folders = trial_folders(trials, table, folder)
    found = {place: load_outcome(path) for place, path in enumerate(folders)}
    waiting = [place for place, outcome in found.items() if outcome is None]
    tasks = [(trials[place], folders[place]) for place in waiting]
    for done, (at, _) in enumerate(run_all(_run, table, tasks, jobs), start=1):
        place = waiting[at]
        outcome = found[place] = load_outcome(folders[place])
        assert outcome is not None
        tell(f"{trials[place].name}: {outcome.seconds:.0f} s ({done} of {len(tasks)})")
    return [outcome for _, outcome in sorted(found.items()) if outcome is not None]


def trial_folders(trials: Sequence[Trial], table: WindowTable, folder: Path) -> list[Path]:
    """Folder of each trial inside the folder of all, whether or not it is there."""
    data = table_digest(table)
    return [folder / _folder_name(trial, data) for trial in trials]


def load_outcome(folder: Path) -> Outcome | None:
    """What a folder keeps; None where its trial is not finished, or damaged, so that it is done again."""
    try:
        with np.load(io.BytesIO((folder / OUTCOME).read_bytes()), allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            return Outcome(
                predicted=kept["predicted"],
                probability=kept.get("probability"),
                history=tuple(about["history"]),
                best=about["best"],
                parameters=about["parameters"],
                seconds=about["seconds"],
                when=about["when"],
                folder=folder,
            )
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error):
        return None


def outcome_hash(outcome: Outcome) -> str:
    """SHA-256 of the weights that a trial kept; where it kept none, of all it is made from."""
    weights = outcome.folder / WEIGHTS
    return file_sha256(weights) if weights.exists() else outcome.folder.name.rpartition("-")[2]


def any_finished(folder: Path, name: str) -> bool:
    """Whether a trial of a name is finished, of whatever settings and rows."""
    return any(folder.glob(f"{_words(name)}-{'[0-9a-f]' * DIGITS}/{OUTCOME}"))


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Weights that a finished trial of a network kept.

    Raises
    ------
    ModelError
        Where the folder has none.
    """
    path = folder / WEIGHTS
    if not path.exists():
        raise ModelError(f"{folder.name}: no weights; run its trial again")
    weights: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return weights


def build_network(method: Method, table: WindowTable) -> nn.Module:
    """Build a method's network for a table, with fresh weights."""
    _, channels, width = table.windows.shape
    return build_window_network(
        method.model, channels=channels, width=width, classes=len(table.classes), **method.arguments
    )


def table_digest(table: WindowTable) -> str:
    """Hash of windows and labels."""
    return rows_digest(table.windows, table.labels)


def rows_digest(*arrays: NDArray[Any]) -> str:
    """Hash of arrays with their shapes."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def named_folder(name: str, facts: Sequence[Any]) -> str:
    """Name of a folder: readable, with a hash of everything that its content depends on."""
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:DIGITS]
    return f"{_words(name)}-{digest}"


def _words(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _folder_name(trial: Trial, data: str) -> str:
    method = trial.method
    facts = [
        *(method.model, dict(method.arguments), asdict(method.options), method.weighted),
        *(trial.seed, trial.frozen, trial.start.name if trial.start else None, data),
        rows_digest(trial.train, trial.validate, trial.test),
    ]
    return named_folder(trial.name, facts)


def _run(table: WindowTable, task: tuple[Trial, Path]) -> None:
    trial, folder = task
    make_folder(folder)
    if trial.method.is_network:
        _run_network(table, trial, folder)
    else:
        _run_classical(table, trial, folder)


def _run_network(table: WindowTable, trial: Trial, folder: Path) -> None:
    method = trial.method
    with (folder / "log.txt").open("a") as log:
        fitted = fit_windows(
            method.model,
            method.arguments,
            table.windows,
            table.labels,
            trial.train,
            trial.validate if len(trial.validate) else None,
            replace(method.options, seed=trial.seed),
            folder,
            lambda line: print(time.strftime("%H:%M:%S"), line, file=log, flush=True),
            classes=table.classes,
            start=None if trial.start is None else _start_weights(trial, table),
            frozen=trial.frozen,
        )
    probability = predict_windows(fitted.network, table.windows, trial.test)
    save_outcome(
        folder,
        fitted.seconds,
        probability.argmax(1),
        probability=probability,
        history=fitted.history,
        best=fitted.best,
        parameters=fitted.parameters,
    )
    # The optimiser's state, which only an interrupted training needs.
    (folder / "last.pt").unlink(missing_ok=True)


def _start_weights(trial: Trial, table: WindowTable) -> dict[str, torch.Tensor]:
    """Weights of the trial's start that fit its network: another task's output layer does not."""
    assert trial.start is not None
    network = build_network(trial.method, table)
    own = network.state_dict()
    given = load_weights(trial.start)
    return {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}


def _run_classical(table: WindowTable, trial: Trial, folder: Path) -> None:
    method = trial.method
    fitted = fit_classical(
        method.model,
        table.windows,
        table.labels,
        trial.train,
        classes=table.classes,
        may_lack=method.options.may_lack,
        weighted=method.weighted,
        seed=trial.seed,
    )
    predicted = predict_classical(fitted, table.windows, trial.test)
    save_outcome(folder, fitted.seconds, predicted)


def save_outcome(
    folder: Path,
    seconds: float,
    predicted: Rows,
    *,
    probability: Floats | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    best: int = 0,
    parameters: int = 0,
) -> None:
    """Keep what a trial gave; see `Outcome`."""
    about = {
        "history": list(history),
        "best": best,
        "parameters": parameters,
        "seconds": seconds,
        "when": now().isoformat(timespec="seconds"),
    }
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), "predicted": predicted.astype(np.int64)}
    if probability is not None:
        arrays["probability"] = probability
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(folder / OUTCOME, buffer.getvalue())
