"""ecgtune labels every heartbeat of an ECG recording and says how sure it is.

>>> from ecgtune import classify, load_model, read_record

Names are imported when first used, so that ``import ecgtune`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecgtune._version import __version__

if TYPE_CHECKING:
    from ecgtune.classification import classify
    from ecgtune.labelled import Labelled
    from ecgtune.model import Model, load_model
    from ecgtune.readers import read_record
    from ecgtune.record import Annotations, Record
    from ecgtune.signals import detect_beats

_HOME = {
    "Annotations": "ecgtune.record",
    "Labelled": "ecgtune.labelled",
    "Model": "ecgtune.model",
    "Record": "ecgtune.record",
    "classify": "ecgtune.classification",
    "detect_beats": "ecgtune.signals",
    "load_model": "ecgtune.model",
    "read_record": "ecgtune.readers",
}

__all__ = [
    "Annotations",
    "Labelled",
    "Model",
    "Record",
    "__version__",
    "classify",
    "detect_beats",
    "load_model",
    "read_record",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
