"""Commands around the published systems. Each imports the training side when it runs."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ecgtune.cli.shared import Json, app
from ecgtune.errors import MissingExtraError


@app.command()
def reproduce(
    system: Annotated[str, typer.Argument(help="patient-transfer.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results.", show_default="runs/SYSTEM")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few records and epochs: shows that all works.")
    ] = False,
    patients: Annotated[str | None, typer.Option(help="Records, by comma.", show_default="all")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the splits, by comma.")] = None,
    parts: Annotated[
        str | None, typer.Option(help="Parts of the study, by comma.", show_default="all")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML in place of the system's own.", show_default=False)
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes.", min=1, show_default="processors")] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--again", help="Go on with what is finished, or do all of it again.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Run one published system and print its paper's figures beside ours.

    Example: ecgtune reproduce patient-transfer --jobs 2 --out results/patient-transfer

    The folder gets result.json, tables, figures and, in work/, every finished training: the same command goes
    on where it was interrupted.
    """
    try:
        from ecgtune.evaluation.result_tables import plain_tables
        from ecgtune.systems import reproducer

        run = reproducer(system)
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune reproduce") from error
    options: dict[str, Any] = {"quick": quick, "jobs": jobs or os.cpu_count() or 1, "again": not resume}
    if patients is not None:
        options["records"] = _listed(patients)
    if seeds is not None:
        try:
            options["seeds"] = [int(seed) for seed in _listed(seeds)]
        except ValueError as error:
            raise typer.BadParameter(f"--seeds {seeds}: give whole numbers by comma") from error
    if parts is not None:
        options["parts"] = _listed(parts)
    folder = out or Path("runs") / f"{system}{'-quick' * quick}"
    result = run(folder, config=config, tell=lambda line: typer.echo(line, err=True), **options)
    typer.echo(result.to_json() if as_json else plain_tables(result), nl=not as_json)
    typer.echo(f"all of it: {folder}", err=as_json)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
