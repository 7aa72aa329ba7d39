"""Akramov, "Transfer Learning for ECG Classification Using ResNet": a frozen network or a fine-tuned one.

Beats of mitdb drawn as an ECG is printed, normal against abnormal, and any folder of images by class.
Parameters and the paper's figures are in ``ecg_image_resnet.toml``; strips come from
`ecgtune.systems.ecg_image_resnet_data`, trainings and the choice of rates from
`ecgtune.systems.ecg_image_resnet_trials`, and the four ways of training from
`ecgtune.training.image_training`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ecgtune.databases.index import data_folder
from ecgtune.errors import ModelError
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.systems.beat_study import seeds_in
from ecgtune.systems.beat_tables import records_of
from ecgtune.systems.config import load_config
from ecgtune.systems.ecg_image_resnet_data import PROTOCOLS, Strips, make_strips
from ecgtune.systems.ecg_image_resnet_figures import draw_figures
from ecgtune.systems.ecg_image_resnet_result import Study, notes_of, result_of
from ecgtune.systems.ecg_image_resnet_scans import Scans, measure_scans
from ecgtune.systems.ecg_image_resnet_trials import Tried, methods_of, run_methods
from ecgtune.systems.work import Clock, command_of, make_work
from ecgtune.training.image_folders import find_image_folder
from ecgtune.training.image_run import network_at_hand
from ecgtune.training.outcomes import any_finished

NAME = "ecg-image-resnet"

PARTS = ("beats", "scans")
"""Parts of the study: strips of mitdb, and a folder of images by class."""

SCANS = "ecg-images"
"""Folder of `ECGTUNE_DATA` with images by class."""

Tell = Callable[[str], None]
Plan = dict[tuple[str, int], list[str]]
"""Names of methods by protocol and seed."""


def reproduce(
    out: Path,
    *,
    quick: bool = False,
    protocols: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
    images: Path | None = None,
    config: Path | None = None,
    jobs: int = 2,
    again: bool = False,
    tell: Tell = lambda _: None,
) -> Result:
    """Run the study, or what an earlier call left of it, and write its result and figures.

    The options say what is trained. What is shown is everything that is finished, of this call and of
    earlier ones; a note says what is not.

    Parameters
    ----------
    out
        Gets ``result.json``, ``histories.json``, ``figures/`` and, for resuming, ``work/``.
    quick
        A few records, images and epochs: shows that all works; the figures mean nothing.
    protocols
        Some of `PROTOCOLS`.
    methods
        Some of the TOML's.
    seeds
        Of split, draw and training, for all methods; by default the first for all, three for the headline.
    parts
        Some of `PARTS`.
    images
        A folder of images by class in place of ``ECGTUNE_DATA/ecg-images``; alone, it asks for the part
        ``scans``.
    config
        A TOML in place of ``ecg_image_resnet.toml``.
    jobs
        Processes, each with one thread.
    again
        Forget what is finished.
    tell
        Called with lines of progress.

    Raises
    ------
    ModelError
        On an unknown protocol, method, part, network or option, and weights that cannot be had.
    DataError
        Where a record or image is not at hand.
    """
    how = load_config(NAME, config)
    if quick:
        how = quick_config(how)
    if images is not None and parts is None and not (protocols or methods or seeds):
        parts = ["scans"]
    asked = plan(how, protocols, methods, seeds, parts)
    folder = _scans_folder(images, parts)
    network = network_at_hand(tuple(how["networks"]))
    known = methods_of(how, network)

    work = make_work(out, again=again)
    clock = Clock(work)
    tried: dict[tuple[str, int], Mapping[str, Tried]] = {}
    shown: Strips | None = None
    for protocol in PROTOCOLS:
        for seed in dict.fromkeys([*_configured(how), *(seeds or ()), *seeds_in(work)]):
            train = asked.get((protocol, seed), [])
            there = {
                name: method
                for name, method in known.items()
                if protocol in method.protocols
                and (name in train or _any_finished(work, name, method.lrs, protocol, seed))
            }
            if not there:
                continue
            with clock.part(f"{protocol}, seed {seed}"):
                records = _few(how, protocol) if quick else None
                strips = make_strips(how, network, protocol, seed, records)
                tried[protocol, seed] = run_methods(
                    there, strips, protocol, seed, work, jobs=jobs, tell=tell, train=train
                )
            shown = shown or strips
    scans: Scans | None = None
    if folder is not None:
        with clock.part("scans"):
            scans = measure_scans(how, folder, network, work / "features", tell)

    study = Study(how, network, tried, scans, quick)
    missing = _absent(study, plan(how), scans is None)
    parts_of_it = {"protocol": protocols, "methods": methods, "seeds": seeds, "parts": parts}
    options = {**(parts_of_it if missing else {}), "images": images, "config": config}
    command = command_of(NAME, quick=quick, options=options, jobs=jobs, out=out)
    notes = [*notes_of(study), *missing]
    result = result_of(study, NAME + "-quick" * quick, command, clock.total, notes)
    save_result(result, out / FILE)
    write_whole(out / "histories.json", json.dumps(_histories(study), indent=1) + "\n")
    draw_figures(study, shown, make_folder(out / "figures"))
    return result


def plan(
    how: Mapping[str, Any],
    protocols: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
) -> Plan:
    """List what is to be trained; parameters and errors as of `reproduce`.

    Without ``seeds`` all methods have the TOML's seeds ``full``, and its ``headlines`` those of ``headline``
    too.
    """
    if strange := [part for part in parts or () if part not in PARTS]:
        raise ModelError(f"{NAME}: no part {strange[0]!r}; there are {', '.join(PARTS)}")
    if strange := [each for each in protocols or () if each not in PROTOCOLS]:
        raise ModelError(f"no protocol {strange[0]!r}; there are {', '.join(PROTOCOLS)}")
    if strange := [each for each in methods or () if each not in how["methods"]]:
        raise ModelError(f"no method {strange[0]!r}; there are {', '.join(how['methods'])}")
    found: Plan = {}
    if "beats" not in (parts or PARTS):
        return found
    given = how["seeds"]
    for protocol in protocols or PROTOCOLS:
        for seed in _configured(how) if seeds is None else seeds:
            names = [
                name
                for name in methods or how["methods"]
                if protocol in how["methods"][name].get("protocols", PROTOCOLS)
                and (seeds is not None or seed in given["full"] or name in given["headlines"])
            ]
            if names:
                found[protocol, seed] = names
    return found


def quick_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put fewer epochs, images, methods, rates and seeds in place of the study's."""
    how = deepcopy(dict(config))
    quick = how["quick"]
    how["training"]["epochs"] = quick["epochs"]
    how["strips"]["width"] = quick["width"]
    how["images"] = dict.fromkeys(PROTOCOLS, quick["images"])
    how["methods"] = {
        name: each | {"lr": each["lr"][: quick["lr"]]}
        for name, each in how["methods"].items()
        if name in quick["methods"]
    }
    how["seeds"] |= {"full": how["seeds"]["quick"], "headline": how["seeds"]["quick"]}
    how["scans"] |= {name: quick[name] for name in ("repeats", "permutations")} | {"size": quick["scan_size"]}
    how["scans"]["head"]["epochs"] = quick["scan_epochs"]
    return how


