"""Commands around the published systems. Each imports the training side when it runs."""

import os
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from ecgtune.cli.shared import Json, app, by_comma
from ecgtune.errors import MissingExtraError

_TAKES = {
    "--patients": "records",
    "--protocol": "protocols",
    "--methods": "methods",
    "--seeds": "seeds",
    "--parts": "parts",
}
"""Options by comma that a system may have, and the parameter that each is."""


@app.command()
def reproduce(
    system: Annotated[
        str,
        typer.Argument(
            help="patient-transfer, two-fold-focal, ft-cnn, spectrogram-features or ecg-image-resnet.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results.", show_default="runs/SYSTEM")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few records and epochs: shows that all works.")
    ] = False,
    patients: Annotated[str | None, typer.Option(help="Records, by comma.", show_default="all")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Evaluation protocols, by comma.", show_default="all")
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Some of the compared methods, by comma.", show_default="all")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the splits, by comma.")] = None,
    parts: Annotated[
        str | None, typer.Option(help="Parts of the study, by comma.", show_default="all")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Images by class, DIR/CLASS/*.jpg, of a system of images.")
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

    Example: ecgtune reproduce ft-cnn --protocol beat-split --methods ft-cnn,cnn --seeds 0,1,2

    The folder gets result.json, tables, figures and, in work/, every finished training: the same command goes
    on where it was interrupted. A system refuses the options that it does not have.
    """
    try:
        from ecgtune.evaluation.result_tables import plain_tables
        from ecgtune.systems import reproducer

        run = reproducer(system)
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune reproduce") from error
    given = dict(zip(_TAKES, (patients, protocol, methods, seeds, parts), strict=True))
    options = _options(system, run, {option: text for option, text in given.items() if text is not None})
    if images is not None:
        if "images" not in signature(run).parameters:
            raise typer.BadParameter(f"{system} takes no --images")
        options["images"] = images
    folder = out or Path("runs") / f"{system}{'-quick' * quick}"
    result = run(
        folder,
        quick=quick,
        config=config,
        jobs=jobs or os.cpu_count() or 1,
        again=not resume,
        tell=lambda line: typer.echo(line, err=True),
        **options,
    )
    typer.echo(result.to_json() if as_json else plain_tables(result), nl=not as_json)
    typer.echo(f"all of it: {folder}", err=as_json)


def _options(system: str, run: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a system from what was written, or an error on what it does not take."""
    taken = signature(run).parameters
    options: dict[str, Any] = {}
    for option, text in given.items():
        if _TAKES[option] not in taken:
            has = ", ".join(name for name, parameter in _TAKES.items() if parameter in taken)
            raise typer.BadParameter(f"{system} takes no {option}; it has {has}")
        options[_TAKES[option]] = by_comma(text)
        if not options[_TAKES[option]]:
            raise typer.BadParameter(f"{option}: give something, or leave it out for all")
    if "seeds" in options:
        try:
            options["seeds"] = [int(seed) for seed in options["seeds"]]
        except ValueError as error:
            raise typer.BadParameter(f"--seeds {given['--seeds']}: give whole numbers by comma") from error
    return options
