"""Many methods under one protocol: the same windows, the same sides, the same evaluation for all.

What `two-fold-focal` and `ft-cnn` share. Sections of a system's TOML that are read here: ``windows`` (see
`ecgtune.systems.beat_tables`), ``training`` (options of all networks), ``methods`` (a table for each, with
``model``, ``arguments``, ``options`` in place of ``training``'s, ``weighted``), ``protocols`` (options that a
protocol puts in their place) and ``adapted``.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.splits import Split
from ecgtune.systems.beat_tables import PROTOCOLS, Divided, divide, records_of
from ecgtune.training.outcomes import Outcome, any_finished, load_outcome
from ecgtune.training.tables import rows_of
from ecgtune.training.trial_adaptation import Adaptation, adaptation_folders, replayed, run_adaptations
from ecgtune.training.trials import Method, Trial, run_trials, trial_folders
from ecgtune.training.window_options import make_options

Matrix = NDArray[np.int64]
Rows = NDArray[np.integer]
Tell = Callable[[str], None]

BASE = {"patient-adapted": "inter-patient"}
"""The protocol whose trained methods another protocol tunes."""


METHOD_KEYS = ("model", "arguments", "options", "weighted")
"""Of a method in a TOML."""


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
    untuned
        Of a protocol that tunes: the matrices of the method before that, on the same beats.
    """

    method: Method
    outcome: Outcome
    matrices: dict[str, Matrix] = field(repr=False)
    split: Split = field(repr=False)
    untuned: dict[str, Matrix] = field(default_factory=dict, repr=False)


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
        On an unknown method, protocol, model, option or key.
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
        if unknown := [key for key in how if key not in METHOD_KEYS]:
            raise ModelError(f"{name}: unknown key {unknown[0]!r}; known: {', '.join(METHOD_KEYS)}")
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
    train: Collection[str] | None = None,
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
    train
        Names of the methods to train, all where None; of the others only what is finished is read.

    Returns
    -------
    dict
        By name, in the order of ``methods``; without those that are neither asked for nor finished.

    Raises
    ------
    ModelError
        Where a training side lacks a class.
    SplitError
        Where the records cannot be divided so.
    """
    asked = set(methods if train is None else train)
    # Cutting the windows takes a while, and most seeds have few methods to show.
    chosen = [
        method
        for name, method in methods.items()
        if name in asked or any_finished(work, f"{name}, {protocol}, seed {seed}")
    ]
    if not chosen:
        return {}
    how = config["windows"]

    def divided_by(named: str) -> Divided:
        return thin(divide(how, named, records or records_of(named, how["database"]), seed))

    first = BASE.get(protocol, protocol)
    base = divided_by(first)
    rows = base.rows
    trials = [Trial(method, first, seed, rows["train"], rows["validate"], rows["test"]) for method in chosen]
    places = trial_folders(trials, base.table, work)
    kept = [
        trial
        for trial, place in zip(trials, places, strict=True)
        if trial.method.name in asked or load_outcome(place)
    ]
    outcomes = run_trials(kept, base.table, work, jobs=jobs, tell=tell)
    tried = [
        Tried(trial.method, outcome, matrices(base, outcome), base.split)
        for trial, outcome in zip(kept, outcomes, strict=True)
    ]
    if protocol != first:
        tried = _tuned(config["adapted"], tried, base, divided_by(protocol), work, asked, jobs, tell)
    return {each.method.name: each for each in tried}


def seeds_in(work: Path) -> list[int]:
    """Seeds of which a folder keeps anything, ascending."""
    found = (re.search(r"-seed-(\d+)-[0-9a-f]+$", path.name) for path in work.glob("*-seed-*"))
    return sorted({int(match[1]) for match in found if match})


def matrices(divided: Divided, outcome: Outcome, rows: Rows | None = None) -> dict[str, Matrix]:
    """Confusion matrix of each test record, sorted, over some of the test rows where they are named."""
    beats, tested = divided.beats, divided.rows["test"]
    shown = np.ones(len(tested), dtype=np.bool_) if rows is None else np.isin(tested, rows)
    records = beats.record[tested]
    return {
        record: confusion_matrix(
            beats.label[tested[shown & (records == record)]],
            outcome.predicted[shown & (records == record)],
            divided.table.classes,
        )
        for record in sorted(set(records[shown].tolist()))
    }


def _tuned(
    how: Mapping[str, Any],
    based: Sequence[Tried],
    base: Divided,
    divided: Divided,
    work: Path,
    asked: Collection[str],
    jobs: int,
    tell: Tell,
) -> list[Tried]:
    """Tune each method to each test record's labelled part; nothing is chosen, so all of it tunes."""
    split = divided.split
    labels = divided.table.labels
    tune, check = divided.by_record("tune"), divided.by_record("tune_validate")
    none = np.zeros(0, dtype=np.int64)
    tested = divided.by_record("test")
    own = {record: np.concatenate([tune.get(record, none), check.get(record, none)]) for record in tested}
    adaptations = []
    for tried in based:
        kind = how["network" if tried.method.is_network else "classical"]
        options = replace(
            tried.method.options,
            **{name: value for name, value in kind.items() if name not in ("per_class", "repeat")},
            keep="last",
            patience=None,
            augmentation=None,
        )
        shown = replayed(labels, divided.rows["train"], kind["per_class"], split.seed)
        adaptations.append(
            Adaptation(
                tried.method,
                split.protocol,
                split.seed,
                tried.outcome.folder,
                shown,
                own,
                tested,
                options,
                kind["repeat"],
            )
        )
    places = adaptation_folders(adaptations, divided.table, work)
    kept = [
        (tried, adaptation)
        for tried, adaptation, place in zip(based, adaptations, places, strict=True)
        if tried.method.name in asked or load_outcome(place)
    ]
    outcomes = run_adaptations([each for _, each in kept], divided.table, work, jobs=jobs, tell=tell)
    late = rows_of(base.beats, divided.beats, divided.rows["test"])
    return [
        Tried(tried.method, outcome, matrices(divided, outcome), split, matrices(base, tried.outcome, late))
        for (tried, _), outcome in zip(kept, outcomes, strict=True)
    ]
