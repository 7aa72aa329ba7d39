"""Many methods under one protocol: the same windows, the same sides, the same evaluation for all.

What `two-fold-focal` and `ft-cnn` share. Sections of a system's TOML that are read here: ``windows`` (see
`ecgtune.systems.beat_tables`), ``training`` (options of all networks), ``methods`` (a table for each, with
``model``, ``arguments``, ``options`` in place of ``training``'s, ``weighted``), ``protocols`` (options that a
protocol puts in their place) and ``adapted``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.splits import Split
from ecgtune.systems.beat_tables import PROTOCOLS, Divided, divide, records_of
from ecgtune.training.trial_adaptation import Adaptation, replayed, run_adaptations
from ecgtune.training.trials import Method, Outcome, Trial, run_trials
from ecgtune.training.window_options import make_options

Matrix = NDArray[np.int64]
Tell = Callable[[str], None]

BASE = {"patient-adapted": "inter-patient"}
"""The protocol whose trained methods another protocol tunes."""


@dataclass(frozen=True)
class Tried:
    """A method under a protocol.

    Parameters
    ----------
    method
        The method.
    outcome
        What its trial gave.
    matrices
        Confusion matrix [true, predicted] of each test record.
    split
        Who was where.
    """

    method: Method
    outcome: Outcome
    matrices: dict[str, Matrix] = field(repr=False)
    split: Split = field(repr=False)


def methods_of(
    config: Mapping[str, Any], protocol: str, names: Sequence[str] | None = None
) -> dict[str, Method]:
    """Methods of a system's TOML, with the options that they have under a protocol.

    Parameters
    ----------
    config
        The TOML.
    protocol
        Of `PROTOCOLS`.
    names
        Some of the methods; all where None.

    Raises
    ------
    ModelError
        On an unknown method, protocol, model or option.
    """
    if protocol not in PROTOCOLS:
        raise ModelError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    every = config["methods"]
    if strange := [name for name in names or () if name not in every]:
        raise ModelError(f"no method {strange[0]!r}; there are {', '.join(every)}")
    changed = config["protocols"].get(BASE.get(protocol, protocol), {})
    found = {}
    for name in names or every:
        how = every[name]
        options = make_options({**config["training"], **how.get("options", {}), **changed})
        found[name] = Method(
            name, how["model"], how.get("arguments", {}), options, weighted=how.get("weighted", False)
        )
    return found


def run_methods(
    config: Mapping[str, Any],
    methods: Mapping[str, Method],
    protocol: str,
    seed: int,
    work: Path,
    *,
    jobs: int,
    tell: Tell,
    records: Sequence[str] | None = None,
    thin: Callable[[Divided], Divided] = lambda divided: divided,
) -> dict[str, Tried]:
    """Train and test methods under a protocol, or read what an earlier call has finished.

    Parameters
    ----------
    config
        The TOML.
    methods
        See `methods_of`.
    protocol
        Of `PROTOCOLS`; ``patient-adapted`` first runs ``inter-patient``.
    seed
        Of the split and of the training.
    work
        Keeps every trial.
    jobs
        Processes.
    tell
        Called with lines of progress.
    records
        Records in place of the protocol's.
    thin
        Takes rows away, for a quick run.

    Raises
    ------
    ModelError
        Where a training side lacks a class.
    SplitError
        Where the records cannot be divided so.
    """
    how = config["windows"]
    divided = thin(divide(how, protocol, records or records_of(protocol, how["database"]), seed))
    if protocol in BASE:
        based = run_methods(
            config,
            methods,
            BASE[protocol],
            seed,
            work,
            jobs=jobs,
            tell=tell,
            records=records,
            thin=thin,
        )
        outcomes = _adapted(config["adapted"], based, divided, protocol, seed, work, jobs, tell)
    else:
        rows = divided.rows
        trials = [
            Trial(method, protocol, seed, rows["train"], rows["validate"], rows["test"])
            for method in methods.values()
        ]
        outcomes = run_trials(trials, divided.table, work, jobs=jobs, tell=tell)
    return {
        name: Tried(method, outcome, matrices(divided, outcome), divided.split)
        for (name, method), outcome in zip(methods.items(), outcomes, strict=True)
    }


def matrices(divided: Divided, outcome: Outcome) -> dict[str, Matrix]:
    """Confusion matrix of each test record."""
    beats, rows = divided.beats, divided.rows["test"]
    records = beats.record[rows]
    return {
        record: confusion_matrix(
            beats.label[rows[records == record]],
            outcome.predicted[records == record],
            divided.table.classes,
        )
        for record in map(str, dict.fromkeys(records.tolist()))
    }


def _adapted(
    how: Mapping[str, Any],
    based: Mapping[str, Tried],
    divided: Divided,
    protocol: str,
    seed: int,
    work: Path,
    jobs: int,
    tell: Tell,
) -> list[Outcome]:
    """Tune each method to each test record's labelled part; nothing is chosen, so all of it tunes."""
    labels = divided.table.labels
    tune, check = divided.by_record("tune"), divided.by_record("tune_validate")
    none = np.zeros(0, dtype=np.int64)
    tested = divided.by_record("test")
    own = {record: np.concatenate([tune.get(record, none), check.get(record, none)]) for record in tested}
    adaptations = []
    for tried in based.values():
        kind = how["network" if tried.method.is_network else "classical"]
        options = replace(
            tried.method.options,
            **{name: value for name, value in kind.items() if name not in ("per_class", "repeat")},
            keep="last",
            patience=None,
            augmentation=None,
        )
        shown = replayed(labels, divided.rows["train"], kind["per_class"], seed)
        adaptations.append(
            Adaptation(
                tried.method,
                protocol,
                seed,
                tried.outcome.folder,
                shown,
                own,
                tested,
                options,
                kind["repeat"],
            )
        )
    return run_adaptations(adaptations, divided.table, work, jobs=jobs, tell=tell)
