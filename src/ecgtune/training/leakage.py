"""Leakage, measured: one network and a memoriser under protocols that do and do not share patients.

``python -m ecgtune.training.leakage --runs runs/leakage --out results/leakage.json`` trains both under each
protocol and writes the result that ``docs/leakage.md`` shows; the same command goes on where it stopped.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ecgtune.evaluation.bootstrap import compare_models
from ecgtune.evaluation.headline import named_metrics
from ecgtune.evaluation.provenance import code_version, machine_class, now
from ecgtune.evaluation.results import Figure, Result, Table, load_result, save_result
from ecgtune.files import write_whole
from ecgtune.training.config import Config, load_config, quick_config
from ecgtune.training.measured import FILE, INTERVALS, SUMMARY
from ecgtune.training.memoriser import memorise
from ecgtune.training.run import train

PROTOCOLS = ("beat-split", "chronological", "inter-patient")
"""From most to least shared between the sides; the last is what the others are compared with."""

NETWORK, MEMORISER = "network", "1-NN memoriser"
METHODS = (NETWORK, MEMORISER)

MACRO = "macro-F1 (N, S, V)"

Runs = dict[tuple[str, str, int], Result]
"""What each method gave under each protocol, by seed."""


def measure(
    config: Config,
    runs: Path,
    *,
    data: str = "mitdb",
    seeds: Sequence[int] = (0,),
    tell: Callable[[str], None] = lambda _: None,
) -> Runs:
    """Train and score everything that is not done yet.

    Parameters
    ----------
    config
        The network's training.
    runs
        Folder with a run folder for each method, protocol and seed.
    data
        The database.
    seeds
        Of the network; the memoriser has nothing random but the split and is run with the first.
    tell
        Called with each line of progress.

    Raises
    ------
    ModelError
        Where a run folder holds a training with another configuration.
    """
    found: Runs = {}
    for protocol in PROTOCOLS:
        for seed in seeds:
            folder = runs / f"network-{protocol}-{seed}"
            if not _done(folder, config.to_dict()):
                tell(f"network, {protocol}, seed {seed}")
                train(config, folder, data=data, protocol=protocol, seed=seed, threads=1, tell=tell)
            found[NETWORK, protocol, seed] = load_result(folder / FILE)
        folder = runs / f"memoriser-{protocol}-{seeds[0]}"
        how = config.preprocessing
        if not _done(folder, how.to_card()):
            tell(f"memoriser, {protocol}")
            memorise(how, folder, data=data, protocol=protocol, seed=seeds[0], tell=tell)
            write_whole(folder / "config.json", json.dumps({"config": how.to_card()}) + "\n")
        found[MEMORISER, protocol, seeds[0]] = load_result(folder / FILE)
    return found


def assemble(found: Runs, command: str) -> Result:
    """Put all runs into one result: what each protocol claims, the drop to new patients, and by seed.

    Parameters
    ----------
    found
        What `measure` gave.
    command
        What measured it.
    """
    seeds = tuple(dict.fromkeys(seed for _, _, seed in found))
    first = {(method, protocol): run for (method, protocol, seed), run in found.items() if seed == seeds[0]}
    names = {key: ", ".join(key) for key, _ in _ordered(first)}
    figures = {names[key]: run.figures["pooled"] for key, run in _ordered(first)}
    ways = _ways(first, names)
    figures |= ways
    drops = _drops(first)
    figures |= drops
    tables = {
        "claims": Table(
            "What each protocol claims: pooled figures of its own test side",
            "",
            {name: name for name in names.values()},
            ("beats", *SUMMARY),
        ),
        "drop": Table(
            "The drop: a protocol's figures less those of inter-patient, over the records that both test",
            "",
            {name: name for name in drops},
            SUMMARY,
        ),
        "ways": Table(
            f"{MACRO}, three ways",
            "",
            {f"{name}, {MACRO}": name for name in names.values()},
            tuple(dict.fromkeys(column for named in ways.values() for column in named)),
        ),
    }
    if len(seeds) > 1:
        by_seed = _by_seed(found, seeds)
        figures |= by_seed
        columns = (*(f"seed {seed}" for seed in seeds), "mean")
        tables["seeds"] = Table(
            f"{MACRO} of the network by seed", "", {name: name.split(" by ")[0] for name in by_seed}, columns
        )
    runs = list(found.values())
    commits = sorted({str(run.code.commit)[:9] for run in runs})
    return Result(
        name="leakage",
        title="The same network and a memoriser under three protocols",
        created=now().date(),
        command=command,
        protocol="beat-split, chronological and inter-patient",
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(sum(run.wall_s for run in runs), 1),
        intervals=f"{INTERVALS}; of the drop, over the same draws of records",
        tables=tables,
        divisions=tuple(dict.fromkeys(division for run in runs for division in run.divisions)),
        data=max((run.data for run in runs), key=lambda data: sum(used.records for used in data.values())),
        seeds=seeds,
        parameters=max(run.parameters or 0 for run in runs) or None,
        notes=(
            *dict.fromkeys(note for run in runs for note in run.notes if not note.startswith("epoch ")),
            "network: fitted on training and validation side, with the options of the default configuration",
            "beat-split: the network sees its test beats unlabelled, as context of the training beats",
            "chronological: records are cut at the boundary before beats are detected for training",
            f"runs made by commit {', '.join(commits)}",
        ),
        scorings=tuple(sorted((s for run in runs for s in run.scorings), key=lambda s: s.when)),
        matrices={names[key]: run.matrices["test"] for key, run in _ordered(first)},
    )


def _ordered(first: Mapping[tuple[str, str], Result]) -> list[tuple[tuple[str, str], Result]]:
    return [((m, p), first[m, p]) for m in METHODS for p in PROTOCOLS if (m, p) in first]


def _ways(
    first: Mapping[tuple[str, str], Result], names: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, Figure]]:
    """Macro-F1 pooled, without the record that holds most S beats, and as a mean over patients."""
    return {
        f"{names[key]}, {MACRO}": {
            row: named[MACRO] for row, named in run.figures.items() if ": " not in row and MACRO in named
        }
        for key, run in _ordered(first)
    }


def _drops(first: Mapping[tuple[str, str], Result]) -> dict[str, dict[str, Figure]]:
    """Differences to inter-patient, paired by the records (of DS2) that both protocols test."""
    *leaky, honest = PROTOCOLS
    metrics = {name: metric for name, metric in named_metrics().items() if name in SUMMARY}
    found = {}
    for method in METHODS:
        theirs = first[method, honest].matrices["test"]
        for protocol in leaky:
            ours = first[method, protocol].matrices["test"]
            both = [record for record in theirs if record in ours]
            one, other = ({r: np.array(side[r]) for r in both} for side in (ours, theirs))
            found[f"{method}: {protocol} less {honest}"] = {
                name: Figure.of(compare_models(one, other, metric).interval)
                for name, metric in metrics.items()
            }
    return found


def _by_seed(found: Runs, seeds: Sequence[int]) -> dict[str, dict[str, Figure]]:
    rows = {}
    for protocol in PROTOCOLS:
        values = [found[NETWORK, protocol, seed].figures["pooled"][MACRO].value or 0.0 for seed in seeds]
        named = {f"seed {seed}": Figure(value) for seed, value in zip(seeds, values, strict=True)}
        rows[f"{NETWORK}, {protocol} by seed"] = named | {"mean": Figure(float(np.mean(values)))}
    return rows


def _done(folder: Path, config: object) -> bool:
    """Whether a run folder is finished and of this configuration."""
    if not (folder / FILE).exists() or not (folder / "config.json").exists():
        return False
    kept = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
    return bool(kept == json.loads(json.dumps(config)))


def main() -> None:
    """Measure and store."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="strict", help="configuration of the network")
    parser.add_argument("--runs", type=Path, default=Path("runs/leakage"), help="folder of the run folders")
    parser.add_argument("--out", type=Path, default=Path("results/leakage.json"), help="the result")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the network")
    parser.add_argument("--quick", action="store_true", help="two epochs: shows that all works")
    arguments = parser.parse_args()
    # Sums keep their order, so that the same command gives the same digits on a busy machine.
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    found = measure(
        quick_config(config) if arguments.quick else config,
        arguments.runs,
        seeds=arguments.seeds,
        tell=lambda line: print(line, flush=True),
    )
    seeds = " ".join(map(str, arguments.seeds))
    quick = " --quick" * arguments.quick
    command = f"python -m ecgtune.training.leakage --config {config.name} --seeds {seeds}{quick}"
    save_result(assemble(found, command), arguments.out)
    print(f"{arguments.out} written; `ecgtune results update` renews docs/leakage.md")


if __name__ == "__main__":
    main()
