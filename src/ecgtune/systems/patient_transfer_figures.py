"""patient-transfer's figures, as the paper has them, and the curve of fewer labels."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgtune.evaluation.bootstrap import bootstrap_values
from ecgtune.evaluation.metrics import balanced_accuracy
from ecgtune.systems.patient_transfer_further import INDIVIDUAL, TUNED, TUNED_OWN, UNTUNED, Scarcity
from ecgtune.systems.patient_transfer_result import Study, test_values
from ecgtune.training.stacked import Trained

COLOURS = {INDIVIDUAL: "#1b6ca8", TUNED: "#c8553d", TUNED_OWN: "#e0a458", UNTUNED: "#777777"}


def draw_figures(study: Study, folder: Path) -> list[Path]:
    """Write the figures as PNG files.

    Parameters
    ----------
    study
        What was measured; balanced accuracies are means over its seeds.
    folder
        Where they go.
    """
    individual, tuned = (test_values(study, network) for network in ("individual", "reused"))
    figures = {
        "histogram-individual": _histogram(list(individual.values()), "individual", COLOURS[INDIVIDUAL]),
        "histogram-fine-tuned": _histogram(
            list(tuned.values()), "fine-tuned, settings reused", COLOURS[TUNED]
        ),
        "patients": _bars(study),
        "pre-training": _curves(
            "Pre-training on all patients", [("", next(iter(study.runs.values())).pretrained)]
        ),
    }
    shown = next(iter(study.runs.values())).patients.get("203")
    if shown is not None:
        networks = [("individual", shown.individual.trained), ("fine-tuned", shown.reused.trained)]
        figures["patient-203"] = _curves("Patient 203", networks)
    if study.scarcity is not None:
        figures["fewer-labels"] = _fewer_labels(study.scarcity)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        # No date and no version in the file: the same figures give the same bytes.
        figure.savefig(path, dpi=110, metadata={"Software": None})
        paths.append(path)
    return paths


def _figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def _histogram(values: list[float], name: str, colour: str) -> Figure:
    figure, (axis,) = _figure(5, 3)
    least = min(0.65, np.floor(min(values) * 20) / 20)
    axis.hist(values, bins=np.arange(least, 1.0001, 0.025).tolist(), color=colour, edgecolor="white")
    axis.axvline(0.95, color="black", linewidth=0.8, linestyle=":")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="balanced accuracy on the test side", ylabel="patients", title=f"Networks: {name}")
    return figure


def _bars(study: Study) -> Figure:
    names = {"individual": COLOURS[INDIVIDUAL], "reused": COLOURS[TUNED_OWN], "fine_tuned": COLOURS[TUNED]}
    labels = {
        "individual": "individual",
        "reused": "fine-tuned, settings reused",
        "fine_tuned": "fine-tuned, own grid",
    }
    figure, (axis,) = _figure(11, 3.4)
    records = list(test_values(study, "individual"))
    at = np.arange(len(records))
    for place, (name, colour) in enumerate(names.items()):
        values = list(test_values(study, name).values())
        axis.bar(at + (place - 1) * 0.27, values, 0.27, label=labels[name], color=colour)
    axis.set_xticks(at, records, rotation=60)
    least = min(min(test_values(study, name).values()) for name in names)
    axis.set(
        ylabel="balanced accuracy", xlabel="record", ylim=(max(0.0, np.floor(least * 20) / 20 - 0.05), 1.0)
    )
    axis.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _curves(title: str, networks: list[tuple[str, Trained]]) -> Figure:
    figure, (left, right) = _figure(9, 3.2, 2)
    colours = [COLOURS[INDIVIDUAL], COLOURS[TUNED]]
    for (name, trained), colour in zip(networks, colours, strict=False):
        epoch = np.arange(1, len(trained.history) + 1)
        prefix = f"{name}, " if name else ""
        left.plot(
            epoch, [e.train_loss for e in trained.history], color=colour, ls=":", label=f"{prefix}training"
        )
        left.plot(epoch, [e.loss for e in trained.history], color=colour, label=f"{prefix}validation")
        right.plot(
            epoch, [e.balanced_accuracy for e in trained.history], color=colour, label=f"{prefix}validation"
        )
        for axis in (left, right):
            axis.axvline(trained.best + 1, color=colour, linewidth=0.7, linestyle="--")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="epoch", ylabel="binary cross-entropy", yscale="log", title=title)
    right.set(xlabel="epoch", ylabel="balanced accuracy", title="dashed: the epoch that is kept")
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    return figure


def _fewer_labels(few: Scarcity) -> Figure:
    figure, (axis,) = _figure(6.5, 3.8)
    fractions = [fraction for fraction in few.matrices if fraction]
    minutes = [few.minutes[fraction] for fraction in fractions]
    for way in (INDIVIDUAL, TUNED, TUNED_OWN):
        found = [
            bootstrap_values([float(balanced_accuracy(m)) for m in few.matrices[fraction][way].values()])
            for fraction in fractions
        ]
        axis.plot(minutes, [each.value for each in found], marker="o", ms=3, color=COLOURS[way], label=way)
        low, high = [each.low for each in found], [each.high for each in found]
        axis.fill_between(minutes, low, high, color=COLOURS[way], alpha=0.15, linewidth=0)
    untuned = np.mean([float(balanced_accuracy(m)) for m in few.matrices[0.0][UNTUNED].values()])
    axis.axhline(untuned, color=COLOURS[UNTUNED], linestyle=":", label="pre-trained on others, untuned")
    axis.set_xscale("log")
    axis.set_xticks(minutes, [f"{each:.2g}" for each in minutes])
    axis.minorticks_off()
    axis.set(
        xlabel="labelled minutes of the patient (training and validation)",
        ylabel=f"mean balanced accuracy, {len(few.eligible)} patients",
    )
    axis.legend(frameon=False, loc="lower right")
    return figure
