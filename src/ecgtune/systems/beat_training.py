"""``ecgtune train ft-cnn``: one method of a published system, trained and kept as a model folder."""

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import CATALOGUE
from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.files import make_folder, write_whole
from ecgtune.systems import SYSTEMS, TRAINABLE
from ecgtune.systems.beat_protocols import few_records, thinned
from ecgtune.systems.beat_study import BASE, methods_of
from ecgtune.systems.beat_tables import Divided, divide, fiducial, rate_of, records_of
from ecgtune.systems.config import load_config
from ecgtune.systems.work import make_work
from ecgtune.training.outcomes import Outcome, load_weights
from ecgtune.training.run import describe
from ecgtune.training.trials import Method, Trial, build_network, run_trial
from ecgtune.training.window_estimator import predict_windows
from ecgtune.training.window_model import WindowModel, load_window_model, save_window_model

Tell = Callable[[str], None]

_SEEN = ("train", "validate")
"""Sides that training looks at."""

_NO_ROWS: NDArray[np.int64] = np.zeros(0, dtype=np.int64)


def train_method(
    system: str,
    out: Path,
    *,
    method: str | None = None,
    protocol: str = "inter-patient",
    seed: int = 0,
    quick: bool = False,
    test: bool = True,
    tell: Tell = lambda _: None,
) -> WindowModel:
    """Train a method of a system's TOML, choose its epoch on the validation side, score the test side once.

    What is trained, on which windows and how, is the same as in `ecgtune reproduce`. The same call on a run
    folder that was interrupted goes on where it stopped; on a finished one it loads what is there.

    Parameters
    ----------
    system
        Of `ecgtune.systems.TRAINABLE`.
    out
        Run folder: ``config.json``, ``work/`` with the training, ``model/`` (`WindowModel`).
    method
        A network of the TOML's methods; its headline where None.
    protocol
        ``"inter-patient"`` or ``"beat-split"``, which has the same patients on both sides.
    seed
        Of split and training.
    quick
        A few records, beats and epochs: shows that all works.
    test
        Whether the test side is scored.
    tell
        Called with each line of progress.

    Raises
    ------
    ModelError
        On an unknown system, method or protocol, a method that is no network, and a run folder that holds
        another training.
    DataError
        Where a record is not at hand.
    """
    if system not in TRAINABLE:
        raise ModelError(f"no system {system!r} to train; there are {', '.join(TRAINABLE)}")
    if protocol in BASE:
        raise ModelError(f"{system}: {protocol} gives a network for each patient; train {BASE[protocol]}")
    how: Mapping[str, Any] = load_config(system)
    if quick:
        how = import_module(SYSTEMS[system]).quick_config(how)
    chosen = _network_of(how, system, protocol, method or how["headline"])
    records = few_records(how["quick"]["records"], protocol) if quick else records_of(protocol)
    tell(f"reading {len(records)} records of {how['windows']['database']}")
    divided = divide(how["windows"], protocol, records, seed)
    if quick:
        divided = thinned(how["quick"]["every"], divided)
    make_folder(out)
    facts = {"system": system, "method": chosen.name, "protocol": protocol, "seed": seed, "quick": quick}
    _claim(out, facts | {"split": divided.split.hash})

    # Without test rows, so that a training whose test side is scored later is the same training.
    rows = divided.rows
    trial = Trial(chosen, protocol, seed, rows["train"], rows["validate"], _NO_ROWS)
    outcome = run_trial(trial, divided.table, make_work(out), tell)
    network = build_network(chosen, divided.table)
    network.load_state_dict(load_weights(outcome.folder))
    card = _card(system, how, chosen, divided, outcome)
    card["training"]["quick"] = quick
    folder = out / "model"
    earlier = _metrics_in(folder)
    if test and "test" not in earlier:
        tell(f"scoring the test side, {len(divided.split.records('test'))} records, once")
        probability = predict_windows(network, divided.table.windows, rows["test"])
        earlier["test"] = describe(_matrices(divided, probability.argmax(axis=1)))
    card["metrics"] |= earlier
    save_window_model(network, card, folder)
    return load_window_model(folder)


def _network_of(how: Mapping[str, Any], system: str, protocol: str, name: str) -> Method:
    (method,) = methods_of(how, protocol, [name]).values()
    if not method.is_network:
        others = [each.name for each in methods_of(how, protocol).values() if each.is_network]
        raise ModelError(f"{system}: {name} is no network; networks are {', '.join(others)}")
    return method


def _claim(out: Path, described: Mapping[str, Any]) -> None:
    """Make the folder this training's, or refuse where it is another's."""
    mine = json.dumps(described, indent=1) + "\n"
    path = out / "config.json"
    if path.exists() and path.read_text(encoding="utf-8") != mine:
        raise ModelError(f"{out}: holds a training of another method, split or seed; choose another --out")
    write_whole(path, mine)


def _metrics_in(folder: Path) -> dict[str, Any]:
    """The test side of a model that is finished; it is not scored again."""
    try:
        metrics = load_window_model(folder).card["metrics"]
    except ModelError:
        return {}
    return {"test": metrics["test"]} if "test" in metrics else {}


def _matrices(divided: Divided, predicted: NDArray[np.int64]) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Confusion matrix of each test record."""
    beats, classes = divided.beats.select(divided.rows["test"]), divided.table.classes
    rows = {key: beats.of(*key) for key in beats.records()}
    return {key: confusion_matrix(beats.label[own], predicted[own], classes) for key, own in rows.items()}


def _card(
    system: str, how: Mapping[str, Any], method: Method, divided: Divided, outcome: Outcome
) -> dict[str, Any]:
    windows, split = how["windows"], divided.split
    _, leads, width = divided.table.windows.shape
    kept = outcome.history[outcome.best - 1]
    return {
        "name": method.name,
        "system": system,
        "summary": f"a method of the system {system}: beats one at a time",
        "network": {"name": method.model, **method.arguments},
        "classes": list(divided.table.classes),
        "leads": leads,
        "fs": rate_of(windows),
        "width": width,
        "before": fiducial(windows),
        "windows": dict(windows),
        "training": {
            "data": windows["database"],
            "protocol": split.protocol,
            "split_hash": split.hash,
            "seed": split.seed,
            "epochs": len(outcome.history),
            "best_epoch": outcome.best,
            "seconds": round(outcome.seconds, 1),
            "records": sorted({"/".join(key) for side in _SEEN for key in split.records(side)}),
            "patients": sorted({who for side in _SEEN for who in split.patients(side)}),
        },
        "metrics": {
            "validate": {name: kept[name] for name in ("valid_loss", "macro_f1", "accuracy") if name in kept}
        },
        "licence": "Apache-2.0",
        "data_licence": CATALOGUE[windows["database"]].licence,
        "citation": CATALOGUE[windows["database"]].citation,
        "intended_use": "research and engineering; not a medical device",
    }
