"""Run all benchmarks and keep their figures as ``results/benchmarks.json``; measure on an idle machine.

``python benchmarks/store.py``; ``--without-stacks`` leaves out the longest, networks trained side by side.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Figure, Result, Table, save_result

HERE = Path(__file__).parent
NAMES = ("classify", "start", "memory", "evaluate", "explain", "stacks")


def main() -> None:
    began = time.perf_counter()
    quick = [argument for argument in sys.argv[1:] if argument == "--quick"]
    stacked = "--without-stacks" not in sys.argv[1:]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES if stacked else NAMES[:-1]:
            path = Path(folder) / f"{name}.json"
            command = [sys.executable, str(HERE / f"bench_{name}.py"), *quick, "--json", str(path)]
            subprocess.run(command, check=True)
            found[name] = json.loads(path.read_text())["figures"]

    classify, start, evaluate = (found[name]["seconds"] for name in ("classify", "start", "evaluate"))
    nk, sleepecg = (classify[f"wfdb + {peer} (detects only)"] for peer in ("NeuroKit2", "sleepecg"))
    figures = {
        name: {
            "time": Figure(taken, unit="s"),
            "x NeuroKit2": Figure(taken / nk),
            "x sleepecg": Figure(taken / sleepecg),
        }
        for name, taken in classify.items()
    }
    stages = {f"stage: {name}": taken for name, taken in found["classify"]["stages"].items()}
    total = sum(stages.values())
    figures |= {
        name: {"time": Figure(taken, unit="s"), "share": Figure(taken / total)}
        for name, taken in stages.items()
    }
    starts = {
        "ecgtune --help": "ecgtune --help",
        "ecgtune classify, one record": "one half-hour record, from a cold start",
        "the same, warm": "one half-hour record, warm",
    }
    others = {label: {"time": Figure(start[name], unit="s")} for name, label in starts.items()}
    others |= {
        f"EC57 over {found['evaluate']['records']} records": {
            "time": Figure(evaluate["ecgtune evaluate, EC57"], unit="s")
        },
        "reading the same annotations with wfdb": {
            "time": Figure(evaluate["reading alone, wfdb.rdann"], unit="s")
        },
    }
    figures |= others
    memory = {
        f"{length} in one record": {
            "peak memory": Figure(row["peak_mb"], unit="MB"),
            "beats": Figure(row["beats"]),
            "time": Figure(row["seconds"], unit="s"),
        }
        for length, row in found["memory"].items()
    }
    figures |= memory

    explained = _explained(found["explain"])
    figures |= explained

    trained = _stacks(found["stacks"]) if stacked else {}
    figures |= trained

    records = found["classify"]["records"]
    keys = [("mitdb", record) for record in _records()[:records]]
    result = Result(
        name="benchmarks",
        title="Speed and memory",
        created=now().date(),
        command=" ".join(["python benchmarks/store.py", *quick, *["--without-stacks"] * (not stacked)]),
        protocol="medians of several interleaved runs; peers read and detect, but label nothing",
        figures=figures,
        tables={
            "classify": Table(
                f"{records} half-hour records of mitdb, files in, annotation files out",
                "",
                {name: name for name in classify},
                ("time", "x NeuroKit2", "x sleepecg"),
            ),
            "stages": Table(
                "Stages of the same, on one thread",
                "",
                {name: name.removeprefix("stage: ") for name in stages},
                ("time", "share"),
            ),
            "others": Table("Start and evaluation", "", {name: name for name in others}, ("time",)),
            "memory": Table(
                "Two simulated leads at 360 Hz",
                "",
                {name: name for name in memory},
                ("peak memory", "beats", "time"),
            ),
            "explain": Table(
                f"Explanations of the default model, mitdb {found['explain']['record']}, "
                f"{found['explain']['threads']} threads; "
                f"Integrated Gradients of {found['explain']['steps']} steps",
                "",
                {name: name.removeprefix("explain: ") for name in explained},
                ("beats", "time", "a beat"),
            ),
        },
        data=data_used(keys),
        code=code_version(),
        machine=machine_class(),
        wall_s=round(time.perf_counter() - began, 1),
    )
    if stacked:
        result.tables["stacks"] = Table(
            f"{found['stacks']['networks']} networks of `patient-transfer` for patients "
            f"{', '.join(found['stacks']['records'])}, one epoch on one thread",
            "",
            {name: name.removeprefix("grid, ") for name in trained},
            ("time", "a window", "times as fast"),
        )
    save_result(result, Path("results") / f"benchmarks{'-quick' * bool(quick)}.json")


def _explained(found: dict[str, Any]) -> dict[str, dict[str, Figure]]:
    """Seconds of each step and method of an explanation."""
    return {
        f"explain: {name}": {
            "beats": Figure(found["beats"][name]),
            "time": Figure(taken, unit="s"),
            "a beat": Figure(1e3 * taken / found["beats"][name], unit="ms"),
        }
        for name, taken in found["seconds"].items()
    }


def _stacks(found: dict[str, Any]) -> dict[str, dict[str, Figure]]:
    """Seconds of each way to train a grid of networks."""
    alone = {batch: times["one at a time"] for batch, times in found["seconds"].items()}
    return {
        f"grid, {batch}: {way}": {
            "time": Figure(taken, unit="s"),
            "a window": Figure(1e6 * taken / found["windows"][batch], unit="µs"),
            "times as fast": Figure(alone[batch] / taken),
        }
        for batch, times in found["seconds"].items()
        for way, taken in times.items()
    }


def _records() -> tuple[str, ...]:
    from ecgtune.databases import find_database

    return find_database("mitdb").records()


if __name__ == "__main__":
    main()
