"""Groups of commands: databases, models that ship, stored results."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ecgtune.cli.shared import SOME_FAILED, Json, app, print_json

data_app = typer.Typer(help="Public databases: list, download, verify.", no_args_is_help=True)
models_app = typer.Typer(help="Models that ship with ecgtune: list, show, export.", no_args_is_help=True)
results_app = typer.Typer(help="Stored measurements: tables of them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
app.add_typer(results_app, name="results")


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """Databases that ecgtune knows, and what is here of them.

    Example: ecgtune data list
    """
    from ecgtune.databases import list_databases

    rows = list_databases()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        there = f"{row.n_records} of {row.n_complete} records" if row.root else "not here"
        typer.echo(f"{row.name:10s} {there:24s} {row.licence:12s} {row.title}")
        if row.root:
            typer.echo(f"{'':10s} {row.root} ({row.n_bytes / 1e6:.0f} MB, {row.place})")


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="A name of `ecgtune data list`.", show_default=False)],
    folder: Annotated[Path | None, typer.Option(help="Where to put it.", show_default="the cache")] = None,
    base_url: Annotated[str | None, typer.Option(help="A mirror of the database's files.")] = None,
    as_json: Json = False,
) -> None:
    """Download what is missing of a database, and check hashes; resumes an interrupted download.

    Example: ecgtune data get mitdb
    """
    from ecgtune.databases import get

    result = get(name, folder=folder, base_url=base_url)
    if as_json:
        print_json(asdict(result))
    else:
        typer.echo(str(result))


@data_app.command("verify")
def data_verify(
    name: Annotated[str, typer.Argument(help="A name of `ecgtune data list`.", show_default=False)],
    folder: Annotated[Path | None, typer.Option(help="Where it lies.", show_default="found")] = None,
    as_json: Json = False,
) -> None:
    """Check the files of a database against their published hashes.

    Example: ecgtune data verify mitdb
    """
    from ecgtune.databases import verify

    result = verify(name, folder=folder)
    if as_json:
        print_json(asdict(result))
    else:
        typer.echo(str(result))
    if not result.intact:
        raise typer.Exit(SOME_FAILED)


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """Models that ship with ecgtune.

    Example: ecgtune models list
    """
    from ecgtune.model import list_models, pretrained_folder, read_card

    cards = [read_card(pretrained_folder() / name) for name in list_models()]
    if as_json:
        print_json(
            [{key: card[key] for key in ("name", "version", "summary", "parameters")} for card in cards]
        )
        return
    for card in cards:
        typer.echo(f"{card['name']} {card['version']}  {card['parameters']:,} parameters  {card['summary']}")


@models_app.command("show")
def models_show(
    model: Annotated[str, typer.Argument(help="A model's name, or a model folder.")] = "default",
) -> None:
    """Print a model's card.

    Example: ecgtune models show default
    """
    from ecgtune.model import load_model

    print_json(load_model(model).card)


@models_app.command("export")
def models_export(
    model: Annotated[str, typer.Argument(help="A model's name, or a model folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to copy it to.", show_default=False)],
) -> None:
    """Copy a model folder (card, ONNX, weights) to build on.

    Example: ecgtune models export default --out my-model
    """
    from ecgtune.model import export_model

    typer.echo(f"{model} copied to {export_model(model, out)}")


@results_app.command("table")
def results_table(
    names: Annotated[list[str] | None, typer.Argument(help="Results.", show_default="all")] = None,
    folder: Annotated[Path, typer.Option(help="Where the results lie.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Render stored results as Markdown, with where each comes from.

    Example: ecgtune results table leakage
    """
    from ecgtune.evaluation.result_tables import markdown
    from ecgtune.evaluation.results import load_results

    results = load_results(folder, names or ())
    if as_json:
        print_json({name: json.loads(result.to_json()) for name, result in results.items()})
    else:
        typer.echo("\n".join(markdown(result, heading=True) for result in results.values()), nl=False)


@results_app.command("update")
def results_update(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Documents.", show_default="README.md and docs/*.md")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the results lie.")] = Path("results"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; status 1 on stale tables.")] = False,
) -> None:
    """Rewrite the tables in documents that stand between <!-- results:NAME --> and <!-- /results -->.

    Example: ecgtune results update README.md
    """
    from ecgtune.evaluation.result_tables import documents, update_documents

    stale = update_documents(files or documents(), folder, write=not check)
    for path in stale:
        typer.echo(f"{path}: {'stale; run `ecgtune results update`' if check else 'updated'}")
    if stale and check:
        raise typer.Exit(SOME_FAILED)
