"""Evaluation protocols; a split that leaks a patient is an error."""

from ecgtune.splits.beat_index import BeatIndex
from ecgtune.splits.protocols import PROTOCOLS, make_folds, make_split
from ecgtune.splits.split import Split
from ecgtune.splits.splitter import Splitter

__all__ = ["PROTOCOLS", "BeatIndex", "Split", "Splitter", "make_folds", "make_split"]
