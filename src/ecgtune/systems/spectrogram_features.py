"""Salem 2018, spectrograms of rhythm, features of an image network, a support vector machine.

Segments of four rhythms become spectrograms, a network trained on photographs describes them, and a support
vector machine tells them apart: in ten random folds, as the paper, and in five folds of patients. Beside it
stand the same network with random weights, grey levels without a network, and whether the same features tell
the database. Parameters and the paper's figures are in ``spectrogram_features.toml``; segments are taken in
`ecgtune.systems.spectrogram_features_data`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.evaluation.provenance import now
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.splits import Split, make_folds
from ecgtune.systems.config import load_config
from ecgtune.systems.spectrogram_features_data import Instances, Tell, load_instances
from ecgtune.systems.spectrogram_features_figures import draw_figures
from ecgtune.systems.spectrogram_features_methods import Method, features_of, make_method
from ecgtune.systems.spectrogram_features_result import PATTERN, Scored, Study, result_of
from ecgtune.systems.work import Clock, command_of, make_work
from ecgtune.training.image_networks import data_digest
from ecgtune.training.workers import run_all

NAME = "spectrogram-features"

PARTS = ("networks", "pixels", "lengths", "databases")
"""Parts of the study: the network with both kinds of weights, which the others need; grey levels without a
network; the other lengths of segments; and the control, whether the same features tell the database."""

PROTOCOLS = ("k-fold", "grouped-k-fold")

Floats = NDArray[np.float32]


def reproduce(
    out: Path,
    *,
    quick: bool = False,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
    config: Path | None = None,
    jobs: int = 2,
    again: bool = False,
    tell: Tell = lambda _: None,
) -> Result:
    """Run the study, or what an earlier call left of it, and write its result and figures.

    Parameters
    ----------
    out
        Gets ``result.json``, ``figures/`` and, for resuming, ``work/``.
    quick
        A few records, segments and small images: shows that all works; the figures mean nothing.
    seeds
        Of the folds, instead of the TOML's.
    parts
        Some of `PARTS`; the first always runs.
    config
        A TOML in place of ``spectrogram_features.toml``.
    jobs
        Processes, each with one thread.
    again
        Forget what is finished.
    tell
        Called with lines of progress.

    Raises
    ------
    ModelError
        On an unknown part, network, layer, kernel or weights, or weights of another network.
    DataError
        Where a database is not at hand, or a class has no segments.
    SplitError
        Where there are fewer patients than folds.
    """
    how = load_config(NAME, config)
    if quick:
        how = quick_config(how)
    wanted = list(parts or PARTS)
    if strange := [part for part in wanted if part not in PARTS]:
        raise ModelError(f"{NAME}: no part {strange[0]!r}; there are {', '.join(PARTS)}")
    every = list(seeds if seeds is not None else how["seeds"]["quick" if quick else "full"])
    few = [seed for seed in every if seed in how["seeds"]["further"]] or every[:1]
    check_svm(how["svm"])
    networks = [make_method(how, name) for name, given in how["methods"].items() if "network" in given]
    pixels = [make_method(how, name) for name, given in how["methods"].items() if "network" not in given]
    if missing := {how["headline"], how["against"]} - {method.name for method in networks}:
        raise ModelError(
            f"{NAME}: {sorted(missing)[0]!r} is no method with a network; see headline and against"
        )

    work = make_work(out, again=again)
    clock = Clock(work)
    first, *others = how["segments"]["seconds"]
    instances: dict[float, Instances] = {}
    scored: list[Scored] = []
    widths: dict[str, int] = {}

    def score(methods: Sequence[Method], seconds: float, seeds: Sequence[int]) -> None:
        if seconds not in instances:
            with clock.part(f"segments of {seconds:g} s"):
                instances[seconds] = load_instances(how, seconds, tell)
        shown = instances[seconds]
        for method in methods:
            with clock.part(f"features, {method.name}, {seconds:g} s"):
                described = features_of(method, shown.signal, work / "features", jobs, tell)
            widths[method.name] = described.shape[1]
            for protocol in PROTOCOLS:
                for seed in seeds:
                    with clock.part(f"{method.name}, {seconds:g} s, {protocol}, seed {seed}"):
                        done = cross_validate(how, method, described, shown, protocol, seed, work, jobs)
                    scored.append(done)
                    tell(f"{method.name}, {seconds:g} s, {protocol}, seed {seed}: {_said(done)}")

    score(networks, first, every)
    if "pixels" in wanted:
        score(pixels, first, every)
    if "databases" in wanted:
        for method in networks:
            described = features_of(method, instances[first].signal, work / "features", jobs, tell)
            with clock.part(f"databases, {method.name}"):
                found = [
                    tell_databases(how, method, described, instances[first], seed, work, jobs) for seed in few
                ]
            for done in (one for each in found for one in each):
                scored.append(done)
                tell(f"{method.name}, {done.target}, seed {done.seed}: {_said(done)}")
    if "lengths" in wanted:
        for seconds in others:
            score(networks, seconds, few)

    shown_network = next(method.network for method in networks if method.name == how["headline"])
    assert shown_network is not None
    count = sum(weight.numel() for weight in shown_network.parameters())
    study = Study(how, quick, instances, tuple(scored), widths, count)
    asked = {"seeds": seeds, "parts": parts, "config": config}
    command = command_of(NAME, quick=quick, options=asked, jobs=jobs, out=out)
    result = result_of(study, NAME + "-quick" * quick, command, clock.total)
    save_result(result, out / FILE)
    draw_figures(study, result, make_folder(out / "figures"))
    return result


def cross_validate(
    how: Mapping[str, Any],
    method: Method,
    features: Floats,
    instances: Instances,
    protocol: str,
    seed: int,
    work: Path,
    jobs: int,
    *,
    target: str = PATTERN,
    classes: Sequence[str] = (),
) -> Scored:
    """Label every instance by a support vector machine that was trained without its fold.

    Folds are of segments, so that both leads of a moment are on one side; those of ``grouped-k-fold`` are of
    patients. Standardisation and principal components are of the training side.

    Parameters
    ----------
    how
        The configuration.
    method, features
        What described the instances, and how: [n, features].
    instances
        Their classes, records and patients.
    protocol, seed
        How folds are made.
    work
        Predictions are kept there.
    jobs
        Processes.
    target, classes
        What is told apart, and the names of its classes; the patterns by default.
    """
    names = tuple(classes or how["segments"]["patterns"])
    folds = make_folds(instances.segments, protocol, seed=seed, classes=names, k=how["folds"][protocol])
    split_hash = _digest("\n".join(fold.hash for fold in folds))
    key = {
        "features": data_digest(features),
        "svm": how["svm"],
        "components": method.components,
        "folds": split_hash,
        "target": target,
    }
    model_hash = _digest(json.dumps(key, sort_keys=True))
    predicted, when = _kept(
        make_folder(work / "predictions") / f"{model_hash[:24]}.json",
        key,
        lambda: _predict_all(how, method, features, instances, folds, jobs),
    )
    records, label = instances.key, instances.label
    matrices = {
        str(record): confusion_matrix(label[records == record], predicted[records == record], names)
        for record in np.unique(records)
    }
    return Scored(
        *(method.name, instances.seconds, protocol, seed, target),
        *(names, matrices, split_hash, model_hash, when),
    )


def _predict_all(
    how: Mapping[str, Any],
    method: Method,
    features: Floats,
    instances: Instances,
    folds: Sequence[Split],
    jobs: int,
) -> NDArray[np.int64]:
    shared = how["svm"], method.components, features, instances.label, instances.patient
    tests = [np.isin(instances.segment, fold.test) for fold in folds]
    predicted = np.full(len(instances), -1, dtype=np.int64)
    for place, labels in run_all(_predict_fold, shared, tests, jobs):
        predicted[tests[place]] = labels
    return predicted


def _predict_fold(
    shared: tuple[Mapping[str, Any], int, Floats, NDArray[np.int8], NDArray[np.str_]], test: NDArray[np.bool_]
) -> NDArray[np.int64]:
    svm, components, features, label, patient = shared
    model = fit_svm(svm, features[~test], label[~test], patient[~test], components)
    return np.asarray(model.predict(features[test]), dtype=np.int64)


def fit_svm(
    svm: Mapping[str, Any],
    features: Floats,
    label: NDArray[np.int8],
    patient: NDArray[np.str_],
    components: int = 0,
) -> Any:
    """Fit a support vector machine on standardised features, classes weighted alike.

    Parameters
    ----------
    svm
        ``kernel``, ``c`` (of several, the best by balanced accuracy of ``inner_folds`` folds of these same
        patients), ``inner_folds``.
    features, label, patient
        Of the training side.
    components
        Principal components that the features are brought to; 0 for none.

    Returns
    -------
    Estimator
        Of scikit-learn.
    """
    steps: list[tuple[str, Any]] = [("scale", StandardScaler())]
    if components:
        steps.append(("components", PCA(min(components, *features.shape), random_state=0)))
    machine = SVC(C=svm["c"][0], kernel=svm["kernel"], class_weight="balanced", cache_size=500)
    model = Pipeline([*steps, ("svm", machine)])
    if len(svm["c"]) > 1:
        inner = StratifiedGroupKFold(svm["inner_folds"], shuffle=True, random_state=0)
        search = GridSearchCV(model, {"svm__C": svm["c"]}, scoring="balanced_accuracy", cv=inner)
        return search.fit(features, label, groups=patient)
    return model.fit(features, label)


def check_svm(svm: Mapping[str, Any]) -> None:
    """Refuse options of the support vector machine that make no sense.

    Raises
    ------
    ModelError
        Naming the option.
    """
    if svm["kernel"] not in ("rbf", "linear"):
        raise ModelError(f"{NAME}: svm.kernel {svm['kernel']!r}; give rbf or linear")
    if not svm["c"] or min(svm["c"]) <= 0:
        raise ModelError(f"{NAME}: svm.c {svm['c']}; give one number above 0, or several to choose from")


def tell_databases(
    how: Mapping[str, Any],
    method: Method,
    features: Floats,
    instances: Instances,
    seed: int,
    work: Path,
    jobs: int,
) -> list[Scored]:
    """The control: tell the database of segments of one pattern, new patients tested.

    What tells a device from another could tell patterns apart whose segments come from different ones.
    Databases with few segments or patients of the pattern are left out, and patterns of one database.
    """
    found = []
    for place, pattern in enumerate(how["segments"]["patterns"]):
        own = instances.label == place
        databases = [name for name in how["segments"]["databases"] if _enough(how, instances, own, name)]
        if len(databases) < 2:
            continue
        kept = own & np.isin(instances.database, databases)
        few = instances.select(kept)
        label = np.array([databases.index(name) for name in few.segments.database], dtype=np.int8)
        few = replace(few, segments=replace(few.segments, label=label))
        found.append(
            cross_validate(
                *(how, method, features[kept], few, PROTOCOLS[1], seed, work, jobs),
                target=f"databases of {pattern}",
                classes=databases,
            )
        )
    return found


def _enough(how: Mapping[str, Any], instances: Instances, own: NDArray[np.bool_], database: str) -> bool:
    here = own & (instances.database == database)
    least = how["databases"]
    patients = len(np.unique(instances.patient[here]))
    return bool(here.sum() >= least["fewest_segments"] and patients >= least["fewest_patients"])


def quick_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put a few records, segments and small images in place of the study's."""
    how = deepcopy(dict(config))
    quick = how["quick"]
    how["segments"] |= {name: quick[name] for name in ("records", "seconds", "per_class", "per_patient")}
    how["image"]["size"] = quick["size"]
    for method in how["methods"].values():
        if "components" in method:
            method["components"] = quick["components"]
    how["folds"] = {protocol: quick[protocol] for protocol in PROTOCOLS}
    how["databases"] = {name: quick[name] for name in how["databases"]}
    return how


def _kept(
    path: Path, key: Mapping[str, Any], compute: Callable[[], NDArray[np.int64]]
) -> tuple[NDArray[np.int64], str]:
    """Labels that were predicted before, and when; else those that are computed now."""
    described = json.loads(json.dumps(key))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["key"] == described:
            return np.array(content["predicted"], dtype=np.int64), str(content["when"])
    except (OSError, ValueError, KeyError, TypeError):
        # One that something else has damaged is as good as none.
        pass
    predicted, when = compute(), now().isoformat()
    content = {"key": described, "when": when, "predicted": predicted.tolist()}
    write_whole(path, json.dumps(content) + "\n")
    return predicted, when


def _said(done: Scored) -> str:
    total = sum(done.matrices.values(), np.zeros((len(done.classes),) * 2, dtype=np.int64))
    return f"{np.trace(total) / total.sum():.4f} of {total.sum():,} right"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
