"""Explained images: the image, and the attribution over it."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ecgtune.explain.attribution import Attribution
from ecgtune.explain.draw import SHADES, TRACE
from ecgtune.explain.draw_paper import QUIET
from ecgtune.explain.methods import METHOD_NAMES

_SMOOTH = 1.5
"""Pixels over which the attribution is smoothed for the eye; numbers are as they are."""

_EXTREME = 99.5
"""Percentile of the absolute attribution that has the full colour."""


def draw_image(
    pixels: NDArray[np.uint8],
    values: NDArray[np.float32],
    name: str,
    said: str,
    target: str,
    attribution: Attribution,
) -> Figure:
    """Draw an image beside its attribution, which lies over a pale copy of it.

    Parameters
    ----------
    pixels
        uint8 [height, width, 3], as the network sees the image.
    values
        Attribution [channels, height, width]; summed over the colours.
    name
        Of the image.
    said
        Label and probability.
    target
        Explained class.
    attribution
        Names method and baseline.
    """
    camera = attribution.method == "grad-cam"
    flat = values.astype(np.float64).mean(axis=0) if camera else values.astype(np.float64).sum(axis=0)
    shown = flat if camera else gaussian_filter(flat, _SMOOTH)
    most = float(np.percentile(np.abs(shown), _EXTREME)) or float(np.abs(shown).max()) or 1.0
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(12.0, 6.6), facecolor="white")
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.02, right=0.92, top=0.86, bottom=0.04, wspace=0.03)
        left.imshow(pixels)
        grey = 255 - (255 - pixels.mean(axis=2)) * 0.55
        right.imshow(grey, cmap="gray", vmin=0, vmax=255)
        # What counts little stays clear, so that the trace below is read.
        opacity = np.clip(np.abs(shown) / most, 0, 1) * 0.85
        right.imshow(shown, cmap=SHADES, norm=Normalize(-most, most), alpha=opacity)
        for axes in (left, right):
            axes.set_axis_off()
        figure.text(0.02, 0.945, f"{name}   {said}", fontsize=14, fontweight="bold", color=TRACE)
        against = {"": "", "zero": ", against the mean colour of photographs", "noise": ", against noise"}
        method = METHOD_NAMES[attribution.method] + against[attribution.baseline]
        figure.text(0.02, 0.898, f"What speaks for {target}: {method}", color=QUIET, fontsize=10)
        place = figure.add_axes((0.932, 0.15, 0.012, 0.6))
        bar = figure.colorbar(ScalarMappable(Normalize(-most, most), SHADES), cax=place)
        if camera:
            place.set_ylim(0, most)
        bar.set_label("weight" if camera else f"logit of {target}, each pixel", color=QUIET)
        place.tick_params(labelcolor=QUIET, labelsize=8)
    return figure


def file_names(names: Sequence[str]) -> list[str]:
    """Names of pictures for image files; those that are alike get numbers."""
    found: list[str] = []
    for name in names:
        stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        made, number = f"{stem}-explained.png", 2
        while made in found:
            made, number = f"{stem}-{number}-explained.png", number + 1
        found.append(made)
    return found
