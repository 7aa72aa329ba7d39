"""ecg-image-resnet's figures: epochs of each way, confusion matrices, and what the networks look at."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgtune.evaluation.bootstrap import pooled
from ecgtune.systems.beat_figures import MAIN, OTHER, PAPER, confusion, panels, save_figures
from ecgtune.systems.ecg_image_resnet_data import Strips
from ecgtune.systems.ecg_image_resnet_result import FROZEN, TUNED, Study

SHOWN = 8
"""Images of each class in the figure of samples."""

COLOURS = {
    FROZEN: OTHER,
    TUNED: MAIN,
    "last-block": "#5a9367",
    "discriminative": "#e0a458",
    "random-weights": "#777777",
    "resnet18-random": "#8e6c8a",
}


def draw_figures(study: Study, strips: Strips | None, folder: Path) -> list[Path]:
    """Write the figures of what is measured as PNG files.

    Parameters
    ----------
    study
        What was measured.
    strips
        Images to show samples of, where there are some.
    folder
        Where they go.
    """
    figures: dict[str, Figure] = {}
    for protocol in study.protocols():
        figures[f"training-{protocol}"] = _training(study, protocol)
        for method in (FROZEN, TUNED):
            seeds = study.seeds_of(method, protocol)
            if seeds:
                seed, tried = next(iter(seeds.items()))
                figures[f"confusion-{method}-{protocol}"] = confusion(
                    pooled(tried.matrices), f"{method}, {protocol}, seed {seed}", study.config["classes"]
                )
    if study.scans is not None:
        name = next(iter(study.scans.matrices))
        figures["confusion-scans"] = confusion(
            study.scans.matrices[name],
            f"{study.scans.folder}, {name}",
            [each.replace("-", "\n") for each in study.scans.found.classes],
        )
    if strips is not None:
        figures["samples"] = _samples(study, strips)
    return save_figures(figures, folder)


def _training(study: Study, protocol: str) -> Figure:
    """Loss, accuracy while learning and validation accuracy of each way at its chosen rate."""
    figure, axes = panels(10.5, 3.9, 3)
    longest = [len(study.config["paper"][method]["loss_by_epoch"]) for method in (FROZEN, TUNED)]
    columns = ("train_loss", "train_accuracy", "valid_accuracy")
    for method in study.config["methods"]:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        chosen = next(iter(seeds.values())).chosen
        epochs = [row["epoch"] for row in chosen.history]
        longest.append(len(epochs))
        style: dict[str, Any] = {
            "color": COLOURS.get(method, "#222222"),
            "linewidth": 2.0 if method in (FROZEN, TUNED) else 1.2,
            "marker": "o",
            "ms": 3.5,
        }
        for axis, column in zip(axes, columns, strict=True):
            label = f"{method}, rate {chosen.lr:g}" if axis is axes[0] else None
            axis.plot(epochs, [row[column] for row in chosen.history], label=label, **style)
    for method, line in ((FROZEN, ":"), (TUNED, "--")):
        paper = study.config["paper"][method]
        epochs = list(range(1, len(paper["loss_by_epoch"]) + 1))
        curves = (paper["loss_by_epoch"], paper["accuracy_by_epoch"])
        for axis, values in zip(axes[:2], curves, strict=True):
            label = f"paper: {method}" if axis is axes[0] else None
            axis.plot(epochs, values, line, color=PAPER, linewidth=1.2, label=label)
    for axis, title in zip(
        axes, ("training loss", "training accuracy, while learning", "validation accuracy"), strict=True
    ):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlim(0.7, max(longest) + 0.3)
        axis.set(xlabel="epoch", ylabel=title)
    axes[0].set_ylim(bottom=0)
    # The same scale for both accuracies, so that what learning has and what is left of it can be compared.
    least = min(float(np.min(line.get_ydata())) for axis in axes[1:] for line in axis.lines)
    for axis in axes[1:]:
        axis.set_ylim(np.floor(20 * least) / 20, 1.0)
    figure.legend(frameon=False, fontsize=8, ncols=4, loc="outside lower center")
    figure.suptitle(protocol, fontsize=10)
    return figure


def _samples(study: Study, strips: Strips) -> Figure:
    """Images of both classes from the training side, of as many records as there are."""
    labels, rows = strips.table.labels, strips.rows["train"]
    figure, _ = panels(0.1, 0.1)
    figure.clear()
    figure.set_size_inches(9.5, 2.9)
    axes = figure.subplots(2, SHOWN)
    drawn = np.random.default_rng(0)
    for place, name in enumerate(study.config["classes"]):
        own = drawn.permutation(rows[labels[rows] == place])
        # One of each record first.
        _, first = np.unique(strips.record[own], return_index=True)
        own = np.concatenate([own[np.sort(first)], np.delete(own, first)])[:SHOWN]
        images = strips.table.draw(strips.table.stored[own])
        for axis in axes[place]:
            axis.set_axis_off()
        for axis, row, image in zip(axes[place], own, images, strict=False):
            axis.imshow(image, interpolation="nearest")
            axis.set_title(f"{name}, {strips.record[row]}", fontsize=7)
    return figure
