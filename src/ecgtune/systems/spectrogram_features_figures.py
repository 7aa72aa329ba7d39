"""spectrogram-features's figures: rhythms as strips and spectrograms, confusion matrices, the methods."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecgtune.evaluation.bootstrap import pooled
from ecgtune.evaluation.results import Result
from ecgtune.images import SpectrogramOptions, spectrograms
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.systems.beat_figures import confusion, panels, points, save_figures
from ecgtune.systems.spectrogram_features_data import Instances
from ecgtune.systems.spectrogram_features_result import Study

_TITLES = {
    "N": "sinus rhythm",
    "AF": "atrial fibrillation",
    "VT": "ventricular tachycardia",
    "VF": "ventricular fibrillation or flutter",
}


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
    figures = {
        f"spectrograms-{seconds:g}": _examples(study, instances)
        for seconds, instances in study.instances.items()
    }
    name = study.config["headline"]
    for protocol in study.config["folds"]:
        seeds = study.seeds_of(name, study.first, protocol)
        if seeds:
            seed, each = next(iter(seeds.items()))
            title = f"{protocol}, seed {seed}"
            figures[f"confusion-{protocol}"] = confusion(pooled(each.matrices), title, each.classes)
    figures["methods"] = _methods(study, result)
    return save_figures(figures, folder)


def _examples(study: Study, instances: Instances) -> Figure:
    """Of each class the segment in the middle of its largest database: strip above, spectrogram below."""
    classes = list(study.config["segments"]["patterns"])
    image = study.config["image"]
    low, high = study.config["segments"]["band_hz"]
    options = SpectrogramOptions(
        image["size"], low, high, image["window_s"], image["range_db"], None, image["colours"]
    )
    figure = Figure(figsize=(2.9 * len(classes), 4.6), layout="constrained")
    axes = figure.subplots(2, len(classes), height_ratios=(1, 1.7), squeeze=False)
    time = np.arange(instances.signal.shape[1]) / WORKING_RATE
    half = image["window_s"] / 2
    for place, (name, (strip, picture)) in enumerate(zip(classes, axes.T, strict=True)):
        row = _typical(instances, place)
        strip.plot(time, instances.signal[row], color="black", linewidth=0.8)
        said = f"{_TITLES.get(name, name)}\n{instances.key[row]}, lead {instances.lead[row] + 1}"
        strip.set_title(said, fontsize=9)
        strip.set(xlim=(0, instances.seconds))
        strip.tick_params(labelsize=8, labelbottom=False)
        (drawn,) = spectrograms(instances.signal[row : row + 1], WORKING_RATE, options)
        # Windows lie inside the segment, so the first and the last column are half a window from its ends.
        picture.imshow(drawn, extent=(half, instances.seconds - half, low, high), aspect="auto")
        picture.set(xlim=(0, instances.seconds), xlabel="s")
        picture.tick_params(labelsize=8)
    axes[0, 0].set_ylabel("mV", fontsize=9)
    axes[1, 0].set_ylabel("Hz", fontsize=9)
    return figure


def _typical(instances: Instances, place: int) -> int:
    own = (instances.label == place) & (instances.lead == 0)
    databases, counts = np.unique(instances.database[own], return_counts=True)
    rows = np.flatnonzero(own & (instances.database == databases[np.argmax(counts)]))
    return int(rows[len(rows) // 2])


def _methods(study: Study, result: Result) -> Figure:
    """Balanced accuracy of every method and length, random folds beside folds of patients."""
    protocols = list(study.config["folds"])
    named: dict[str, dict[str, str]] = {protocol: {} for protocol in protocols}
    for row in result.tables["headline"].rows:
        name, _, protocol = row.rpartition(", ")
        if protocol in named:
            named[protocol][name] = row
    count = max(map(len, named.values()))
    figure, axes = panels(9.5, 0.4 * count + 1.2, len(protocols), sharey=True)
    headline = f"{study.config['headline']}, {study.first:g} s"
    for axis, protocol in zip(axes, protocols, strict=True):
        values = {name: result.figures[row]["balanced accuracy"] for name, row in named[protocol].items()}
        points(axis, values, main=[headline])
        goal = study.config["goals"][protocol]
        axis.axvline(goal, color="black", linestyle=":", linewidth=1.0)
        axis.set(xlim=(0, 1), xlabel="balanced accuracy")
        axis.set_title(f"{protocol} (dotted: goal, {goal:g})", fontsize=9)
    # Both panels share their rows, so each of them turned the axis over.
    axes[0].set_ylim(count - 0.5, -0.5)
    for axis in axes[1:]:
        axis.tick_params(axis="y", length=0)
    return figure
