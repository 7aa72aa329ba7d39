"""MIT-format annotation files, as WFDB programs write them.

The format is a stream of 16-bit little-endian words: six bits of code, ten bits of interval since the
previous annotation. Codes above 58 are no annotations: a long interval follows (SKIP), or the word belongs
to the annotation before it (NUM, SUB, CHN, AUX). See https://wit.mit.edu/wfdb/annot.5 and the ``wfdb``
package, whose results this reader reproduces.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.record import Annotations

_SKIP, _SUB, _AUX = 59, 61, 63
_NOTE = 22
_SYMBOL_OF_CODE = {
    **dict(enumerate(" NLRaVFJASEj/Q~")),
    **{16: "|", **dict(enumerate('sT*D"=pB^t+u?![]en@xf()r', start=18))},
}
_LAST_CODE = 49
_SYMBOLS = np.array([_SYMBOL_OF_CODE.get(code, f"[{code}]") for code in range(_LAST_CODE + 1)])
_NAMED = np.array([code in _SYMBOL_OF_CODE for code in range(_LAST_CODE + 1)])
_SHORT_SYMBOLS = _SYMBOLS.astype("<U1")

_RESOLUTION = re.compile(r"## time resolution: (\d+\.?\d*)")
_DEFINITION = re.compile(r"(\d+) (\S+)")

_SNIFFED = 4096
_NOT_ANNOTATIONS = frozenset(
    {
        *("hea", "dat", "mat", "xyz", "edf", "bdf", "rec", "csv", "tsv", "npy", "npz", "dcm", "xml", "json"),
        *("txt", "md", "html", "pdf", "png", "jpg", "svg", "xws", "zip", "gz"),
    }
)


def read_annotations(path: Path, fs: float | None = None, per_frame: int = 1) -> Annotations:
    r"""Read one MIT-format annotation file.

    Parameters
    ----------
    path
        The file, e.g. ``mitdb/208.atr``.
    fs
        Sampling rate of the record in Hz. Where the file tells another time resolution, samples are
        converted to this rate, as WFDB programs do; without it they stay as they are in the file.
    per_frame
        Samples of the record in a frame: a file that tells no time resolution counts in frames.

    Returns
    -------
    Annotations
        In the order of the file, which may repeat a sample or go back in time. ``aux`` is without trailing
        NULs, and the text ``None`` (cpsc2021's empty note) becomes empty. Notes at sample 0 describe the
        file (time resolution, type definitions, the program that wrote it) and are not among them, as in
        ``wfdb.rdann``. Codes that WFDB leaves to the user and the file does not define have the symbol
        ``[code]``.

    Raises
    ------
    RecordError
        Where the file is missing, truncated or no annotation file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise RecordError(f"{path}: cannot be read: {reason}; check the annotator's name") from error
    if len(content) < 2 or len(content) % 2:
        raise _damaged(path, f"it has {len(content)} bytes, where 16-bit words are due")
    words = np.frombuffer(content, dtype="<u2")
    header, end = _header_words(words)
    if end is None:
        raise _damaged(path, "it ends without the end mark, so it was cut off")
    words, header = words[:end], header[:end]
    code = (words >> 10).astype(np.uint8)
    is_annotation = header & (code < _SKIP)
    at = np.flatnonzero(is_annotation)
    undefined = code[at] > _LAST_CODE
    if undefined.any():
        first = int(at[undefined][0])
        raise _damaged(path, f"unknown code {code[first]} at byte {2 * first}")
    owner = np.cumsum(is_annotation) - 1
    extra = np.flatnonzero(header & (code > _SKIP))
    if len(extra) and owner[extra[0]] < 0:
        raise _damaged(path, "it starts with a note that belongs to no annotation")

    sample = np.cumsum(_intervals(words, header, code))[at]
    subtype = np.zeros(len(at), dtype=np.int16)
    subtypes = extra[code[extra] == _SUB]
    subtype[owner[subtypes]] = (words[subtypes] & 0xFF).astype(np.uint8).view(np.int8)
    aux = _aux_texts(content, words, extra[code[extra] == _AUX], owner, len(at))
    return _interpret(sample, code[at], aux, subtype, fs, per_frame)


def looks_like_annotations(path: Path) -> bool:
    """Tell from its first 4 KiB whether a file may hold MIT-format annotations.

    A truncated annotation file still looks like one, so that asking for it says what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_SNIFFED)
    except OSError:
        return False
    content = content[: len(content) // 2 * 2]
    # Every pair of printable characters is a valid word: only the absence of other bytes gives text away.
    if not content or not re.search(rb"[^\t\n\r -~]", content):
        return False
    words = np.frombuffer(content, dtype="<u2")
    header, end = _header_words(words)
    if end is not None and words[end:].any():
        return False
    code = (words >> 10)[:end][header[:end]]
    return len(code) == 0 or bool(code[0] <= _SKIP and not ((code > _LAST_CODE) & (code < _SKIP)).any())


class AnnotationsBeside(Mapping[str, Annotations]):
    """Annotations of a record by annotator: the annotation files beside its header.

    An annotator is the extension of a file named like the record, e.g. ``atr`` for ``208.atr``. The folder
    is listed when annotators are listed, and a file is read when it is asked for, once.

    Parameters
    ----------
    record
        The header's path without its extension, e.g. ``mitdb/208``.
    fs
        Sampling rate of the record in Hz.
    signal_files
        Names of files that hold the record's signals.
    per_frame
        Samples of the record in a frame; see `read_annotations`.
    """

    def __init__(
        self, record: Path, fs: float, signal_files: Collection[str] = (), per_frame: int = 1
    ) -> None:
        self._record, self._fs, self._signal_files = record, fs, frozenset(signal_files)
        self._per_frame = per_frame
        self._loaded: dict[str, Annotations] = {}

    def __getitem__(self, annotator: str) -> Annotations:
        """Read the annotations of one annotator; KeyError where it is not there."""
        if annotator not in self._loaded:
            if annotator not in self:
                raise KeyError(annotator)
            self._loaded[annotator] = read_annotations(self._path(annotator), self._fs, self._per_frame)
        return self._loaded[annotator]

    def __contains__(self, annotator: object) -> bool:
        """Tell whether there is such an annotation file."""
        return (
            isinstance(annotator, str)
            and annotator.isidentifier()
            and annotator.lower() not in _NOT_ANNOTATIONS
            and self._path(annotator).name not in self._signal_files
            and looks_like_annotations(self._path(annotator))
        )

    def __iter__(self) -> Iterator[str]:
        """List the annotators, in alphabetical order."""
        prefix = f"{self._record.name}."
        names = sorted(path.name for path in self._record.parent.iterdir())
        extensions = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
        return (extension for extension in extensions if extension in self)

    def __len__(self) -> int:
        """Count the annotators."""
        return sum(1 for _ in self)

    def _path(self, annotator: str) -> Path:
        return self._record.with_name(f"{self._record.name}.{annotator}")


def _header_words(words: NDArray[np.uint16]) -> tuple[NDArray[np.bool_], int | None]:
    """Tell words that carry a code from payload, and find the end mark (None where there is none)."""
    code = words >> 10
    header = np.ones(len(words), dtype=np.bool_)
    # Payload may look like anything, so these few have to be walked in order.
    at = np.flatnonzero((code == _SKIP) | (code == _AUX))
    lengths = np.where(code[at] == _SKIP, 2, ((words[at] & 0xFF) + 1) >> 1)
    position = 0
    for start, length in zip(at.tolist(), lengths.tolist(), strict=True):
        if start >= position:
            position = start + 1 + length
            header[start + 1 : position] = False
    ends = np.flatnonzero(header & (words == 0))
    return header, int(ends[0]) if len(ends) and position <= len(words) else None


def _intervals(
    words: NDArray[np.uint16], header: NDArray[np.bool_], code: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Interval in samples that each word adds to the time."""
    intervals = np.where(header & (code < _SKIP), words & 0x3FF, 0).astype(np.int64)
    skips = np.flatnonzero(header & (code == _SKIP))
    high, low = words[skips + 1].astype(np.uint32), words[skips + 2].astype(np.uint32)
    intervals[skips] = ((high << 16) | low).view(np.int32)
    return intervals


def _aux_texts(
    content: bytes,
    words: NDArray[np.uint16],
    at: NDArray[np.intp],
    owner: NDArray[np.intp],
    n: int,
) -> NDArray[np.str_]:
    texts = []
    for start, length in zip((2 * at + 2).tolist(), (words[at] & 0xFF).tolist(), strict=True):
        text = content[start : start + length].decode("latin-1").rstrip("\0")
        texts.append("" if text == "None" else text)
    aux = np.zeros(n, dtype=f"<U{max((len(text) for text in texts), default=1) or 1}")
    aux[owner[at]] = texts
    return aux


def _interpret(
    sample: NDArray[np.int64],
    code: NDArray[np.uint8],
    aux: NDArray[np.str_],
    subtype: NDArray[np.int16],
    fs: float | None,
    per_frame: int,
) -> Annotations:
    """Apply the notes that describe the file and drop what is no annotation."""
    symbols = _SHORT_SYMBOLS if _NAMED[code].all() else _SYMBOLS
    describes_file = (code == _NOTE) & (sample == 0)
    keep = (code != 0) & ~describes_file
    defining = False
    for i in np.flatnonzero(describes_file).tolist():
        text = str(aux[i])
        resolution = _RESOLUTION.match(text)
        if resolution:
            per_frame = 1
            if fs is not None and not np.isclose(float(resolution[1]), fs):
                sample = np.rint(sample * (fs / float(resolution[1]))).astype(np.int64)
        definition = _DEFINITION.match(text) if defining else None
        if definition and int(definition[1]) <= _LAST_CODE:
            symbols = symbols.astype(f"<U{max(4, len(definition[2]))}")
            symbols[int(definition[1])] = definition[2]
        if text.startswith("## "):
            defining = text == "## annotation type definitions"
    if not keep.all():
        sample, code, aux, subtype = sample[keep], code[keep], aux[keep], subtype[keep]
    return Annotations(sample * per_frame, symbols[code], aux, subtype)


def _damaged(path: Path, problem: str) -> RecordError:
    return RecordError(f"{path}: no complete MIT annotation file: {problem}; replace it with a whole copy")
