"""A finished model on another database: ``python -m ecgtune.training.cross_database strict --on svdb``."""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgtune.beats import Beats, concatenate
from ecgtune.errors import SplitError
from ecgtune.evaluation.results import FOLDER, Result, load_result, save_result
from ecgtune.model import Model, load_model
from ecgtune.splits import make_split
from ecgtune.training.further import measure_further, with_further
from ecgtune.training.measured import result_of, scoring
from ecgtune.training.out_of_fold import database_figures, database_tables
from ecgtune.training.run import score
from ecgtune.training.tables import index_database, reference_table

PROTOCOL = "cross-database"


def cross_database(model: Model, name: str, on: str, earlier: Result | None = None) -> Result:
    """Score a model on every record of a database that it was not trained on.

    Parameters
    ----------
    model
        With a card that lists its training records.
    name
        That the result begins with.
    on
        The database.
    earlier
        Result of an earlier scoring, whose log goes on.

    Raises
    ------
    SplitError
        Where the model was trained on a patient of that database, or its card lists no records.
    """
    began = time.perf_counter()
    trained = _trained_on(model)
    databases = sorted(set(trained.database.tolist()))
    if on in databases:
        raise SplitError(f"{model.name}: was trained on {on}; its figures there are those out of fold")
    index = concatenate([trained, index_database(on)])
    split = make_split(index, PROTOCOL, train=databases, test=on, validation=0, paced=True)
    matrices = score(model, reference_table(split.records("test"), model.preprocessing), index, split.test)
    figures, rows = database_figures(matrices)
    result = result_of(
        name,
        model.name,
        matrices,
        split,
        command="",
        wall_s=0,
        scorings=[*(earlier.scorings if earlier else ()), scoring(split, model.hash)],
        parameters=model.card["parameters"],
        notes=[f"trained on {', '.join(databases)} alone; no record of {on} was left out"],
    )
    result = with_further(result, matrices, measure_further(model, split.records("test")))
    return replace(
        result,
        name=f"{name}-{on}",
        title=f"{model.name} on {on}: another hospital and device",
        command=f"python -m ecgtune.training.cross_database {name} --on {on}",
        figures={**result.figures, **figures},
        tables=database_tables(figures, rows)
        | {k: result.tables[k] for k in ("classes", "leads", "positions")},
        wall_s=round(time.perf_counter() - began, 1),
    )


def _trained_on(model: Model) -> Beats:
    """Index of the beats of a model's training records."""
    records = {tuple(key.split("/", 1)) for key in model.card.get("training", {}).get("records", ())}
    if not records:
        raise SplitError(f"{model.name}: its card lists no training records")
    index = index_database(*sorted({database for database, _ in records}), paced=True)
    pairs = zip(index.database.tolist(), index.record.tolist(), strict=True)
    return index.select(np.fromiter((pair in records for pair in pairs), dtype=bool, count=len(index)))


def main() -> None:
    """Score a model and store the result."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", help="a model's name, or a model folder")
    parser.add_argument("--on", required=True, help="the database")
    parser.add_argument("--out", type=Path, help="default: results/MODEL-DATABASE.json")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    name = str(model.card["name"])
    out = arguments.out or FOLDER / f"{name}-{arguments.on}.json"
    result = cross_database(model, name, arguments.on, load_result(out) if out.exists() else None)
    save_result(result, out)
    print(f"{out}: {result.title}")


if __name__ == "__main__":
    main()
