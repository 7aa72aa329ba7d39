"""What each part of a shipped model brings, patients left out: ``python -m ecgtune.training.ablation``.

Every variant differs in one place from the configuration and is compared with it over the same patients. DS2
is not read.
"""

import argparse
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.evaluation.bootstrap import Metric, compare_models, of_class
from ecgtune.evaluation.metrics import f1
from ecgtune.evaluation.results import FOLDER, Figure, Result, Table, load_result, save_result
from ecgtune.files import make_folder
from ecgtune.labels import CLASSES
from ecgtune.self_training import NO_SELF_TRAINING
from ecgtune.training.config import Config, load_config, make_config
from ecgtune.training.cross_validation import cross_validate
from ecgtune.training.measured import FILE
from ecgtune.training.out_of_fold import database_figures

Overrides = Mapping[str, Mapping[str, Any]]

WHOLE, SEEDED = "as it ships", "another seed"

_NO_USUAL = {"usual": 0, "usual_known": False}

VARIANTS: dict[str, Overrides] = {
    WHOLE: {},
    SEEDED: {},
    "one network": {"network": {"network": "relation-sequence", "members": None}},
    "without being told how much is known": {
        "network": {"leads_told": None},
        "preprocessing": {"usual_known": False},
    },
    "without episodes": {"data": {"episodes": []}},
    "without early beats": {"data": {"episodes": lambda copies: _without(copies, "ectopy")}},
    "without early ventricular beats": {
        "data": {"episodes": lambda copies: _without(copies, "ventricular ectopy")}
    },
    "without sick sinus": {"data": {"episodes": lambda copies: _without(copies, "sick sinus")}},
    "without jumps": {"preprocessing": _NO_USUAL},
    "without episodes and jumps": {"data": {"episodes": []}, "preprocessing": _NO_USUAL},
    "without faults": {"data": {"faults": []}},
    "without short stretches": {"data": {"short": 0}},
    "without short stretches and real artefacts": {"data": {"short": 0, "without_ectopy": []}},
    "without atria": {"preprocessing": {"atria": 0}},
    "without the usual beat": {"preprocessing": {"usual_beat": False}},
    "without recordings of tachycardia": {"data": {"ventricular": []}},
    "without look-alikes": {"preprocessing": {"alike": 0}, "data": {"ventricular": []}},
    "without self-training": {"self_training": asdict(NO_SELF_TRAINING)},
    "without relations": {
        "preprocessing": {"alike": 0},
        "data": {"ventricular": []},
        "self_training": asdict(NO_SELF_TRAINING),
        "network": {
            "network": "beat-sequence",
            **dict.fromkeys(("members", "compared", "lost", "earliest", "leads_told")),
        },
    },
    "without pieces": {"network": {"bends": [-2.5, 2.5]}},
    "without recordings of fibrillation": {"data": {"weak": []}},
}
"""What is changed, by section of the configuration: to a value, to what is made of the configuration's, or
left out (None). `SEEDED` differs in its seed alone. What needs a part goes with it: without look-alikes no
recordings of tachycardia teach. A part that a configuration lacks cannot be left out; see `differing`."""

_BESIDE = ("false-s", "rhythms", "without-ectopy", "short")
"""Tables of a result whose rows stand beside those of other variants."""

_S_F1, _V_F1 = "S F1", "V F1"


def _without(copies: list[list[str]], kind: str) -> list[list[str]]:
    """Copies of the recordings but for those with one kind of episodes."""
    return [kinds for kinds in copies if kinds != [kind]]


def measure(
    config: Config,
    runs: Path,
    *,
    folds: int = 4,
    variants: Mapping[str, Overrides] = VARIANTS,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Result]:
    """Leave patients out with every variant; a variant that is done is read.

    Parameters
    ----------
    config
        The configuration that variants differ from.
    runs
        Folder of the run folders.
    folds
        Of patients.
    variants
        By name; `WHOLE` is among them.
    tell
        Called with each line of progress.
    """
    found = {}
    for name, overrides in variants.items():
        out = make_folder(runs / name.replace(" ", "-"))
        if not (out / FILE).exists():
            tell(f"{name}:")
            cross_validate(changed(config, overrides), out, folds=folds, seed=int(name == SEEDED), tell=tell)
        found[name] = load_result(out / FILE)
    return found


def differing(config: Config, names: Collection[str]) -> dict[str, Overrides]:
    """Choose variants by name, and the whole; those are left out that would be the whole once more."""
    return {
        name: overrides
        for name, overrides in VARIANTS.items()
        if name == WHOLE or (name in names and (name == SEEDED or changed(config, overrides) != config))
    }


