"""Strips of mitdb for `ecg-image-resnet`: which beats, how they are drawn, and who is where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, annotated_beats, concatenate
from ecgtune.errors import ModelError
from ecgtune.images import StripOptions
from ecgtune.labels import CLASSES
from ecgtune.model import preferred_leads
from ecgtune.signals.resample import WORKING_RATE
from ecgtune.splits import Split, make_split
from ecgtune.systems.beat_tables import records_of
from ecgtune.training.image_networks import ImageInput, image_weights
from ecgtune.training.image_table import ImageTable
from ecgtune.training.tables import open_record

Rows = NDArray[np.int64]

PROTOCOLS = ("beat-split", "inter-patient")
"""Protocols of the study."""

NORMAL = CLASSES.index("N")


@dataclass(frozen=True)
class Strips:
    """Beats that are drawn, and who is where.

    Parameters
    ----------
    table
        The strips as signals, drawn when they are looked at; labels 0 normal, 1 abnormal.
    record
        Record of each, str [n].
    rows
        Rows of the table on each side, as many normal as abnormal ones.
    split
        Of all beats, of which the strips are a part.
    """

    table: ImageTable = field(repr=False)
    record: NDArray[np.str_] = field(repr=False)
    rows: dict[str, Rows] = field(repr=False)
    split: Split = field(repr=False)


def load_beats(how: Mapping[str, Any], records: Sequence[str]) -> Beats:
    """Cut the signal of a strip around each annotated beat.

    Parameters
    ----------
    how
        Section ``strips`` of the TOML.
    records
        Names of records.

    Returns
    -------
    Beats
        ``windows`` in mV at 128 Hz, 0.5-40 Hz, float32 [n, leads, samples].

    Raises
    ------
    DataError
        Where a record is not there.
    ModelError
        On more than one lead, or a strip longer than recordings are read in.
    """
    if how["leads"] != 1:
        raise ModelError(f"strips.leads is {how['leads']}; a strip shows 1 lead")
    before, after = (round(how[side] * WORKING_RATE) for side in ("before_s", "after_s"))
    cutting = Preprocessing(leads=1, before=before, after=after)
    tables = []
    for name in records:
        record, annotations = open_record((how["database"], name))
        leads = preferred_leads(record, range(len(record.leads)), 1)
        tables.append(annotated_beats(record, annotations, leads, cutting, database=how["database"]))
    return concatenate(tables)


def make_strips(
    config: Mapping[str, Any], network: str, protocol: str, seed: int, records: Sequence[str] | None = None
) -> Strips:
    """Divide beats by a protocol, draw as many normal as abnormal ones on each side.

    Parameters
    ----------
    config
        The TOML.
    network
        torchvision's name; its weights say what is done to an image.
    protocol
        Of `PROTOCOLS`.
    seed
        Of the split and of the draw.
    records
        Records in place of the protocol's.

    Raises
    ------
    SplitError
        Where the records cannot be divided so.
    """
    how = config["strips"]
    beats = load_beats(how, records or records_of(protocol, how["database"]))
    split = make_split(beats.without_windows(), protocol, seed=seed)
    drawn = np.random.default_rng(seed)
    most = config["images"][protocol]
    picked = {
        side: _balanced(beats.label, rows.astype(np.int64), most.get(side), drawn)
        for side, rows in split.sides()
    }
    chosen = np.concatenate(list(picked.values()))
    at = np.cumsum([0, *(len(rows) for rows in picked.values())])
    kept = beats.select(chosen)
    table = ImageTable(
        np.ascontiguousarray(kept.windows[:, 0]),
        (kept.label != NORMAL).astype(np.int64),
        tuple(config["classes"]),
        strip_input(network, how["width"]),
        drawing(how),
        float(WORKING_RATE),
    )
    rows = {side: np.arange(at[i], at[i + 1]) for i, side in enumerate(picked)}
    return Strips(table, kept.record, rows, split)


def drawing(how: Mapping[str, Any]) -> StripOptions:
    """Options of a strip in the TOML."""
    names = ("width", "mm_per_s", "mm_per_mv", "line_width", "baseline", "grid")
    return StripOptions(seconds=how["before_s"] + how["after_s"], **{name: how[name] for name in names})


def strip_input(network: str, width: int) -> ImageInput:
    """Preprocessing of strips, which are drawn at the side that the network sees."""
    return replace(image_weights(network).input, size=width, resize=width, fit="stretch")


def _balanced(label: NDArray[np.int8], rows: Rows, most: int | None, drawn: np.random.Generator) -> Rows:
    """As many normal as abnormal rows of a side, ``most`` in all; in order."""
    normal, abnormal = (rows[(label[rows] == NORMAL) == wanted] for wanted in (True, False))
    count = min(len(normal), len(abnormal), *([] if most is None else [most // 2]))
    return np.sort(np.concatenate([drawn.permutation(each)[:count] for each in (normal, abnormal)]))
