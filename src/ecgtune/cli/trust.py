"""Commands that say how far a trained model can be trusted. Each imports the training side when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from ecgtune.cli.shared import Json, app, named_records
from ecgtune.errors import MissingExtraError

Model = Annotated[
    str, typer.Argument(help="A model by name, or the folder of a model of beats.", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder of the result.", show_default=False)]
Data = Annotated[str, typer.Option(help="Database with reference annotations.")]
Records = Annotated[
    str | None, typer.Option(help="Its records, by comma.", show_default="the model's test side")
]
Jobs = Annotated[int, typer.Option(help="Processes, each with one thread.", min=1)]
Seed = Annotated[int, typer.Option(help="Of every draw.", min=0)]


@app.command()
def robustness(
    model: Model,
    out: Out,
    data: Data = "mitdb",
    records: Records = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two records, few conditions: shows that all works.")
    ] = False,
    jobs: Jobs = 2,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure a model under noise and lead loss: beats found, labels, stability of explanations.

    Example: ecgtune robustness default --out results/robustness-default

    Noise of PhysioNet's noise stress test database (nstdb) and simulated noise is added at 24 to -6 dB to
    recordings of patients that the model was not trained on. The folder gets result.json and figures.
    """
    try:
        from ecgtune.evaluation.result_tables import plain_tables
        from ecgtune.explain.robustness import measure_robustness
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune robustness") from error

    result = measure_robustness(
        model,
        out,
        data=data,
        records=named_records(records),
        quick=quick,
        jobs=jobs,
        seed=seed,
        tell=lambda line: typer.echo(line, err=True),
    )
    typer.echo(result.to_json() if as_json else plain_tables(result), nl=not as_json)
    typer.echo(f"all of it: {out}", err=as_json)


@app.command()
def confidence(
    model: Model,
    out: Out,
    data: Data = "mitdb",
    records: Records = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure whether a model's probabilities mean what they say, and what leaving unsure beats open brings.

    Example: ecgtune confidence default --out results/confidence-default

    Recordings are of patients that the model was not trained on. The folder of ecgtune train --folds takes
    the place of a model, too: each fold then labels the patients that it left out. The folder gets
    result.json and figures.
    """
    try:
        from ecgtune.evaluation.result_tables import plain_tables
        from ecgtune.explain.confidence import measure_confidence
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune confidence") from error

    result = measure_confidence(
        model,
        out,
        data=data,
        records=named_records(records),
        seed=seed,
        tell=lambda line: typer.echo(line, err=True),
    )
    typer.echo(result.to_json() if as_json else plain_tables(result), nl=not as_json)
    typer.echo(f"all of it: {out}", err=as_json)
