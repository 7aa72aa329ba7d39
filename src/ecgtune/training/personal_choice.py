"""What the options of `Tuning` were chosen by: training patients left out in turn, and tuned to.

For each fold of the training patients a base is trained on the others; each patient left out is then tuned to
by the first five minutes of the record, and the rest of it is scored. DS2 is not read.

    python -m ecgtune.training.personal_choice --runs runs/personal --out results/personalize-choice.json
"""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import annotated_beats
from ecgtune.evaluation.metrics import accuracy, f1, macro_f1
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Division, Figure, Result, Table, plain_matrices, save_result
from ecgtune.labels import CLASSES
from ecgtune.model import Model, load_model
from ecgtune.self_training import NO_SELF_TRAINING
from ecgtune.splits import Split, make_folds
from ecgtune.training.config import load_config
from ecgtune.training.cross_validation import cross_validate
from ecgtune.training.export import load_network
from ecgtune.training.personal_part import DATABASE, LabelledPart, labelled_part
from ecgtune.training.personal_tuning import Tuning, labelled_confusion, tune
from ecgtune.training.personalize import learn
from ecgtune.training.sequences import Recording, prepare
from ecgtune.training.tables import RecordKey, index_database, open_record, rows_of

CHECK_FROM, UNTIL = 240.0, 300.0
"""As in the protocols ``patient-adapted``."""

TEMPORAL = ("summary", "enter", "steps", "leave")
"""Parts of the temporal network."""


class Way(NamedTuple):
    """A way of tuning.

    Parameters
    ----------
    options
        See `Tuning`.
    itself
        Whether the models train themselves on the recording as well, as the base's card says.
    """

    options: Tuning = Tuning()
    itself: bool = True


VARIANTS: dict[str, Way] = {
    "the default": Way(),
    "without self-training": Way(itself=False),
    "the temporal network as it is": Way(Tuning(frozen=TEMPORAL)),
}
"""What is compared; each differs from the default in what its name says."""

_COMMAND = "python -m ecgtune.training.personal_choice"

BASE, ALWAYS = "base, not tuned", "the default, always adopted"

Matrices = dict[str, NDArray[np.int64]]


