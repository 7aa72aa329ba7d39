"""two-fold-focal's figures: curves, sample beats and class counts as in the paper; confusions; infarction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from ecgtune.beats.kachuee import RATE
from ecgtune.evaluation.bootstrap import pooled
from ecgtune.evaluation.results import Result
from ecgtune.labels import CLASSES
from ecgtune.splits import Split
from ecgtune.systems.beat_figures import (
    CLASS_COLOURS,
    MAIN,
    OTHER,
    PAPER,
    confusion,
    panels,
    save_figures,
)
from ecgtune.systems.beat_result import Study
from ecgtune.systems.beat_tables import beat_table
from ecgtune.systems.two_fold_focal_result import SPLIT, class_counts
from ecgtune.systems.two_fold_focal_transfer import WAYS

SAMPLES = 3
"""Sample beats of each class."""


def draw_figures(study: Study, result: Result, folder: Path) -> list[Path]:
    """Write the figures of what is measured as PNG files.

    Parameters
    ----------
    study
        What was measured.
    result
        Its tables and rows.
    folder
        Where they go.
    """
    name = study.config["headline"]
    figures = {}
    if seeds := study.seeds_of(name, SPLIT):
        seed, tried = next(iter(seeds.items()))
        figures["training"] = _training(tried.outcome.history, tried.outcome.best)
        figures["confusion"] = confusion(pooled(tried.matrices), f"{name}, {SPLIT}, seed {seed}")
        figures["class-counts"] = _class_counts(*class_counts(tried))
        figures["sample-beats"] = _sample_beats(sample_beats(study.config["windows"], tried.split))
        trained = study.tried[SPLIT, seed]
        histories = {m: trained[m].outcome.history for m in study.config["methods"] if m in trained}
        figures["methods"] = _methods(histories, name)
    if any(table.startswith("infarction") for table in result.tables):
        figures["infarction"] = _infarction(result)
    return save_figures(figures, folder)


def sample_beats(
    how: Mapping[str, Any], split: Split, count: int = SAMPLES
) -> dict[str, NDArray[np.float32]]:
    """Windows of some training beats of each class, drawn at random, from different records if possible.

    Parameters
    ----------
    how
        Section ``windows`` of the TOML.
    split
        Who is where.
    count
        Beats of each class.

    Returns
    -------
    dict
        By class: float32 [count or fewer, width].
    """
    random = np.random.default_rng(0)
    chosen = {}
    for place, name in enumerate(CLASSES):
        own = random.permutation(split.train[split.beats.label[split.train] == place])
        _, first = np.unique(split.beats.record[own], return_index=True)
        # A beat of each record first, then any.
        order = np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(own)), first)])
        chosen[name] = own[order[:count]]
    records = np.unique(split.beats.record[np.concatenate(list(chosen.values()))]).tolist()
    table = beat_table(how, records)
    there = list(zip(table.record.tolist(), table.sample.tolist(), strict=True))
    found = {}
    for name, rows in chosen.items():
        drawn = zip(split.beats.record[rows].tolist(), split.beats.sample[rows].tolist(), strict=True)
        found[name] = table.windows[[there.index(beat) for beat in drawn], 0]
    return found


def _training(history: Sequence[Mapping[str, Any]], best: int) -> Figure:
    figure, (left, right) = panels(9, 3.4, 2)
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["train_loss"] for row in history], color=OTHER, label="training")
    left.plot(epochs, [row["valid_loss"] for row in history], color=MAIN, label="validation")
    right.plot(epochs, [row["accuracy"] for row in history], color=OTHER, label="accuracy, validation")
    right.plot(
        epochs, [row["macro_f1"] for row in history], color=MAIN, label="macro-F1 of five classes, validation"
    )
    left.set(ylabel="two-fold focal loss", yscale="log", title="Training side with dropout and augmentation")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    left.yaxis.set_minor_formatter(NullFormatter())
    right.set(ylabel="accuracy, macro-F1", title="Dashed: the epoch that is kept")
    for axis in (left, right):
        axis.axvline(best, color="#777777", linewidth=0.8, linestyle="--")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("epoch")
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


def _methods(histories: Mapping[str, Sequence[Mapping[str, Any]]], main: str) -> Figure:
    """Validation side by epoch; losses are not shown, since those of different losses do not compare."""
    figure, axes = panels(9.5, 3.9, 2)
    shades = iter(matplotlib.colormaps["viridis"](np.linspace(0.05, 0.9, len(histories))))
    for label, history in histories.items():
        style: dict[str, Any] = {"color": next(shades), "linewidth": 1.0}
        if label == main:
            style = {"color": MAIN, "linewidth": 2.0, "zorder": 5}
        epochs = [row["epoch"] for row in history]
        for axis, name in zip(axes, ("accuracy", "macro_f1"), strict=True):
            axis.plot(epochs, [row[name] for row in history], label=label, **style)
    for axis, text in zip(axes, ("accuracy", "macro-F1 of five classes"), strict=True):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="epoch", ylabel=f"{text}, validation side")
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=5, loc="outside lower center"
    )
    return figure


def _class_counts(before: NDArray[np.int64], after: NDArray[np.int64]) -> Figure:
    figure, (axis,) = panels(7, 3.4)
    at = np.arange(len(CLASSES))
    for shift, counts, colour, label in (
        (-0.2, before, OTHER, "training beats"),
        (0.2, after, MAIN, "shown in an epoch, after augmentation"),
    ):
        bars = axis.bar(at + shift, counts, 0.38, color=colour, label=label)
        axis.bar_label(bars, [f"{count:,}" for count in counts], fontsize=7, padding=1)
    axis.set_xticks(at, CLASSES)
    axis.set(yscale="log", ylabel="beats", xlabel="class")
    axis.set_ylim(bottom=max(1, before.min() / 5))
    axis.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _sample_beats(beats: Mapping[str, NDArray[np.float32]]) -> Figure:
    figure, axes = panels(12, 2.5, len(beats), sharey=True)
    for axis, (name, windows) in zip(axes, beats.items(), strict=True):
        seconds = np.arange(windows.shape[1]) / RATE
        for strength, window in zip(np.linspace(1, 0.35, len(windows)), windows, strict=True):
            axis.plot(seconds, window, color=CLASS_COLOURS[name], linewidth=1.0, alpha=strength)
        axis.set(title=name, xlabel="s from the R peak")
    axes[0].set_ylabel("share of the range of ten seconds")
    return figure


def _infarction(result: Result) -> Figure:
    """AUROC over subjects and balanced accuracy by beats of each way, on each set and division."""
    names = ("beats: balanced accuracy", "subjects: AUROC")
    tables = {name: table for name, table in result.tables.items() if name.startswith("infarction-")}
    figure, axes = panels(10, 0.75 * len(tables) + 1.3, 2, sharey=True)
    colours = dict(zip(WAYS, (OTHER, MAIN, PAPER), strict=True))
    for axis, name in zip(axes, names, strict=True):
        for at, table in enumerate(tables.values()):
            for place, (way, colour) in enumerate(colours.items()):
                row = next(result.figures[row] for row, label in table.rows.items() if label == way)
                if name not in row:
                    continue
                y, value = at + 0.24 * (place - 1), row[name]
                ends = np.array([value.low, value.high], dtype=np.float64)
                axis.plot(ends, [y, y], color=colour, linewidth=1.2)
                middle = np.array([value.value], dtype=np.float64)
                axis.plot(middle, [y], "o", ms=5, color=colour, label=way if at == 0 else None)
        axis.axvline(0.5, color="#aaaaaa", linewidth=0.8, linestyle=":")
        axis.set(xlabel=name, xlim=(0, 1.02))
    labels = [name.removeprefix("infarction-").replace("-by-", ",\nby ") for name in tables]
    axes[0].set_yticks(np.arange(len(tables)), labels)
    axes[0].invert_yaxis()
    handles, names_shown = axes[0].get_legend_handles_labels()
    figure.legend(handles, names_shown, frameon=False, ncols=3, loc="outside lower center")
    return figure
