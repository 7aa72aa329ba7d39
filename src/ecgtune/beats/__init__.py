"""Beats: the table, the windows around them, and their rhythm."""

from ecgtune.beats.cut import annotated_beats, detected_beats, stream_windows
from ecgtune.beats.rhythm import rr_features
from ecgtune.beats.table import Beats, concatenate
from ecgtune.beats.windows import scale_windows, typical_beats

__all__ = [
    "Beats",
    "annotated_beats",
    "concatenate",
    "detected_beats",
    "rr_features",
    "scale_windows",
    "stream_windows",
    "typical_beats",
]
