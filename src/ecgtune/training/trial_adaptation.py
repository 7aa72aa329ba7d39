"""Tuning of tried methods to patients: a model each, from the base method and the patient's first minutes.

All methods are tuned by one rule: the patient's labelled beats, repeated, beside some beats of each class of
the training patients, so that what a patient's minutes do not hold is not forgotten. A network goes on from
the weights of its trial; a classical model, which cannot, is fitted again.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from ecgtune.files import make_folder
from ecgtune.training.classical import fit_classical, predict_classical
from ecgtune.training.outcomes import (
    Outcome,
    Rows,
    finish_all,
    load_weights,
    named_folder,
    rows_digest,
    save_outcome,
)
from ecgtune.training.trials import Method, WindowTable, build_network, table_digest
from ecgtune.training.window_estimator import fit_windows, predict_windows
from ecgtune.training.window_options import WindowOptions


@dataclass(frozen=True)
class Adaptation:
    """A method, tuned to each of some patients.

    Parameters
    ----------
    method
        What is tuned.
    protocol, seed
        As of a trial.
    base
        Folder of the method's finished trial.
    replay
        Rows of training patients that are shown beside the patient's own.
    own, test
        By record: labelled rows to tune on, and rows to test on. A record without labelled rows keeps the
        base model.
    options
        Of the tuning of networks.
    repeat
        How often an epoch shows each of the patient's own rows.
    """

    method: Method
    protocol: str
    seed: int
    base: Path
    replay: Rows = field(repr=False)
    own: Mapping[str, Rows] = field(repr=False)
    test: Mapping[str, Rows] = field(repr=False)
    options: WindowOptions
    repeat: int

    @property
    def name(self) -> str:
        """Method, protocol and seed."""
        return f"{self.method.name}, {self.protocol}, seed {self.seed}"


def replayed(labels: Rows, rows: Rows, per_class: int, seed: int) -> Rows:
    """Draw some rows of each class, all of a class that has fewer; ascending, int64."""
    random = np.random.default_rng(seed)
    drawn = [random.permutation(rows[labels[rows] == label])[:per_class] for label in np.unique(labels[rows])]
    return np.sort(np.concatenate(drawn))


def run_adaptations(
    adaptations: Sequence[Adaptation],
    table: WindowTable,
    folder: Path,
    *,
    jobs: int,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Tune and test, or read what an earlier call has finished.

    Parameters and errors as of `ecgtune.training.trials.run_trials`. The predictions of an outcome are those
    of all tested records, one after the other; `Outcome.seconds` are those of all tunings.
    """
    folders = adaptation_folders(adaptations, table, folder)
    return finish_all(_run, table, adaptations, folders, jobs=jobs, tell=tell)


def adaptation_folders(adaptations: Sequence[Adaptation], table: WindowTable, folder: Path) -> list[Path]:
    """Folder of each adaptation inside the folder of all, whether or not it is there."""
    data = table_digest(table)
    return [folder / _folder_name(adaptation, data) for adaptation in adaptations]


def _folder_name(adaptation: Adaptation, data: str) -> str:
    sides = [
        (record, rows_digest(adaptation.own.get(record, np.zeros(0, np.int64)), rows))
        for record, rows in adaptation.test.items()
    ]
    facts = [
        *(adaptation.base.name, rows_digest(adaptation.replay), sides),
        *(asdict(adaptation.options), adaptation.repeat, adaptation.seed, data),
    ]
    return named_folder(adaptation.name, facts)


def _run(table: WindowTable, task: tuple[Adaptation, Path]) -> None:
    adaptation, folder = task
    make_folder(folder)
    tune = _tuned_network if adaptation.method.is_network else _refitted
    began = time.perf_counter()
    predicted = [
        tune(table, adaptation, adaptation.own.get(record, np.zeros(0, np.int64)), rows)
        for record, rows in adaptation.test.items()
    ]
    save_outcome(folder, time.perf_counter() - began, np.concatenate(predicted))


def _tuned_network(table: WindowTable, adaptation: Adaptation, own: Rows, test: Rows) -> Rows:
    method = adaptation.method
    start = load_weights(adaptation.base)
    if not len(own):
        network = build_network(method, table)
        network.load_state_dict(start)
        return _classes(network, table, test)
    shown = np.concatenate([adaptation.replay, np.tile(own, adaptation.repeat)])
    with tempfile.TemporaryDirectory() as scratch:
        fitted = fit_windows(
            method.model,
            method.arguments,
            table.windows[shown],
            table.labels[shown],
            np.arange(len(shown)),
            None,
            replace(adaptation.options, seed=adaptation.seed),
            Path(scratch) / "fit",
            classes=table.classes,
            start=start,
        )
    return _classes(fitted.network, table, test)


def _classes(network: nn.Module, table: WindowTable, rows: Rows) -> Rows:
    return np.asarray(predict_windows(network, table.windows, rows).argmax(1), dtype=np.int64)


def _refitted(table: WindowTable, adaptation: Adaptation, own: Rows, test: Rows) -> Rows:
    method = adaptation.method
    shown = np.concatenate([adaptation.replay, np.tile(own, adaptation.repeat)])
    fitted = fit_classical(
        method.model,
        table.windows[shown],
        table.labels[shown],
        np.arange(len(shown)),
        classes=table.classes,
        may_lack=adaptation.options.may_lack,
        weighted=method.weighted,
        seed=adaptation.seed,
    )
    return predict_classical(fitted, table.windows, test)
