"""Abdullah, "Fine-Tuned CNN (FT-CNN)": fifteen models side by side, and what each part of FT-CNN brings.

One preprocessing, one split and one evaluation for all; then the same models on new patients. Parameters and
the paper's figures are in ``ft_cnn.toml``; windows are cut in `ecgtune.systems.beat_tables`, methods trained
in `ecgtune.systems.beat_study`, networks defined in `ecgtune.training.networks.windows`, and the other models
in `ecgtune.training.classical`.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ecgtune.errors import ModelError
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.systems.beat_protocols import Plan, run_protocols
from ecgtune.systems.beat_result import Study, absent, configured_seeds, result_of
from ecgtune.systems.beat_study import BASE, Tell, methods_of
from ecgtune.systems.beat_tables import PROTOCOLS
from ecgtune.systems.config import load_config
from ecgtune.systems.ft_cnn_figures import draw_figures
from ecgtune.systems.ft_cnn_result import figures_of, notes_of
from ecgtune.systems.work import Clock, command_of, make_work

NAME = "ft-cnn"

PARTS = ("table", "ablation")
"""Parts of the study: the methods side by side, and FT-CNN without one component or another."""


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
    earlier ones; a note says what is not.

    Parameters
    ----------
    out
        Gets ``result.json``, ``histories.json``, ``figures/`` and, for resuming, ``work/``.
    quick
        A few records, beats and epochs: shows that all works; the figures mean nothing.
    protocols
        Some of `ecgtune.systems.beat_tables.PROTOCOLS`.
    methods
        Some of the TOML's.
    seeds
        Of split and training, for all methods; by default the first for all, three for FT-CNN.
    parts
        Some of `PARTS`.
    config
        A TOML in place of ``ft_cnn.toml``.
    jobs
        Processes, each with one thread.
    again
        Forget what is finished.
    tell
        Called with lines of progress.

    Raises
    ------
    ModelError
        On an unknown protocol, method, part, model or option, where nothing is left to train, and where a
        training side lacks a class.
    DataError
        Where a record is not at hand.
    """
    how = load_config(NAME, config)
    if quick:
        how = quick_config(how)
    ablation = ablation_methods(how)
    both = {**how, "methods": {**how["methods"], **ablation}}
    asked = plan(how, protocols, methods, seeds, parts)
    # Methods of the ablation are checked before anything is made, too.
    methods_of(both, how["ablation"]["protocol"])

    work = make_work(out, again=again)
    clock = Clock(work)
    every = [*configured_seeds(how), *(seeds or ())]
    tried = run_protocols(both, asked, every, work, clock, quick=quick, jobs=jobs, tell=tell)
    study = Study(how, tried, quick)

    labels = dict(zip(ablation, ablation_labels(how), strict=True))
    figures, tables = figures_of(study, [*how["methods"]], labels)
    missing = absent(study, plan(how))
    notes = [*notes_of(study, [*how["methods"]], labels), *missing]
    # What earlier calls measured is shown too, so the command is that of the whole, where all of it is there.
    parts_of_it = {"protocol": protocols, "methods": methods, "seeds": seeds, "parts": parts}
    options = {**(parts_of_it if missing else {}), "config": config}
    command = command_of(NAME, quick=quick, options=options, jobs=jobs, out=out)
    result = result_of(study, NAME + "-quick" * quick, command, clock.total, figures, tables, notes)
    save_result(result, out / FILE)
    write_whole(out / "histories.json", json.dumps(study.histories(), indent=1) + "\n")
    draw_figures(study, result, make_folder(out / "figures"))
    return result


def plan(
    how: Mapping[str, Any],
    protocols: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
) -> Plan:
    """List what is to be trained; parameters and errors as of `reproduce`.

    Without ``seeds`` all methods have the TOML's seeds ``full``, and its headline those of ``headline`` too.
    The ablation is of the headline's method, under the protocol that it names and the first seed.
    """
    if strange := [part for part in parts or () if part not in PARTS]:
        raise ModelError(f"{NAME}: no part {strange[0]!r}; there are {', '.join(PARTS)}")
    for protocol in protocols or PROTOCOLS:
        methods_of(how, protocol, methods)
    headline, ablated, first = how["headline"], how["ablation"]["protocol"], how["seeds"]["full"][0]
    chosen = set(protocols or PROTOCOLS)
    # What is tuned under one protocol is trained under another.
    chosen |= {BASE[protocol] for protocol in chosen & set(BASE)}
    found: Plan = {}
    for protocol in (name for name in PROTOCOLS if name in chosen):
        for seed in configured_seeds(how) if seeds is None else seeds:
            names: list[str] = []
            if "table" in (parts or PARTS):
                for method in methods or how["methods"]:
                    several = method == headline and seed in how["seeds"]["headline"]
                    if seeds is not None or several or seed in how["seeds"]["full"]:
                        names.append(method)
            if "ablation" in (parts or PARTS) and (protocol, seed) == (ablated, first):
                names += ablation_methods(how) if headline in (methods or [headline]) else []
            if names:
                found[protocol, seed] = names
    if not found:
        raise ModelError(
            f"{NAME}: nothing to train; the ablation is of {headline} under {ablated}, seed {first}: "
            "ask for these"
        )
    return found


def ablation_methods(how: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Methods of the ablation as the TOML's are written, the whole one first.

    Raises
    ------
    ModelError
        Where the TOML's headline is no method.
    """
    name = how["headline"]
    if name not in how["methods"]:
        raise ModelError(f"{NAME}: headline {name!r} is no method; there are {', '.join(how['methods'])}")
    whole = how["methods"][name]
    found = {}
    for what, out in {"": {}, **how["ablation"]["without"]}.items():
        found[f"{name} without {what}" if what else f"{name} whole"] = {
            **whole,
            **out,
            "arguments": {**whole.get("arguments", {}), **out.get("arguments", {})},
            "options": {
                **whole.get("options", {}),
                **out.get("options", {}),
                "epochs": how["ablation"]["epochs"],
            },
        }
    return found


def ablation_labels(how: Mapping[str, Any]) -> list[str]:
    """What tables call the methods of the ablation."""
    return ["all components", *(f"without {what.replace('-', ' ')}" for what in how["ablation"]["without"])]


def quick_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put fewer epochs, samples, beats and seeds in place of the study's."""
    how = deepcopy(dict(config))
    quick = how["quick"]
    how["windows"]["width"] = quick["width"]
    for section in (how["training"], how["ablation"], how["adapted"]["network"]):
        section["epochs"] = quick["epochs"]
    for section in how["adapted"].values():
        section["per_class"] = quick["per_class"]
    how["seeds"] |= {"full": how["seeds"]["quick"], "headline": how["seeds"]["quick"]}
    return how
