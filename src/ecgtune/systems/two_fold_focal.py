"""Ali 2024: five classes of beats by a deep convolutional network and two focal losses, then infarction.

"Arrhythmia classification and analysis on ECG using convolutional networks and two-fold focal loss". From top
to bottom: methods, training and test on mitdb, then the trained network on myocardial infarction. Parameters
and the paper's figures are in ``two_fold_focal.toml``; windows are cut in `ecgtune.systems.beat_tables`,
methods trained in `ecgtune.systems.beat_study`, the network is
`ecgtune.training.networks.windows.two_fold`, the loss `ecgtune.training.losses.TwoFoldFocalLoss`.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ecgtune.databases import find_database
from ecgtune.errors import DataError, ModelError
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.systems.beat_protocols import Plan, run_protocols
from ecgtune.systems.beat_result import Study, absent, configured_seeds
from ecgtune.systems.beat_study import BASE, Tell, Tried, methods_of
from ecgtune.systems.beat_tables import PROTOCOLS
from ecgtune.systems.config import load_config
from ecgtune.systems.two_fold_focal_figures import draw_figures
from ecgtune.systems.two_fold_focal_infarction import FULL, InfarctionSet, at_hand, load_set
from ecgtune.systems.two_fold_focal_result import SPLIT, measured
from ecgtune.systems.two_fold_focal_transfer import DIVISIONS, Transferred, any_begun, transfer
from ecgtune.systems.work import Clock, command_of, make_work

NAME = "two-fold-focal"

PARTS = ("mitdb", "transfer")
"""Parts of the study: five classes of beats, then infarction on every set that is at hand. A set of the TOML
is a part, too."""


def reproduce(
    out: Path,
    *,
    quick: bool = False,
    protocols: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
    config: Path | None = None,
    jobs: int = 2,
    again: bool = False,
    tell: Tell = lambda _: None,
) -> Result:
    """Run the study, or what an earlier call left of it, and write its result and figures.

    The options say what is trained. What is shown is everything that is finished, of this call and of
    earlier ones; notes say what is not.

    Parameters
    ----------
    out
        Gets ``result.json``, ``histories.json``, ``figures/`` and, for resuming, ``work/``.
    quick
        A few records, beats and epochs: shows that all works; the figures mean nothing.
    protocols
        Some of `ecgtune.systems.beat_tables.PROTOCOLS`.
    methods
        Some of the TOML's, for all protocols; by default all under the paper's, and the TOML's
        ``new_patients`` under the others.
    seeds
        Of split and training, for all methods; by default the first for all, three for the headline's.
    parts
        Some of `PARTS`, or sets of infarction: one that is named must be at hand.
    config
        A TOML in place of ``two_fold_focal.toml``.
    jobs
        Processes, each with one thread.
    again
        Forget what is finished.
    tell
        Called with lines of progress.

    Raises
    ------
    ModelError
        On an unknown protocol, method, part, model or option, and where a training side lacks a class.
    DataError
        Where a record is not at hand, or a set that is asked for is not, or not in whole.
    """
    how = load_config(NAME, config)
    if quick:
        how = quick_config(how)
    asked = plan(how, protocols, methods, seeds)
    # Read first: what is wrong with a set is better known before hours of training.
    sets = {name: load_set(name, how["transfer"]) for name in asked_sets(how, parts)}
    if parts is not None and "mitdb" not in parts:
        # All that infarction needs of it.
        asked = {(SPLIT, how["seeds"]["full"][0]): [how["headline"]]}

    work = make_work(out, again=again)
    clock = Clock(work)
    every = [*configured_seeds(how), *(seeds or ())]
    tried = run_protocols(how, asked, every, work, clock, quick=quick, jobs=jobs, tell=tell)
    study = Study(how, tried, quick)
    transferred = infarction(study, sets, work, clock, jobs=jobs, tell=tell)

    missing = [*absent(study, plan(how)), *_absent_sets(how, transferred)]
    parts_of_it = {"protocol": protocols, "methods": methods, "seeds": seeds, "parts": parts}
    # What earlier calls measured is shown too, so the command is that of the whole, where all of it is there.
    options = {**(parts_of_it if missing else {}), "config": config}
    command = command_of(NAME, quick=quick, options=options, jobs=jobs, out=out)
    name = NAME + "-quick" * quick
    result = measured(study, transferred, missing, name=name, command=command, wall_s=clock.total)
    save_result(result, out / FILE)
    write_whole(out / "histories.json", json.dumps(study.histories(), indent=1) + "\n")
    draw_figures(study, result, make_folder(out / "figures"))
    return result


def plan(
    how: Mapping[str, Any],
    protocols: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> Plan:
    """List what is to be trained on mitdb; parameters and errors as of `reproduce`."""
    found: Plan = {}
    chosen = set(protocols or PROTOCOLS)
    for protocol in chosen:
        methods_of(how, protocol, methods)
    # What is tuned under one protocol is trained under another.
    chosen |= {BASE[protocol] for protocol in chosen & set(BASE)}
    for protocol in (name for name in PROTOCOLS if name in chosen):
        usual = list(how["methods"]) if protocol == SPLIT else how["new_patients"]
        names = list(methods_of(how, protocol, methods or usual))
        for seed in configured_seeds(how) if seeds is None else seeds:
            found[protocol, seed] = [
                name
                for name in names
                if seeds is not None
                or seed in how["seeds"]["full"]
                or (name == how["headline"] and seed in how["seeds"]["headline"])
            ]
    return {where: names for where, names in found.items() if names}


def asked_sets(how: Mapping[str, Any], parts: Sequence[str] | None) -> list[str]:
    """Sets of infarction to train on: those named, and with ``transfer`` all that are at hand.

    Raises
    ------
    ModelError
        On an unknown part.
    DataError
        Where ``transfer`` is asked for by name and no set is at hand.
    """
    every = list(how["transfer"]["sets"])
    known = (*PARTS, *every)
    if strange := [part for part in parts or () if part not in known]:
        raise ModelError(f"{NAME}: no part {strange[0]!r}; there are {', '.join(known)}")
    wanted = PARTS if parts is None else parts
    found = [name for name in every if name in wanted or ("transfer" in wanted and at_hand(name))]
    if not found and parts is not None and "transfer" in parts:
        raise DataError(
            f"{NAME}: no set of infarction is at hand ({', '.join(every)}); run `ecgtune data get {FULL}`"
        )
    return found


def infarction(
    study: Study, asked: Mapping[str, InfarctionSet], work: Path, clock: Clock, *, jobs: int, tell: Tell
) -> list[Transferred]:
    """Transfer the network of mitdb to infarction: on the sets asked for, and on those that are finished."""
    start = best_network(study)
    if start is None:
        return []
    found = []
    for name, how in study.config["transfer"]["sets"].items():
        if name not in asked and not any_begun(work, name, how["seeds"]):
            continue
        with clock.part(f"infarction, {name}"):
            data = asked.get(name) or load_set(name, study.config["transfer"])
            for protocol in DIVISIONS:
                seeds = how["seeds"] if protocol == "grouped-k-fold" else how["seeds"][:1]
                made = transfer(
                    study.config,
                    data,
                    protocol,
                    seeds,
                    start.method,
                    start.outcome.folder,
                    work,
                    jobs=jobs,
                    train=name in asked,
                    tell=tell,
                )
                found += [made] if made else []
    return found


def best_network(study: Study) -> Tried | None:
    """The headline's network of mitdb, of the seed that did best on its validation side."""

    def score(tried: Tried) -> float:
        return float(tried.outcome.history[tried.outcome.best - 1]["macro_f1"])

    return max(study.seeds_of(study.config["headline"], SPLIT).values(), key=score, default=None)


