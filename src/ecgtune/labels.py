"""Beat symbols, AAMI classes (both S conventions) and what counts as a beat.

The AAMI classes are de Chazal's (doi:10.1109/TBME.2004.827359), the default everywhere. PhysioNet's
``bxb`` counts ``e``, ``j`` and ``n`` as supraventricular; figures under the two conventions are never
compared with each other.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Convention = Literal["aami", "bxb"]

CLASSES: tuple[str, ...] = ("N", "S", "V", "F", "Q")
"""The five AAMI classes in the order used by every array of probabilities."""

CLASS_NAMES = {
    "N": "normal or bundle-branch block",
    "S": "supraventricular ectopic",
    "V": "ventricular ectopic",
    "F": "fusion of ventricular and normal",
    "Q": "paced or unclassifiable",
}

_AAMI_SYMBOLS = {
    "N": ("N", "L", "R", "B", "e", "j"),
    "S": ("A", "a", "J", "S", "n"),
    "V": ("V", "E", "r"),
    "F": ("F",),
    "Q": ("/", "f", "Q", "?"),
}

AAMI: dict[str, str] = {symbol: name for name, symbols in _AAMI_SYMBOLS.items() for symbol in symbols}
"""WFDB beat symbol to AAMI class, de Chazal's mapping."""

BXB: dict[str, str] = AAMI | {"e": "S", "j": "S"}
"""WFDB beat symbol to class as ``bxb`` reports it."""

BEAT_SYMBOLS: frozenset[str] = frozenset(AAMI)


def class_map(convention: Convention = "aami") -> dict[str, str]:
    """Mapping of WFDB beat symbols to classes.

    Parameters
    ----------
    convention
        ``"aami"`` (de Chazal) or ``"bxb"`` (``e``, ``j``, ``n`` are S).

    Raises
    ------
    ValueError
        On an unknown convention.
    """
    maps = {"aami": AAMI, "bxb": BXB}
    if convention not in maps:
        raise ValueError(f"unknown class convention {convention!r}; known: {', '.join(maps)}")
    return maps[convention]


def is_beat(symbols: Iterable[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
    """Which WFDB symbols mark a beat: bool [n]."""
    return np.isin(np.asarray(symbols, dtype=np.str_), list(BEAT_SYMBOLS))


def class_indices(
    symbols: Iterable[str] | NDArray[np.str_], convention: Convention = "aami"
) -> NDArray[np.int8]:
    """Index into `CLASSES` of each WFDB symbol, -1 for symbols that are no beats: int8 [n]."""
    mapping = class_map(convention)
    array = np.asarray(symbols, dtype=np.str_)
    indices = np.full(array.shape, -1, dtype=np.int8)
    for symbol in np.unique(array):
        if symbol in mapping:
            indices[array == symbol] = CLASSES.index(mapping[symbol])
    return indices
