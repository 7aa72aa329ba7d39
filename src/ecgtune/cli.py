"""The command line: parse, call, print; nothing else. Commands import what they need when they run."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgtune._version import __version__
from ecgtune.errors import EcgtuneError, MissingExtraError

if TYPE_CHECKING:
    from ecgtune.batch import Outcome

SOME_FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
"""Exit status where some records failed, where nothing could be done, and after Ctrl-C."""

app = typer.Typer(
    help="Label every heartbeat of an ECG recording. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Public databases: list, download, verify.", no_args_is_help=True)
models_app = typer.Typer(help="Models that ship with ecgtune: list, show, export.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(models_app, name="models")
results_app = typer.Typer(help="Stored measurements: tables of them.", no_args_is_help=True)
app.add_typer(results_app, name="results")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def main() -> None:
    """Run the program; every error is one line on stderr."""
    try:
        status = app(prog_name="ecgtune", standalone_mode=False)
    except EcgtuneError as error:
        typer.echo(f"ecgtune: {error}", err=True)
        sys.exit(WRONG_USE)
    except _UsageError as error:
        _explain(error)
        sys.exit(WRONG_USE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"ecgtune: {where}{error.strerror or error}; check the path and the disk", err=True)
        sys.exit(WRONG_USE)
    if status == INTERRUPTED:
        typer.echo("ecgtune: interrupted; the same command goes on from here", err=True)
    sys.exit(status)


# typer brings its own copy of click or uses click's, by version; in both BadParameter is a UsageError.
_UsageError: Any = typer.BadParameter.__base__


def _explain(error: Any) -> None:
    """Say what is wrong with the command line in one line; a command group alone shows its help."""
    text = error.format_message()
    if "\n" in text.strip():
        typer.echo(text, err=True)
        return
    command = error.ctx.command_path if error.ctx else "ecgtune"
    problem = text.rstrip(".")
    typer.echo(f"ecgtune: {problem[:1].lower()}{problem[1:]}; see {command} --help", err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecgtune {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before any command."""


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=1, default=str))


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Draw a progress bar on stderr, on a terminal only; the function given advances it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