def quick_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put few epochs, seeds, beats and sets in place of the study's."""
    how = deepcopy(dict(config))
    quick, section = how["quick"], how["transfer"]
    for options in (how["training"], how["adapted"]["network"]):
        options["epochs"] = quick["epochs"]
    how["training"]["augmentation"]["targets"] = quick["targets"]
    how["seeds"] |= {"full": how["seeds"]["quick"], "headline": how["seeds"]["quick"]}
    section["folds"] = quick["folds"]
    section["sets"] = {name: section["sets"][name] for name in quick["sets"]}
    for own in section["sets"].values():
        own["seeds"] = how["seeds"]["quick"]
        own["options"]["epochs"] = quick["epochs"]
    return how


def _absent_sets(how: Mapping[str, Any], transferred: Sequence[Transferred]) -> list[str]:
    """Say in a note which sets are not measured, and of PTB how to get it."""
    notes = []
    for name in how["transfer"]["sets"]:
        if name in {found.data.name for found in transferred}:
            continue
        note = f"not measured: infarction, {name}"
        if name == FULL and not at_hand(FULL):
            try:
                there = find_database(FULL).describe()
            except DataError:
                there = "no records"
            note += f", the paper's set ({there} here; `ecgtune data get {FULL}` gets them)"
        notes.append(note)
    return notes
