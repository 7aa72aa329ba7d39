"""Commands that train. Each imports the training side when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from ecgtune.cli.images import IMAGES, train_images
from ecgtune.cli.shared import Json, app, print_json
from ecgtune.errors import MissingExtraError


@app.command()
def train(
    config: Annotated[
        str,
        typer.Argument(
            help="A configuration (default, strict, a TOML file), ecg-image-resnet, ft-cnn or two-fold-focal."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run folder.", show_default=False)],
    data: Annotated[
        str | None, typer.Option(help="Database, in place of the configuration's.", show_default=False)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Evaluation protocol, in place of the configuration's.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the weights and every draw.", min=0)] = 0,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch.", min=1, show_default="its own")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Leave patients out, in so many folds; no test side.")
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Leave the test side alone.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Two epochs: shows that all works.")] = False,
    images: Annotated[
        Path | None, typer.Option(help="ecg-image-resnet: a folder of images, DIR/CLASS/*.jpg.")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="ecg-image-resnet: torchvision's name.", show_default="one whose weights are here"),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="ecg-image-resnet: imagenet, random, or a file.", show_default="imagenet"),
    ] = None,
    way: Annotated[
        str | None,
        typer.Option(
            help="ecg-image-resnet: linear, frozen, last-block, discriminative or fine-tuned.",
            show_default="by the number of images",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="ft-cnn, two-fold-focal: one of its networks.", show_default="the system's own"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model, choose its epoch on the validation side, score the test side once.

    Example: ecgtune train default --out runs/default

    Where the configuration says for how many epochs to refit (as the default does), the validation side only
    measures. --folds leaves patients out in turn instead: compare configurations by that.

    Example: ecgtune train ecg-image-resnet --images scans --out runs/scans

    This trains an image model on folders of your own, for `ecgtune classify-images`; options of recordings
    (--data, --protocol, --folds, --no-test) are not for it.

    Example: ecgtune train ft-cnn --protocol inter-patient --out runs/ft-cnn

    This trains one network of a published system as `ecgtune reproduce` does, on one thread, and keeps it as
    a model folder for `ecgtune explain`.

    The run folder holds configuration, split, history, checkpoints, metrics and the model folder; the same
    command goes on where it was interrupted.
    """
    from ecgtune.systems import TRAINABLE

    of_images = {"--images": images, "--network": network, "--weights": weights, "--way": way}
    if config == IMAGES:
        of_recordings = {
            "--data": data is not None,
            "--protocol": protocol is not None,
            "--folds": folds is not None,
            "--no-test": no_test,
            "--method": method is not None,
        }
        if strange := [option for option, given in of_recordings.items() if given]:
            raise typer.BadParameter(f"{IMAGES} takes no {strange[0]}; it has {', '.join(of_images)}")
        if images is None:
            raise typer.BadParameter(f"{IMAGES} needs --images DIR, which holds a folder for each class")
        train_images(images, out, network, weights, way, seed, threads, quick, as_json)
        return
    if strange := [option for option, given in of_images.items() if given is not None]:
        raise typer.BadParameter(f"{strange[0]} is for {IMAGES}: ecgtune train {IMAGES} --images DIR")
    if config in TRAINABLE:
        of_sequences = {"--data": data, "--folds": folds, "--threads": threads}
        if strange := [option for option, given in of_sequences.items() if given is not None]:
            raise typer.BadParameter(
                f"{config} takes no {strange[0]}; its TOML says what it reads, and one thread trains"
            )
        _train_windows(config, out, method, protocol or "inter-patient", seed, quick, not no_test, as_json)
        return
    if method is not None:
        raise typer.BadParameter(f"--method is for {' and '.join(TRAINABLE)}")
    try:
        from ecgtune.training.config import load_config, quick_config
        from ecgtune.training.cross_validation import cross_validate
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
            print_json(metrics)
        else:
            typer.echo(f"patients left out in {folds} folds, pooled:")
            typer.echo(format_figures(metrics["pooled"]))
            by_fold = ", ".join(f"{each:.3f}" for each in metrics["temperature_of_folds"])
            typer.echo(f"temperature {metrics['temperature']:.3f}; of each fold {by_fold}")
            if "false_s_an_hour" in metrics:
                typer.echo(f"called S in fibrillation: {metrics['false_s_an_hour']:.1f} beats an hour")
        return
    trained = run(
        chosen, out, data=data, protocol=protocol, seed=seed, threads=threads, test=not no_test, tell=tell
    )
    if as_json:
        print_json(trained.metrics)
    else:
        typer.echo(format_metrics(trained, protocol or chosen.data.protocol))
        typer.echo(f"model: {trained.model.folder}")


def _train_windows(
    system: str,
    out: Path,
    method: str | None,
    protocol: str,
    seed: int,
    quick: bool,
    test: bool,
    as_json: bool,
) -> None:
    """Train one network of a published system; what `ecgtune train ft-cnn` does."""
    try:
        from ecgtune.systems.beat_training import train_method
        from ecgtune.training.summary import format_figures
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", f"ecgtune train {system}") from error
    trained = train_method(
        system,
        out,
        method=method,
        protocol=protocol,
        seed=seed,
        quick=quick,
        test=test,
        tell=lambda line: typer.echo(line, err=True),
    )
    if as_json:
        print_json(trained.card)
        return
    metrics = trained.card["metrics"]
    best = trained.card["training"]["best_epoch"]
    typer.echo(f"epoch {best} kept, macro-F1 on the validation side {metrics['validate']['macro_f1']:.3f}")
    if "test" in metrics:
        typer.echo(f"{protocol}, test side, annotated positions, pooled:")
        typer.echo(format_figures(metrics["test"]["pooled"]))
    typer.echo(f"model: {trained.folder}")
