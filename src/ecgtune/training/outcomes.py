"""Outcomes of trials, kept in folders whose names say what they depend on, so that none is made again."""

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.databases.verification import file_sha256
from ecgtune.errors import ModelError
from ecgtune.evaluation.provenance import now
from ecgtune.files import write_whole
from ecgtune.training.workers import run_all

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

OUTCOME = "outcome.npz"
WEIGHTS = "best.pt"

DIGITS = 10
"""Of the hash in a folder's name."""


class Named(Protocol):
    """What has an outcome: a trial, or another way of training."""

    @property
    def name(self) -> str:
        """For messages."""


Shared = TypeVar("Shared")
Task = TypeVar("Task", bound=Named)


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


def finish_all(
    work: Callable[[Shared, tuple[Task, Path]], None],
    shared: Shared,
    tasks: Sequence[Task],
    folders: Sequence[Path],
    *,
    jobs: int,
    tell: Callable[[str], None],
) -> list[Outcome]:
    """Do what has no outcome yet, each in its folder, and return the outcomes of all, in order.

    Parameters
    ----------
    work
        A function of a module that leaves an outcome (`save_outcome`) in the folder of a task.
    shared
        What all tasks look at.
    tasks, folders
        What to do, and where.
    jobs
        Processes, each with one thread.
    tell
        Called with a line for each finished task.
    """
    found = {place: load_outcome(path) for place, path in enumerate(folders)}
    waiting = [place for place, outcome in found.items() if outcome is None]
    missing = [(tasks[place], folders[place]) for place in waiting]
    for done, (at, _) in enumerate(run_all(work, shared, missing, jobs), start=1):
        place = waiting[at]
        outcome = found[place] = load_outcome(folders[place])
        assert outcome is not None
        tell(f"{tasks[place].name}: {outcome.seconds:.0f} s ({done} of {len(missing)})")
    return [outcome for _, outcome in sorted(found.items()) if outcome is not None]


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


def outcome_hash(outcome: Outcome) -> str:
    """SHA-256 of the weights that a trial kept; where it kept none, of all it is made from."""
    weights = outcome.folder / WEIGHTS
    return file_sha256(weights) if weights.exists() else outcome.folder.name.rpartition("-")[2]


def any_finished(folder: Path, name: str) -> bool:
    """Whether a trial of a name is finished, of whatever settings and rows."""
    return any(folder.glob(f"{_words(name)}-{'[0-9a-f]' * DIGITS}/{OUTCOME}"))


def named_folder(name: str, facts: Sequence[Any]) -> str:
    """Name of a folder: readable, with a hash of everything that its content depends on."""
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:DIGITS]
    return f"{_words(name)}-{digest}"


def _words(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def rows_digest(*arrays: NDArray[Any]) -> str:
    """Hash of arrays with their shapes."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
