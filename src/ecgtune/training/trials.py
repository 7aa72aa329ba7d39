"""Trials: many models, each trained and tested on rows of one table; what is finished is never done again.

A *method* is a model and how it is trained; a *trial* is a method on the rows of one split. Networks of
windows and classical models are tried alike, so that a table of them compares nothing but them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecgtune.errors import ModelError
from ecgtune.files import make_folder
from ecgtune.labels import CLASSES
from ecgtune.training.classical import CLASSICAL_MODELS, fit_classical, predict_classical
from ecgtune.training.networks.windows import WINDOW_NETWORKS, build_window_network
from ecgtune.training.outcomes import (
    Floats,
    Outcome,
    Rows,
    finish_all,
    load_weights,
    named_folder,
    rows_digest,
    save_outcome,
)
from ecgtune.training.window_estimator import fit_windows, predict_windows
from ecgtune.training.window_options import WindowOptions


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
    return finish_all(_run, table, trials, folders, jobs=jobs, tell=tell)


def run_trial(
    trial: Trial, table: WindowTable, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Train and test one network in this process, on one thread, or read what an earlier call has finished.

    Parameters
    ----------
    trial
        Of a network; without test rows nothing is predicted.
    table
        What it looks at.
    folder
        Keeps a folder for each trial, as of `run_trials`.
    tell
        Called with a line for each epoch.
    """

    def work(table: WindowTable, task: tuple[Trial, Path]) -> None:
        make_folder(task[1])
        _run_network(table, *task, tell)

    folders = trial_folders([trial], table, folder)
    (outcome,) = finish_all(work, table, [trial], folders, jobs=1, tell=tell)
    return outcome


def trial_folders(trials: Sequence[Trial], table: WindowTable, folder: Path) -> list[Path]:
    """Folder of each trial inside the folder of all, whether or not it is there."""
    data = table_digest(table)
    return [folder / _folder_name(trial, data) for trial in trials]


def build_network(method: Method, table: WindowTable) -> nn.Module:
    """Build a method's network for a table, with fresh weights."""
    _, channels, width = table.windows.shape
    return build_window_network(
        method.model, channels=channels, width=width, classes=len(table.classes), **method.arguments
    )


def table_digest(table: WindowTable) -> str:
    """Hash of windows and labels."""
    return rows_digest(table.windows, table.labels)


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


def _run_network(
    table: WindowTable, trial: Trial, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> None:
    method = trial.method
    with (folder / "log.txt").open("a") as log:

        def note(line: str) -> None:
            print(time.strftime("%H:%M:%S"), line, file=log, flush=True)
            tell(line)

        fitted = fit_windows(
            method.model,
            method.arguments,
            table.windows,
            table.labels,
            trial.train,
            trial.validate if len(trial.validate) else None,
            replace(method.options, seed=trial.seed),
            folder,
            note,
            classes=table.classes,
            start=None if trial.start is None else _start_weights(trial, table),
            frozen=trial.frozen,
        )
    probability = np.zeros((0, len(table.classes)), dtype=np.float32)
    if len(trial.test):
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