def changed(config: Config, overrides: Overrides) -> Config:
    """Change single values of a configuration, as `VARIANTS` says."""
    content = config.to_dict()
    for section, values in overrides.items():
        own = content[section]
        merged = own | {key: value(own[key]) if callable(value) else value for key, value in values.items()}
        content[section] = {key: value for key, value in merged.items() if value is not None}
    return make_config(content, config.name)


def assemble(found: Mapping[str, Result], command: str, wall_s: float) -> Result:
    """Put the variants beside the whole, with paired differences, into one result."""
    whole = _matrices(found[WHOLE])
    figures: dict[str, dict[str, Figure]] = {}
    rows: dict[str, list[str]] = {}
    beside: dict[str, Table] = {}
    for name, result in found.items():
        own = _matrices(result)
        of_databases, databases = database_figures({_key(record): matrix for record, matrix in own.items()})
        for database in databases:
            row = f"{name}: {database}"
            figures[row] = of_databases[database]
            rows.setdefault(database, []).append(row)
            if name != WHOLE:
                figures[f"{row}, less"] = _less(own, whole, database)
        for table in (result.tables[place] for place in _BESIDE if place in result.tables):
            for counted, label in table.rows.items():
                row = f"{name}: {counted}"
                figures[row] = result.figures[counted]
                empty = Table(f"{table.title}: {label}", "variant", {}, table.columns)
                beside.setdefault(counted, empty).rows[row] = name
    tables: dict[str, Table] = {}
    for database, named in rows.items():
        labels = {row: row.partition(":")[0] for row in named}
        columns = tuple(column for column in figures[named[0]] if " F1" in column)
        tables[f"{database}, figures"] = Table(f"Patients left out, {database}", "variant", labels, columns)
        less = {f"{row}, less": label for row, label in labels.items() if f"{row}, less" in figures}
        if less:
            title = f"The same less those of the configuration {WHOLE}, {database}"
            tables[f"{database}, less"] = Table(title, "variant", less, (_S_F1, _V_F1))
    first = found[WHOLE]
    return replace(
        first,
        name=f"{first.name.removesuffix(f'-{first.protocol}')}-ablation",
        title=f"What each part brings, patients left out: {first.title.partition(' under ')[0]}",
        command=command,
        figures=figures,
        tables=tables | beside,
        wall_s=wall_s,
        divisions=tuple(dict.fromkeys(each for result in found.values() for each in result.divisions)),
        seeds=tuple(sorted({seed for result in found.values() for seed in result.seeds})),
        notes=(*first.notes, "differences are paired by record; their intervals say nothing of another seed"),
        matrices={name: result.matrices["out of fold"] for name, result in found.items()},
    )


def _less(
    own: Mapping[str, NDArray[np.int64]], whole: Mapping[str, NDArray[np.int64]], group: str
) -> dict[str, Figure]:
    """F1 of a variant less that of the whole, over the records of a group of `database_figures`."""
    database, _, without = group.partition(" without record ")
    records = [name for name in own if name.startswith(f"{database}/") and name != f"{database}/{without}"]
    one, other = ({name: side[name] for name in records} for side in (own, whole))
    metrics: dict[str, Metric] = {name: of_class(f1, name[0], CLASSES) for name in (_S_F1, _V_F1)}
    return {name: Figure.of(compare_models(one, other, metric).interval) for name, metric in metrics.items()}


def _matrices(result: Result) -> dict[str, NDArray[np.int64]]:
    return {name: np.array(matrix) for name, matrix in result.matrices["out of fold"].items()}


def _key(name: str) -> tuple[str, str]:
    database, _, record = name.partition("/")
    return database, record


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--config", default="default", help="configuration")
    parser.add_argument("--folds", type=int, default=4, help="of patients")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="folder of the run folders")
    parser.add_argument("--out", type=Path, help="default: results/CONFIG-ablation.json")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), help="of the variants; all if not given")
    arguments = parser.parse_args()
    # Sums keep their order, so that the same command gives the same digits on a busy machine.
    torch.set_num_threads(1)
    config = load_config(arguments.config)
    found = measure(
        config,
        arguments.runs,
        folds=arguments.folds,
        variants=differing(config, arguments.only or VARIANTS),
        tell=lambda line: print(line, flush=True),
    )
    command = f"python -m ecgtune.training.ablation --config {arguments.config} --folds {arguments.folds}"
    if arguments.only:
        command += f" --only {shlex.join(arguments.only)}"
    result = assemble(found, command, round(sum(each.wall_s for each in found.values()), 1))
    out = arguments.out or FOLDER / f"{result.name}.json"
    save_result(result, out)
    print(f"{out} written; `ecgtune results update` renews the documents")


if __name__ == "__main__":
    main()
