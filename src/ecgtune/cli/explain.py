"""Commands that explain labels. Each imports what it needs when it runs."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ecgtune.cli.shared import Json, app, named_records, print_json, progress
from ecgtune.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ecgtune.explain.explained import Explained
    from ecgtune.explain.subject_images import ImageSubject

_DPI = 110


@app.command()
def explain(
    model: Annotated[
        str, typer.Argument(help="A model that ships with ecgtune, or a model folder.", show_default=False)
    ],
    recording: Annotated[
        str, typer.Argument(help="A recording; for a model of images, an image.", show_default=False)
    ],
    beat: Annotated[
        list[str] | None,
        typer.Option(help="Time of a beat, in s or as [h:]mm:ss; may be given again.", show_default=False),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--class", help="Beats that the model gives this label.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(help="Of --class: how many, spread over the recording.", min=1)] = 20,
    method: Annotated[
        str, typer.Option(help="integrated-gradients, grad-cam or occlusion.")
    ] = "integrated-gradients",
    baseline: Annotated[
        str, typer.Option(help='What stands for "nothing there": zero, typical-beat or noise.')
    ] = "zero",
    target: Annotated[
        str | None, typer.Option(help="Class to explain.", show_default="the beat's own label")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Positions and labels: an annotator beside it, an annotation file, or a CSV of classify.",
            show_default="detected positions",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures and the page.")] = Path("explained"),
    lead: Annotated[
        list[str] | None, typer.Option(help="Lead to use, by name or index; give twice for two.")
    ] = None,
    fs: Annotated[float | None, typer.Option(help="Rate in Hz, of files that do not tell it.")] = None,
    units: Annotated[str | None, typer.Option(help="uV, mV or V, of files that do not tell it.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which parts of a beat, and of its rhythm, its label comes from.

    Example: ecgtune explain default mitdb/208 --class V --count 6 --out explained

    Example: ecgtune explain default mitdb/208 --beat 13:38.1 --baseline typical-beat

    Writes a picture of each beat and one page with all of them; --json prints the numbers instead. It says
    how the network came to its label, not whether the label is right.
    """
    try:
        import torch

        from ecgtune.explain.load import labels_beats, subject_of
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune explain") from error

    if threads is not None:
        torch.set_num_threads(threads)
    subject = subject_of(model)
    how: dict[str, Any] = {"method": method, "baseline": baseline}
    if not labels_beats(subject):
        given = {"--beat": beat, "--class": label, "--reference": reference, "--lead": lead}
        if strange := [option for option, value in given.items() if value]:
            raise typer.BadParameter(f"a model of images takes no {strange[0]}; give an image and no more")
        _explain_image(cast("ImageSubject", subject), Path(recording), target, out, as_json, how)
        return
    if (beat is None) == (label is None):
        raise typer.BadParameter("give --beat TIME or --class LABEL")
    from ecgtune.explain.explained import explain_record, to_plain
    from ecgtune.readers import read_record
    from ecgtune.training.personal_labels import read_labels

    record = read_record(recording, fs=fs, units=units)
    found = explain_record(
        subject,
        record,
        at=[_seconds(time) for time in beat or ()],
        label=label,
        count=count,
        reference=None if reference is None else read_labels(reference, record),
        leads=lead,
        target=target,
        **how,
    )
    if as_json:
        print_json(to_plain(found))
    else:
        _draw(found, out)


def _seconds(text: str) -> float:
    """Seconds of a time as people write it: ``818.1``, ``13:38.1``, ``0:13:38.1``."""
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or min(numbers) < 0:
        raise typer.BadParameter(f"--beat {text}: give seconds, mm:ss or h:mm:ss")
    return sum(number * (1.0, 60.0, 3600.0)[place] for place, number in enumerate(reversed(numbers)))


