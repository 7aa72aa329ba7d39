"""Images in memory with their labels, and what a network makes of them in front of its head.

A strip may be kept as the signal that it is drawn from: sixteen thousand of them are then small enough to
travel to every process. They are drawn when they are looked at, in a fraction of a network's time.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgtune.files import make_folder, write_whole
from ecgtune.images import StripOptions, draw_strips
from ecgtune.training.image_networks import (
    ImageInput,
    as_input,
    cached_features,
    data_digest,
    head_of,
    image_features,
)
from ecgtune.training.image_networks.preprocessing import Bytes

Floats = NDArray[np.float32]
Tell = Callable[[str], None]

DRAWN_TOGETHER = 1024
"""Images that are in memory at a time while features are computed."""


@dataclass(frozen=True)
class ImageTable:
    """Images in memory, or what they are drawn from.

    Parameters
    ----------
    stored
        Images uint8 [n, height, width, 3], or signals of strips in mV, float32 [n, samples].
    labels
        Index of each image's class, int64 [n].
    classes
        Names of the classes.
    how
        The preprocessing that belongs to the network's weights.
    strip
        How signals are drawn; None where images are stored.
    fs
        Rate of the signals in Hz.
    """

    stored: NDArray[Any] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    how: ImageInput
    strip: StripOptions | None = None
    fs: float = 0.0

    def draw(self, stored: NDArray[Any]) -> Bytes:
        """Images of stored rows, uint8 [n, height, width, 3]."""
        return stored if self.strip is None else draw_strips(stored, self.fs, self.strip)

    @property
    def drawing(self) -> str:
        """How images come from what is stored, for keys."""
        return repr((self.strip, self.fs))


def seen(table: ImageTable, stored: Tensor) -> Tensor:
    """Input of a network for a batch of stored rows."""
    return as_input(table.draw(stored.numpy()), table.how)


def table_features(
    network: nn.Module, table: ImageTable, folder: Path, *, tell: Tell = lambda _: None
) -> tuple[Floats, float]:
    """What goes into the head for every image of a table, and the seconds that computing it took, once.

    Parameters
    ----------
    network
        Its head plays no part.
    table
        The images.
    folder
        Keeps the features by what they are made of (see `cached_features`), and the seconds beside them.
    tell
        Called with lines of progress.
    """
    head, _ = head_of(network)
    key = {
        "data": data_digest(table.stored),
        "drawing": table.drawing,
        "input": asdict(table.how),
        "network": type(network).__name__,
        "weights": _digest_but(network, head),
    }
    clock = folder / f"seconds-{data_digest(np.frombuffer(json.dumps(key).encode(), dtype=np.uint8))}.json"

    def compute() -> Floats:
        began = time.perf_counter()
        pieces = []
        for at in range(0, len(table.stored), DRAWN_TOGETHER):
            drawn = table.draw(table.stored[at : at + DRAWN_TOGETHER])
            pieces.append(image_features(network, drawn, table.how))
            done = min(at + DRAWN_TOGETHER, len(table.stored))
            tell(f"features of {done:,} of {len(table.stored):,} images")
        make_folder(folder)
        write_whole(clock, json.dumps(time.perf_counter() - began))
        return np.concatenate(pieces)

    found = cached_features(folder, key, compute)
    return found, float(json.loads(clock.read_text())) if clock.exists() else 0.0


def _digest_but(network: nn.Module, head: str) -> str:
    arrays = [
        value.detach().numpy()
        for name, value in network.state_dict().items()
        if not name.startswith(f"{head}.")
    ]
    return data_digest(*arrays)
