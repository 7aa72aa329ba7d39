"""Images and their features: strips and spectrograms drawn on one core, and what a SqueezeNet takes for them.

Strips are the beats of a record of mitdb, spectrograms are of its pieces of four seconds. Beside strips,
matplotlib draws a few of the same: a figure for each, as is usual, and one figure whose trace alone is drawn
anew. Features are of strips, with random weights: what they are takes no time.
"""

import os
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from bench import finish, interleaved, mitdb, options, table
from ecgtune.images import SpectrogramOptions, StripOptions, draw_strips, spectrograms
from ecgtune.readers import read_record
from ecgtune.training.image_networks import ImageInput, build_image_network, image_features
from ecgtune.training.stacked import use_bfloat16

SIDES = (128, 224)
RECORD = "208"
SEGMENTS = 7000
"""That `spectrogram-features` is about."""

Floats = NDArray[np.float32]
Job = Callable[[], object]


def signals() -> tuple[Floats, Floats, float]:
    """Windows of a second around beats, pieces of four seconds, and their rate."""
    (path,) = (path for path in mitdb(quick=False) if path.stem == RECORD)
    record = read_record(path)
    signal = record.read(0, record.n_samples)[:, 0]
    at = record.annotations["atr"].sample
    at = at[(at > 200) & (at < len(signal) - 300)][:1024]
    beats = signal[at[:, np.newaxis] + np.arange(-144, 216)]
    length = round(4 * record.fs)
    pieces = signal[: len(signal) // length * length].reshape(-1, length)
    return beats - np.median(beats, axis=1, keepdims=True), pieces, record.fs


def by_matplotlib(beats: Floats, fs: float, how: StripOptions, *, keep: bool) -> None:
    """Draw strips with a grid into figures, or traces without one into a figure that is kept."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    time = np.arange(beats.shape[1]) / fs
    low, high = how.range_mv
    thin_s, thin_mv = 1 / how.mm_per_s, 1 / how.mm_per_mv

    def draw(beat: Floats) -> None:
        figure = Figure(figsize=(how.width / 100, how.rows / 100), dpi=100)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, how.seconds), ylim=(low, high))
        if not keep:
            for step, colour in ((1, "mistyrose"), (5, "salmon")):
                axes.vlines(np.arange(0, how.seconds, step * thin_s), low, high, colour, linewidth=0.5)
                axes.hlines(np.arange(low, high, step * thin_mv), 0, how.seconds, colour, linewidth=0.5)
        (line,) = axes.plot(time, beat, "k", linewidth=how.line_width * 0.72)
        for again in beats if keep else beat[np.newaxis]:
            line.set_ydata(again)
            canvas.draw()  # type: ignore[no-untyped-call]
            np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]

    for beat in beats[:1] if keep else beats:
        draw(beat)


def jobs_of(beats: Floats, pieces: Floats, fs: float, side: int) -> dict[str, tuple[int, Job]]:
    """What is measured at one side of images: how many images, and the job that makes them."""
    network = build_image_network("squeezenet1_1")
    strip, spectrogram, how = StripOptions(width=side), SpectrogramOptions(size=side), ImageInput(side, side)
    few = beats[:64]
    drawn = draw_strips(beats[:256], fs, strip)
    jobs: dict[str, tuple[int, Job]] = {
        "strips": (len(beats), lambda: draw_strips(beats, fs, strip)),
        "strips, matplotlib": (len(few), lambda: by_matplotlib(few, fs, strip, keep=False)),
        "traces alone, matplotlib": (len(few), lambda: by_matplotlib(few, fs, strip, keep=True)),
        "spectrograms": (len(pieces), lambda: spectrograms(pieces, fs, spectrogram)),
        "SqueezeNet features": (len(drawn), lambda: image_features(network, drawn, how)),
    }
    if use_bfloat16():
        jobs["SqueezeNet features, bfloat16"] = (
            len(drawn),
            lambda: image_features(network, drawn, how, bfloat16=True),
        )
    return {f"{name}, {side} px": job for name, job in jobs.items()}


def main() -> None:
    given = options(__doc__)
    torch.set_num_threads(1)
    beats, pieces, fs = signals()
    if given.quick:
        beats, pieces = beats[:64], pieces[:64]
    jobs = {name: job for side in SIDES for name, job in jobs_of(beats, pieces, fs, side).items()}
    counts = {name: count for name, (count, _) in jobs.items()}
    found = interleaved({name: job for name, (_, job) in jobs.items()}, 1 if given.quick else 5)
    rates = {name: counts[name] / taken for name, taken in found.items()}
    table(
        f"images of record {RECORD}, one thread of {os.cpu_count()}",
        ("", "images", "images/s", f"{SEGMENTS:,} in s"),
        [
            (name, f"{counts[name]:,}", f"{rate:,.0f}", f"{SEGMENTS / rate:,.1f}")
            for name, rate in rates.items()
        ],
    )
    finish(given, "images", {"record": RECORD, "images": counts, "per_second": rates})


if __name__ == "__main__":
    main()
