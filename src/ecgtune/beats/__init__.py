"""Beats: the table, the windows around them, their rhythm, and what a model reads of them."""

from ecgtune.beats.cut import annotated_beats, beat_index, detected_beats, stream_windows
from ecgtune.beats.preprocessing import Preprocessing
from ecgtune.beats.table import Beats, concatenate

__all__ = [
    "Beats",
    "Preprocessing",
    "annotated_beats",
    "beat_index",
    "concatenate",
    "detected_beats",
    "stream_windows",
]
