"""Commands around images of ECGs. Each imports the training side when it runs."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgtune.cli.shared import SOME_FAILED, WRONG_USE, Json, app, print_json
from ecgtune.errors import MissingExtraError

if TYPE_CHECKING:
    from ecgtune.training.image_model import ImageLabel

IMAGES = "ecg-image-resnet"
"""What `ecgtune train` calls a model of images."""


@app.command("classify-images")
def classify_images(
    images: Annotated[list[str], typer.Argument(help="Image files, or folders of them.", show_default=False)],
    model: Annotated[
        Path,
        typer.Option(help="Run or model folder of ecgtune train ecg-image-resnet.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write.", show_default=False)] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    as_json: Json = False,
) -> None:
    """Label images of ECGs by a model that was trained on images.

    Example: ecgtune classify-images scans/new --model runs/scans --out labels.csv

    Prints the label and the probability of each class for every image. An image that cannot be read is
    reported in one line and does not stop the others.
    """
    try:
        import torch

        from ecgtune.training.image_folders import find_images
        from ecgtune.training.image_model import classify_images as run
        from ecgtune.training.image_model import load_image_model
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "image", "ecgtune classify-images") from error
    from ecgtune.files import write_whole

    if threads is not None:
        torch.set_num_threads(threads)
    loaded = load_image_model(model)
    paths, failures = find_images(images)
    labels = run(paths, loaded)
    failures += [label.error for label in labels if label.error is not None]
    if out is not None:
        write_whole(out, _csv(labels, loaded.classes))
    if as_json:
        print_json([_plain(label) for label in labels])
    else:
        for label in labels:
            if label.label is not None:
                shown = "  ".join(f"{name} {p:.3f}" for name, p in label.probability.items())
                typer.echo(f"{label.path}: {label.label}  ({shown})")
    for failure in failures:
        typer.echo(f"ecgtune: {failure}", err=True)
    if failures:
        done = any(label.label is not None for label in labels)
        raise typer.Exit(SOME_FAILED if done else WRONG_USE)


def train_images(
    images: Path,
    out: Path,
    network: str | None,
    weights: str | None,
    way: str | None,
    seed: int,
    threads: int | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Train an image model; what `ecgtune train ecg-image-resnet` does."""
    try:
        import torch

        from ecgtune.training.image_run import train_on_folders
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "image", f"ecgtune train {IMAGES}") from error
    if threads is not None:
        torch.set_num_threads(threads)
    run = train_on_folders(
        images,
        out,
        network=network,
        weights=weights or "imagenet",
        way=way,
        seed=seed,
        quick=quick,
        tell=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        print_json(run.card)
        return
    counts = ", ".join(f"{name} {n}" for name, n in run.card["training"]["images"].items())
    typer.echo(f"{counts}; {run.card['network']}, {run.card['training']['way']}")
    for note in run.notes:
        typer.echo(note)
    typer.echo(f"model: {run.folder}")


def _csv(labels: "list[ImageLabel]", classes: tuple[str, ...]) -> str:
    content = io.StringIO()
    rows = csv.writer(content, lineterminator="\n")
    rows.writerow(["file", "label", *classes, "error"])
    for label in labels:
        shares = [f"{label.probability[name]:.6f}" if label.probability else "" for name in classes]
        rows.writerow([str(label.path), label.label or "", *shares, label.error or ""])
    return content.getvalue()


def _plain(label: "ImageLabel") -> dict[str, Any]:
    return {
        "file": str(label.path),
        "label": label.label,
        "probability": label.probability,
        "error": label.error,
    }
