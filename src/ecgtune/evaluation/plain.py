"""Data classes from and to JSON: checked on the way in, readable on the way out."""

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from typing import Any, Union, get_args, get_origin, get_type_hints

WIDTH = 110
"""Lists and objects that fit on a line of this length are written on one."""

_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
}


class DecodeError(ValueError):
    """Content does not fit its data class; the text begins with the place (``code.commit``)."""


def decode(kind: Any, content: Any, place: str = "") -> Any:
    """Make a value of a type from what `json.loads` gives.

    Parameters
    ----------
    kind
        A data class, ``str``, ``int``, ``float``, ``bool``, ``date``, ``tuple[X, ...]``, ``dict[str, X]`` or
        a union of these and None.
    content
        Plain types.
    place
        Where in the whole the content stands, for messages.

    Raises
    ------
    DecodeError
        Where the content is of another type, a field is missing, or one is unknown.
    """
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), content, place)
    if origin is tuple:
        items = _expect(list, content, place, "a list")
        return tuple(decode(get_args(kind)[0], item, f"{place}[{i}]") for i, item in enumerate(items))
    if origin is dict:
        items = _expect(dict, content, place, "an object")
        return {key: decode(get_args(kind)[1], item, _below(place, key)) for key, item in items.items()}
    if is_dataclass(kind):
        return _object(kind, content, place)
    if kind is date:
        try:
            return date.fromisoformat(_expect(str, content, place, "a date"))
        except ValueError:
            raise DecodeError(f"{place}: a date (YYYY-MM-DD) is expected, found {_shown(content)}") from None
    if kind is float and type(content) is int:
        return float(content)
    return _expect(kind, content, place, _NAMES[kind])


def encode(content: Any, indent: int = 0, taken: int = 0) -> str:
    """Write plain types as JSON, what fits on one line on one line.

    Parameters
    ----------
    content
        What `json.dumps` takes.
    indent, taken
        Blanks before the line; characters of it that are taken already.
    """
    short = json.dumps(content, ensure_ascii=False, allow_nan=False)
    fits = indent > 0 and indent + taken + len(short) < WIDTH
    if fits or not content or not isinstance(content, dict | list):
        return short
    pad = " " * (indent + 1)
    if isinstance(content, dict):
        keys = [json.dumps(key, ensure_ascii=False) + ": " for key in content]
        lines = [
            pad + key + encode(item, indent + 1, len(key))
            for key, item in zip(keys, content.values(), strict=True)
        ]
        brackets = "{}"
    else:
        lines = [pad + encode(item, indent + 1) for item in content]
        brackets = "[]"
    return f"{brackets[0]}\n" + ",\n".join(lines) + f"\n{' ' * indent}{brackets[1]}"


def _one_of(kinds: tuple[Any, ...], content: Any, place: str) -> Any:
    # An exact match first: 3 is an int, though a float would take it as well.
    for kind in sorted(kinds, key=lambda kind: type(content) is not kind):
        try:
            return decode(kind, content, place)
        except DecodeError:
            continue
    expected = " or ".join(_NAMES[kind] for kind in kinds if kind in _NAMES)
    raise DecodeError(f"{place}: {expected} is expected, found {_shown(content)}")


def _object(kind: Any, content: Any, place: str) -> Any:
    given = _expect(dict, content, place, "an object")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}
    if unknown := [key for key in given if key not in known]:
        raise DecodeError(f"{_below(place, unknown[0])}: nobody reads this field")
    for name, item in known.items():
        if name not in given and item.default is MISSING and item.default_factory is MISSING:
            raise DecodeError(f"{_below(place, name)}: is missing")
    return kind(**{name: decode(hints[name], item, _below(place, name)) for name, item in given.items()})


def _expect(kind: type, content: Any, place: str, name: str) -> Any:
    # type(), not isinstance: True is an int to Python, but no number in a result.
    if type(content) is not kind:
        raise DecodeError(f"{place or 'the whole'}: {name} is expected, found {_shown(content)}")
    return content


def _shown(content: Any) -> str:
    text = json.dumps(content) if not isinstance(content, Mapping) else "an object"
    return text if len(text) <= 40 else f"{text[:37]}..."


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