def _draw(found: "Explained", out: Path) -> None:
    """Write the pictures and the page, and say what was found."""
    from ecgtune.explain.draw import draw_beat, file_name
    from ecgtune.explain.page import render_page
    from ecgtune.files import make_folder, write_whole

    make_folder(out)
    pictures = []
    with progress("drawing", len(found)) as advance:
        for i in range(len(found)):
            pictures.append(_png(draw_beat(found, i)))
            write_whole(out / file_name(found, i), pictures[-1])
            advance()
    page = out / f"{found.record.name}-explained.html"
    write_whole(page, render_page(found, pictures))
    classes, shares = found.subject.classes, found.shares()
    for i, time in enumerate(found.examples.time.tolist()):
        where = "  ".join(f"{name} {100 * float(share[i]):.0f} %" for name, share in shares.items())
        if not found.attribution.values[i].any():
            where = "nothing attributed"
        typer.echo(f"{time:10.3f} s  {classes[int(found.predicted[i])]}  {where}")
    typer.echo(f"{len(found)} picture{'s' * (len(found) != 1)} and {page}")


def _explain_image(
    subject: "ImageSubject", path: Path, target: str | None, out: Path, as_json: bool, how: dict[str, Any]
) -> None:
    """Explain the label of an image."""
    import numpy as np

    from ecgtune.explain import explain as run
    from ecgtune.explain import logits_of
    from ecgtune.explain.draw_images import draw_image, file_names
    from ecgtune.explain.page import render_image_page
    from ecgtune.files import make_folder, write_whole

    examples = subject.read([path])
    attribution = run(subject, examples, target=target, **how)
    logits = logits_of(subject, examples)[0].astype(np.float64)
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    predicted, explained = int(logits.argmax()), int(attribution.target[0])
    if as_json:
        print_json(
            {
                "model": subject.name,
                "image": str(path),
                "method": attribution.method,
                "baseline": attribution.baseline or None,
                "predicted": subject.classes[predicted],
                "probability": dict(zip(subject.classes, probability.tolist(), strict=True)),
                "explained": subject.classes[explained],
                "delta": None if attribution.delta is None else float(attribution.delta[0]),
                "attribution": attribution.values[0].sum(axis=0).round(8).tolist(),
            }
        )
        return
    said = f"labelled {subject.classes[predicted]} ({100 * probability[predicted]:.0f} %)"
    figure = draw_image(
        subject.pixels(examples)[0],
        attribution.values[0],
        path.name,
        said,
        subject.classes[explained],
        attribution,
    )
    picture = _png(figure)
    (name,) = file_names([str(path)])
    make_folder(out)
    write_whole(out / name, picture)
    write_whole(
        out / f"{path.stem}-explained.html",
        render_image_page(subject.name, attribution.method, {path.name: picture}),
    )
    typer.echo(f"{path.name}: {said}; {out / name}")


def _png(figure: "Figure") -> bytes:
    content = io.BytesIO()
    # No date and no version in the file: the same numbers give the same bytes.
    figure.savefig(content, format="png", dpi=_DPI, metadata={"Software": None})
    return content.getvalue()


@app.command("explain-report")
def explain_report(
    model: Annotated[
        str, typer.Argument(help="A model of beats by name, or its folder.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.", show_default=False)],
    data: Annotated[str, typer.Option(help="Database with reference annotations.")] = "mitdb",
    records: Annotated[
        str | None,
        typer.Option(
            help="Its records, by comma.", show_default="those of patients that the model does not know"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few beats: shows that all works.")] = False,
    seed: Annotated[int, typer.Option(help="Of every draw.", min=0)] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    as_json: Json = False,
) -> None:
    """Test whether a model's explanations are faithful, sane and robust; the first line is the verdict.

    Example: ecgtune explain-report default --out results/explain-default

    The folder gets result.json, report.html and report.png.
    """
    try:
        import torch

        from ecgtune.evaluation.result_tables import plain_tables
        from ecgtune.explain.report import write_report
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", "ecgtune explain-report") from error

    if threads is not None:
        torch.set_num_threads(threads)
    result = write_report(
        model,
        out,
        data=data,
        records=named_records(records),
        quick=quick,
        seed=seed,
        tell=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        typer.echo(result.to_json())
        return
    typer.echo(result.notes[0])
    typer.echo(plain_tables(result))
    typer.echo(f"all of it: {out}")