def _configured(how: Mapping[str, Any]) -> list[int]:
    return list(dict.fromkeys([*how["seeds"]["full"], *how["seeds"]["headline"]]))


def _scans_folder(images: Path | None, parts: Sequence[str] | None) -> Path | None:
    """Folder of images to cross-validate, checked; None where the part is not asked for or has no images."""
    if "scans" not in (parts or PARTS):
        return None
    data = data_folder()
    folder = images or (data / SCANS if data is not None else Path(SCANS))
    if images is None and parts is None and not folder.is_dir():
        return None
    find_image_folder(folder)
    return folder


def _few(how: Mapping[str, Any], protocol: str) -> list[str]:
    every = records_of(protocol, how["strips"]["database"])
    return [record for record in how["quick"]["records"] if record in every]


def _any_finished(work: Path, name: str, lrs: Sequence[float], protocol: str, seed: int) -> bool:
    return any(any_finished(work, f"{name}, lr {lr:g}, {protocol}, seed {seed}") for lr in lrs)


def _absent(study: Study, wanted: Plan, no_scans: bool) -> list[str]:
    notes = []
    for where, methods in wanted.items():
        if missing := [method for method in methods if method not in study.tried.get(where, {})]:
            notes.append(f"not measured yet: {where[0]}, seed {where[1]}: {', '.join(missing)}")
    return notes + ["not measured yet: images by class (--images DIR)"] * no_scans


def _histories(study: Study) -> dict[str, Any]:
    """Epochs of every way at every rate."""
    return {
        f"{method}, {protocol}, seed {seed}, rate {each.lr:g}": list(each.history)
        for (protocol, seed), methods in study.tried.items()
        for method, tried in methods.items()
        for each in tried.sweep
    }