@app.command()
def classify(
    recordings: Annotated[list[str], typer.Argument(help="Files, folders or patterns.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("ecgtune-out"),
    model: Annotated[
        str, typer.Option(help="A model that ships with ecgtune, or a model folder.")
    ] = "default",
    lead: Annotated[
        list[str] | None, typer.Option(help="Lead to use, by name or index; give twice for two.")
    ] = None,
    formats: Annotated[str, typer.Option("--write", help="What to write.")] = "ecgt,csv,json,html",
    fs: Annotated[float | None, typer.Option(help="Rate in Hz, of files that do not tell it.")] = None,
    units: Annotated[str | None, typer.Option(help="uV, mV or V, of files that do not tell it.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Recordings at a time.", min=1, show_default="processors")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Do recordings again that are done.")] = False,
    as_json: Json = False,
) -> None:
    """Label every heartbeat of recordings.

    Example: ecgtune classify holter/ --out labels --write ecgt,html

    Writes RECORD.ecgt (WFDB annotations), .csv, .json and .html for each recording. A recording that cannot
    be read is reported and does not stop the others; the same command goes on where it was interrupted.
    """
    from ecgtune.batch import classify_files, find_each

    paths, missing = find_each(recordings)
    if not paths:
        _report(missing, out, as_json)
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    with _progress("labelling", len(paths)) as advance:

        def done(_: "Outcome") -> None:
            advance()

        outcomes = classify_files(
            paths,
            out,
            model=model,
            leads=lead,
            formats=wanted,
            fs=fs,
            units=units,
            jobs=jobs,
            again=again,
            done=done,
        )
    _report(missing + outcomes, out, as_json)


def _report(outcomes: "list[Outcome]", out: Path, as_json: bool) -> None:
    """Print what became of each recording, and leave with the right status."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if as_json:
        _print_json([asdict(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            if outcome.counts is not None:
                counts = "  ".join(f"{name} {n}" for name, n in outcome.counts.items() if n)
                typer.echo(f"{outcome.name}: {sum(outcome.counts.values())} beats  {counts}")
                for note in outcome.notes:
                    typer.echo(f"  {note}")
        skipped = sum(outcome.skipped for outcome in outcomes)
        labelled = len(outcomes) - skipped - len(failed)
        if labelled or skipped:
            typer.echo(f"{labelled} recordings labelled, in {out}")
        if skipped:
            typer.echo(f"{skipped} were done already (--again does them again)")
    for outcome in failed:
        typer.echo(f"ecgtune: {outcome.error}", err=True)
    if failed:
        raise typer.Exit(SOME_FAILED if len(failed) < len(outcomes) else WRONG_USE)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("demo-out"),
) -> None:
    """Label a real five-minute excerpt that comes along; nothing to download.

    Example: ecgtune demo
    """
    from ecgtune.classification import classify as classify_record
    from ecgtune.demo import toy_record
    from ecgtune.labelled import summarise
    from ecgtune.writers import FORMATS, write

    labelled = classify_record(toy_record())
    files = write(labelled, out, FORMATS)
    summary = summarise(labelled)
    counts = "  ".join(f"{name} {n}" for name, n in summary.counts.items())
    typer.echo(f"{summary.beats} beats in five minutes of one lead at 360 Hz: {counts}")
    typer.echo("The excerpt is from mitdb 208, a record that the model was trained on: it shows the work,")
    typer.echo("not how well a new patient is labelled. Not a medical device.")
    typer.echo("Look at:")
    for file in files:
        typer.echo(f"  {file}")


@app.command()
def evaluate(
    references: Annotated[
        list[str], typer.Argument(help="Records, folders or patterns.", show_default=False)
    ],
    test: Annotated[
        str, typer.Option(help="Annotator beside the records, or FOLDER[:ANNOTATOR].", show_default=False)
    ],
    reference: Annotated[str, typer.Option(help="Reference annotator.")] = "atr",
    classes: Annotated[str, typer.Option(help="aami (de Chazal) or bxb (e, j, n are S).")] = "aami",
    start: Annotated[float, typer.Option(help="Start of the test period in s.")] = 300.0,
    stop: Annotated[float | None, typer.Option(help="End of the test period in s.")] = None,
    window: Annotated[float, typer.Option(help="Match window in s.")] = 0.15,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row a record.")] = False,
    as_bxb: Annotated[bool, typer.Option("--bxb", help="Print as bxb, rxr and sumstats do.")] = False,
) -> None:
    """Compare labels with a reference, beat by beat and run by run, as ANSI/AAMI EC57 asks.

    Example: ecgtune evaluate mitdb/ --reference atr --test labels/
    """
    from typing import cast

    from ecgtune.evaluation.evaluate import evaluate as run
    from ecgtune.labels import Convention

    if sum((as_json, as_csv, as_bxb)) > 1:
        raise EcgtuneError("choose one of --json, --csv and --bxb")
    evaluation = run(
        references,
        reference=reference,
        test=test,
        classes=cast(Convention, classes),
        start=start,
        stop=stop,
        window=window,
    )
    if as_json:
        typer.echo(evaluation.to_json())
    elif as_csv:
        typer.echo(evaluation.to_csv(), nl=False)
    elif as_bxb:
        typer.echo(evaluation.to_bxb(), nl=False)
    else:
        typer.echo(evaluation.to_text())
    for failed in evaluation.failures:
        typer.echo(f"ecgtune: {failed.message}", err=True)
    if evaluation.failures:
        raise typer.Exit(SOME_FAILED if evaluation.results else WRONG_USE)


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A configuration by name (default), or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Run folder.", show_default=False)],
    data: Annotated[str, typer.Option(help="Database.")] = "mitdb",
    protocol: Annotated[str, typer.Option(help="Evaluation protocol.")] = "inter-patient",
    seed: Annotated[int, typer.Option(help="Of the split, the weights and every draw.", min=0)] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Leave DS1's patients out, in so many folds; no test side.")
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Leave the test side alone.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Two epochs: shows that all works.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model, choose its epoch on the validation side, score the test side once.

    Example: ecgtune train default --protocol inter-patient --out runs/default

    Where the configuration says for how many epochs to refit (as the default does), the validation side only
    measures. --folds leaves DS1's patients out in turn instead: compare configurations by that.

    The run folder holds configuration, split, history, checkpoints, metrics and the model folder; the same
    command goes on where it was interrupted.
    """
    try:
        from ecgtune.training.config import load_config, quick_config
        from ecgtune.training.run import cross_validate
        from ecgtune.training.run import train as run
        from ecgtune.training.summary import format_figures, format_metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune train") from error

    def tell(line: str) -> None:
        typer.echo(line, err=as_json)

    chosen = quick_config(load_config(config)) if quick else load_config(config)
    if folds is not None:
        metrics = cross_validate(chosen, out, data=data, folds=folds, seed=seed, threads=threads, tell=tell)
        if as_json:
            _print_json(metrics)
        else:
            typer.echo(f"DS1's patients left out in {folds} folds, pooled:")
            typer.echo(format_figures(metrics["pooled"]))
        return
    trained = run(
        chosen, out, data=data, protocol=protocol, seed=seed, threads=threads, test=not no_test, tell=tell
    )
    if as_json:
        _print_json(trained.metrics)
    else:
        typer.echo(format_metrics(trained, protocol))
        typer.echo(f"model: {trained.model.folder}")


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """Databases that ecgtune knows, and what is here of them.

    Example: ecgtune data list
    """
    from ecgtune.databases import list_databases

    rows = list_databases()
    if as_json:
        _print_json([asdict(row) for row in rows])
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
        _print_json(asdict(result))
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
        _print_json(asdict(result))
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
        _print_json(
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

    _print_json(load_model(model).card)


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
        _print_json({name: json.loads(result.to_json()) for name, result in results.items()})
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


if __name__ == "__main__":
    main()
