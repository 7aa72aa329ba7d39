"""WFDB annotation files (MIT format), written in one vectorised pass.

The format: one 16-bit little-endian word an annotation, its type in the upper 6 bits, the interval since
the annotation before in the lower 10. Words of type 59 to 63 carry what does not fit: SKIP a 32-bit interval
(high half first), SUB a subtype, AUX a text (https://physionet.org/physiotools/wag/annot-5.htm). NUM and CHN,
which `ecgtune.record.Annotations` has no field for, are left at their default and so never written.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.files import write_whole
from ecgtune.record import Annotations

CODES: dict[str, int] = {
    symbol: code
    for code, symbol in enumerate(
        # Codes 15 and 17 are unassigned.
        (
            *(
                "",
                "N",
                "L",
                "R",
                "a",
                "V",
                "F",
                "J",
                "A",
                "S",
                "E",
                "j",
                "/",
                "Q",
                "~",
                "",
                "|",
                "",
                "s",
                "T",
            ),
            *("*", "D", '"', "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f"),
            *("(", ")", "r"),
        )
    )
    if symbol
}
"""WFDB symbol to annotation code, as in WFDB's ``ecgcodes.h`` (NOTQRS, code 0, cannot be written)."""

_SKIP, _SUB, _AUX = 59, 61, 63
_LONGEST_INTERVAL = 1023
_LONGEST_SKIP = 2**31 - 1
_LONGEST_AUX = 255


def write_annotations(path: Path, annotations: Annotations, fs: float | None) -> None:
    """Write a WFDB annotation file, whole or not at all.

    Parameters
    ----------
    path
        Where to write, e.g. ``out/208.ecgt``: the record's name and, as extension, the annotator.
    annotations
        What to write. Probabilities have no place in the format and are left out.
    fs
        Samples per second of ``annotations.sample`` in Hz, noted at the head of the file as WFDB does it, so
        that the file can be read without the record's header; None leaves the note out.

    Raises
    ------
    ValueError
        Where the annotations do not fit the format; see `encode_annotations`.
    OutputError
        Where the file cannot be written.
    """
    write_whole(path, encode_annotations(annotations, fs))


def encode_annotations(annotations: Annotations, fs: float | None = None) -> bytes:
    """Encode annotations as the content of a WFDB annotation file.

    Parameters
    ----------
    annotations
        What to encode; the samples must ascend strictly from 0 or later.
    fs
        Samples per second in Hz for the file's first note, or None.

    Raises
    ------
    ValueError
        Where samples are negative, unsorted or repeated (WFDB's own ``putann`` refuses them too: its tools
        tell annotations at one instant apart by CHN or NUM), a symbol has no code, a subtype does not fit in
        8 bits, or a text has more than 255 bytes.
    """
    sample, subtype = annotations.sample, annotations.subtype
    codes = _codes(annotations.symbol)
    _check(annotations)
    intervals = np.diff(sample, prepend=0)

    far = np.flatnonzero(intervals > _LONGEST_INTERVAL)
    skips = np.zeros(len(sample), dtype=np.int64)
    skips[far] = -(-intervals[far] // _LONGEST_SKIP)
    texts = {int(i): _text(annotations.aux[i], int(sample[i])) for i in np.flatnonzero(annotations.aux != "")}
    aux_words = np.zeros(len(sample), dtype=np.int64)
    for i, text in texts.items():
        aux_words[i] = len(text) // 2
    sub_words = (subtype != 0).astype(np.int64)

    n_words = 3 * skips + 1 + sub_words + aux_words
    first = np.cumsum(n_words) - n_words
    words = np.zeros(int(n_words.sum()) + 1, dtype="<u2")  # the last word, 0, ends the file

    main = first + 3 * skips
    words[main] = codes << 10 | np.where(skips > 0, 0, intervals)
    for k in range(int(skips.max(initial=0))):
        which = far[skips[far] > k]
        part = np.minimum(intervals[which] - k * _LONGEST_SKIP, _LONGEST_SKIP)
        at = first[which] + 3 * k
        words[at] = _SKIP << 10
        words[at + 1] = part >> 16
        words[at + 2] = part & 0xFFFF
    with_sub = np.flatnonzero(sub_words)
    words[main[with_sub] + 1] = _SUB << 10 | subtype[with_sub].astype(np.int64) & 0xFF
    for i, text in texts.items():
        at_text = int(main[i] + 1 + sub_words[i])
        words[at_text : at_text + len(text) // 2] = np.frombuffer(text, dtype="<u2")
    return _time_resolution(fs) + words.tobytes()


def _codes(symbols: NDArray[np.str_]) -> NDArray[np.int64]:
    distinct, inverse = np.unique(symbols, return_inverse=True)
    unknown = [str(symbol) for symbol in distinct if symbol not in CODES]
    if unknown:
        raise ValueError(f"annotation symbol {unknown[0]!r} is no WFDB symbol; known: {' '.join(CODES)}")
    table = np.array([CODES[symbol] for symbol in distinct.tolist()], dtype=np.int64)
    return table[inverse] if len(table) else np.zeros(0, dtype=np.int64)


def _check(annotations: Annotations) -> None:
    sample, subtype = annotations.sample, annotations.subtype
    if len(sample) and sample[0] < 0:
        raise ValueError(f"annotation at sample {sample[0]}: samples count from 0")
    wrong = np.flatnonzero(np.diff(sample) <= 0)
    if len(wrong):
        before, after = sample[wrong[0] : wrong[0] + 2]
        problem = "two annotations are" if before == after else f"annotation at sample {before} is before one"
        raise ValueError(f"{problem} at sample {after}: samples must ascend strictly")
    wrong = np.flatnonzero((subtype < -128) | (subtype > 127))
    if len(wrong):
        raise ValueError(
            f"annotation at sample {sample[wrong[0]]}: subtype {subtype[wrong[0]]} out of range: [-128, 127]"
        )


def _text(aux: str, sample: int) -> bytes:
    """The AUX word and the text, padded to whole words."""
    text = str(aux).encode()
    if len(text) > _LONGEST_AUX:
        raise ValueError(
            f"annotation at sample {sample}: its text has {len(text)} bytes; the format takes {_LONGEST_AUX}"
        )
    return bytes((len(text), _AUX << 2)) + text + b"\0" * (len(text) % 2)


def _time_resolution(fs: float | None) -> bytes:
    """The note that WFDB puts first, at sample 0, and its end mark.

    The mark is a NOTQRS at sample 0: since a zero word would end the file, it is written as SKIP -1 and an
    interval of 1.
    """
    if fs is None:
        return b""
    note = np.array([CODES['"'] << 10], dtype="<u2").tobytes() + _text(f"## time resolution: {fs:.12g}", 0)
    return note + np.array([_SKIP << 10, 0xFFFF, 0xFFFF, 1], dtype="<u2").tobytes()
