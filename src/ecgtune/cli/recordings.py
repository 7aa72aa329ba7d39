"""Commands over recordings: classify, demo, evaluate, personalize. Each imports what it needs."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecgtune.cli.shared import SOME_FAILED, WRONG_USE, Json, app, print_json, progress
from ecgtune.errors import EcgtuneError, MissingExtraError
from ecgtune.processes import get_ready

if TYPE_CHECKING:
    from ecgtune.batch import Outcome


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
    min_confidence: Annotated[
        float,
        typer.Option(
            help="Label beats Q of which the model is less sure than this.", min=0, max=1, show_default=False
        ),
    ] = 0.0,
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
    In folders, tables and arrays (CSV, TSV, NPY, NPZ) are recordings where their rate is known: by --fs, by
    a JSON file beside them, by a time column, or by fs inside an NPZ.

    Example: ecgtune classify holter/ --out labels --min-confidence 0.7

    Beats whose highest class probability is below become Q, for a person to look at; what the model would
    have said stays in the annotations' notes and in the CSV's column unsure.
    """
    jobs = jobs or os.cpu_count() or 1
    if jobs > 1 and (len(recordings) > 1 or not Path(recordings[0]).is_file()):
        # Several recordings, in all likelihood: what labels them is imported there while it is here.
        get_ready("ecgtune.batch")
    from ecgtune.batch import classify_files, find_each
    from ecgtune.readers.find import rate_unknown

    paths, missing, without_rate = find_each(recordings, fs)
    if without_rate:
        typer.echo(f"ecgtune: passed over: {rate_unknown(without_rate)}", err=True)
    if not paths:
        _report(missing, out, as_json)
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    with progress("labelling", len(paths)) as advance:

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
            min_confidence=min_confidence,
            jobs=jobs,
            again=again,
            done=done,
            waiting=_say_waiting,
        )
    _report(missing + outcomes, out, as_json)


def _say_waiting(paths: list[Path]) -> None:
    """Say after Ctrl-C why the program is still there."""
    if paths:
        names = ", ".join(path.stem for path in paths)
        # Not by typer, which would write into the line of the progress bar.
        print(f"ecgtune: waiting for {names}; press Ctrl-C again to stop at once", file=sys.stderr)


def _report(outcomes: "list[Outcome]", out: Path, as_json: bool) -> None:
    """Print what became of each recording, and leave with the right status."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
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
    elif not as_bxb:
        typer.echo(evaluation.to_text())
    elif evaluation.tested.results:
        typer.echo(evaluation.to_bxb(), nl=False)
    for line in (*evaluation.left_out(bxb=as_bxb), *evaluation.failures):
        typer.echo(f"ecgtune: {line}", err=True)
    shown = evaluation.tested.results if as_bxb else evaluation.results
    if evaluation.failures or not shown:
        raise typer.Exit(SOME_FAILED if shown else WRONG_USE)


@app.command()
def personalize(
    recording: Annotated[str, typer.Argument(help="The patient's recording.", show_default=False)],
    reference: Annotated[
        str,
        typer.Option(
            help="Labels: an annotator beside it, an annotation file, or a corrected CSV of classify.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new model.", show_default=False)],
    until: Annotated[
        float | None, typer.Option(help="End of the labelled part in s.", show_default="all labels")
    ] = None,
    model: Annotated[str, typer.Option(help="The model to tune, by name or folder.")] = "default",
    lead: Annotated[
        list[str] | None, typer.Option(help="Lead to use, by name or index; give twice for two.")
    ] = None,
    fs: Annotated[float | None, typer.Option(help="Rate in Hz, of files that do not tell it.")] = None,
    units: Annotated[str | None, typer.Option(help="uV, mV or V, of files that do not tell it.")] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.", min=0)] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tune a model to one patient by labels of the recording's beginning.

    Example: ecgtune personalize holter/p7 --reference p7.csv --until 300 --out models/p7

    The new model is for this patient alone: ecgtune classify holter/p7 --model models/p7. Labels after the
    labelled part tune nothing; they show how the model does before and after.
    """
    from ecgtune.readers import read_record

    try:
        import torch

        from ecgtune.training.personal_labels import read_labels
        from ecgtune.training.personal_text import format_personalized, to_plain
        from ecgtune.training.personalize import personalize as run
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune personalize") from error

    if threads is not None:
        torch.set_num_threads(threads)
    record = read_record(recording, fs=fs, units=units)
    labels = read_labels(reference, record)
    result = run(record, labels, model, out=out, until=until, leads=lead, seed=seed, reference=reference)
    if as_json:
        print_json(to_plain(result))
    else:
        typer.echo(format_personalized(result))
        typer.echo(f"model: {result.model.folder}")