def compare(
    runs: Path,
    *,
    config_name: str = "default",
    folds: int = 4,
    seeds: Sequence[int] = (0,),
    variants: Mapping[str, Way] = VARIANTS,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Train the bases (or find them in ``runs``), tune each variant to each patient left out, and score.

    Parameters
    ----------
    runs
        Folder of the bases, one folder a seed.
    config_name
        Of the bases.
    folds
        Of the training patients.
    seeds
        Of the division into folds, of the bases and of the tuning.
    variants
        What is compared.
    tell
        Called with each line of progress.
    """
    began = time.perf_counter()
    config = load_config(config_name)
    index = index_database(*config.data.databases, paced=config.data.paced)
    found: dict[str, Matrices] = {name: {} for name in (BASE, *variants, ALWAYS)}
    kept = dict.fromkeys(variants, 0)
    divisions = []
    for seed in seeds:
        folder = runs / f"seed-{seed}"
        if not (folder / "metrics.json").exists():
            cross_validate(config, folder, folds=folds, seed=seed, tell=tell)
        for split in make_folds(
            index, "leave-patients-out", seed=seed, k=folds, databases=config.data.patients
        ):
            divisions.append(Division(split.protocol, seed, split.hash))
            base = load_model(folder / f"fold-{split.fold}" / "model")
            _compare_fold(split, base, seed, variants, found, kept)
            tell(f"seed {seed}, fold {split.fold}: {len(split.records('validate'))} records")
    return _result(config_name, found, kept, divisions, index.records(), seeds, time.perf_counter() - began)


def _compare_fold(
    split: Split,
    base: Model,
    seed: int,
    variants: Mapping[str, Way],
    found: dict[str, Matrices],
    kept: dict[str, int],
) -> None:
    network = load_network(base.folder).eval()
    alone = replace(base, card=base.card | {"self_training": asdict(NO_SELF_TRAINING)})
    for key in split.records("validate"):
        name = f"{'/'.join(key)} (seed {seed})"
        record, labels = open_record(key)
        part = labelled_part(record, labels, base.preprocessing, UNTIL, CHECK_FROM, None)
        rest = _rest(part, base)

        def scored(tuned: torch.nn.Module, by: Model = base, rest: Recording = rest) -> NDArray[np.int64]:
            return labelled_confusion(tuned, rest, by.self_training)

        found[BASE][name] = scored(network)
        for variant, way in variants.items():
            by = base if way.itself else alone
            learnt = learn(network, by, part, way.options, seed)
            found[variant][name] = scored(learnt.network, by)
            kept[variant] += not learnt.tuned
        every = part.prepared(part.table(part.end, base.preprocessing), part.whole, base.preprocessing)
        assert every is not None
        found[ALWAYS][name] = scored(tune(network, every, Tuning(), seed))


def _rest(part: LabelledPart, base: Model) -> Recording:
    """Beats after the labelled part, at the annotated positions."""
    how = base.preprocessing
    table = annotated_beats(part.record, part.labels, part.leads, how, database=DATABASE)
    (recording,) = prepare(table, rows_of(table, part.index, part.rest), how)
    return recording


def _result(
    config_name: str,
    found: Mapping[str, Matrices],
    kept: Mapping[str, int],
    divisions: Sequence[Division],
    records: Sequence[RecordKey],
    seeds: Sequence[int],
    wall_s: float,
) -> Result:
    base = found[BASE]
    figures: dict[str, dict[str, Figure]] = {}
    tables = {}
    for database in sorted({key.split("/")[0] for key in base}):
        rows = {f"{database}: {name}": name for name in found}
        for row, name in rows.items():
            own = {key: matrix for key, matrix in found[name].items() if key.startswith(f"{database}/")}
            figures[row] = _figures(own, base)
        columns = tuple(figures[f"{database}: {BASE}"])
        tables[database] = Table(f"Patients of {database}", "", rows, columns)
    figures["base kept"] = {name: Figure(n) for name, n in kept.items()}
    used = {key for key in records if any(label.startswith(f"{'/'.join(key)} ") for label in base)}
    several = " ".join(map(str, seeds))
    result = Result(
        name="personalize-choice",
        title="Ways of tuning to a patient, compared on training patients left out",
        created=now().date(),
        command=f"{_COMMAND} --config {config_name} --seeds {several} --runs RUNS",
        protocol="leave-patients-out, then tuned on the first five minutes of each record",
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(wall_s, 1),
        divisions=tuple(divisions),
        data=data_used(used),
        seeds=tuple(seeds),
        notes=(
            "AAMI classes (de Chazal's); beats at annotated positions, after 300 s",
            f"{len(base)} tunings: {len(base) // len(seeds)} records, {len(seeds)} sets of bases",
            "better, worse: records with fewer and with more wrong labels than by the base",
        ),
        matrices={_plain_name(name): plain_matrices(matrices) for name, matrices in found.items()},
    )
    tables["kept"] = Table("Records that kept the base's weights", "", {"base kept": "records"}, tuple(kept))
    return replace(result, tables=tables)


def _figures(matrices: Matrices, base: Matrices) -> dict[str, Figure]:
    total = np.sum(list(matrices.values()), axis=0)
    by_class = f1(total)
    more = [_wrong(matrix) - _wrong(base[key]) for key, matrix in matrices.items()]
    return {
        "macro-F1 (N, S, V)": Figure(float(macro_f1(total))),
        "V F1": Figure(float(by_class[CLASSES.index("V")])),
        "S F1": Figure(float(by_class[CLASSES.index("S")])),
        "accuracy": Figure(float(accuracy(total))),
        "better": Figure(sum(n < 0 for n in more)),
        "worse": Figure(sum(n > 0 for n in more)),
        "most beats worse": Figure(max(0, *more)),
    }


def _wrong(matrix: NDArray[np.int64]) -> int:
    return int(matrix.sum() - matrix.trace())


def _plain_name(name: str) -> str:
    return name.replace(",", "").replace("'", "")


def main() -> None:
    """Compare and store."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=Path, default=Path("runs/personal"), help="folder of the bases")
    parser.add_argument(
        "--out", type=Path, default=Path("results/personalize-choice.json"), help="the result"
    )
    parser.add_argument("--config", default="default", help="of the bases: default or strict")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), help="of the ways; all if not given")
    arguments = parser.parse_args()
    # Sums keep their order, so that the same command gives the same digits on a busy machine.
    torch.set_num_threads(1)
    result = compare(
        arguments.runs,
        config_name=arguments.config,
        seeds=arguments.seeds,
        variants={name: way for name, way in VARIANTS.items() if name in (arguments.only or VARIANTS)},
        tell=lambda line: print(line, flush=True),
    )
    if arguments.only:
        result = replace(result, command=f"{result.command} --only {shlex.join(arguments.only)}")
    save_result(result, arguments.out)
    print(f"{arguments.out} written; `ecgtune results update` renews docs/personalize.md")


if __name__ == "__main__":
    main()
