"""WFDB storage formats: how large a sample is, and decoders of those that need no samples before it.

The formats are https://wit.mit.edu/wfdb/signal.5. A decoder gives samples at the top of 16 or 32 bits, so
that a sign needs no extension and the smallest integer of its type is the code of a missing sample.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Unpack = Callable[[BinaryIO, int, int, int], NDArray[Any]]
"""Decodes samples from a file: bytes before its first sample, first sample, number of samples."""

BITS = {
    "8": 16,
    "16": 16,
    "24": 24,
    "32": 32,
    "61": 16,
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 10,
    "311": 10,
    "508": 8,
    "516": 16,
    "524": 24,
}
"""Resolution of every format."""

BYTES = {
    "8": Fraction(1),
    "16": Fraction(2),
    "24": Fraction(3),
    "32": Fraction(4),
    "61": Fraction(2),
    "80": Fraction(1),
    "160": Fraction(2),
    "212": Fraction(3, 2),
    "310": Fraction(4, 3),
    "311": Fraction(4, 3),
}
"""Bytes a sample; not of FLAC (508, 516, 524), whose length the file's size does not tell."""


def _stored_as(dtype: str) -> Unpack:
    """Decoder of samples that are stored as integers of a type; the sign bit of unsigned ones is turned."""
    stored = np.dtype(dtype)

    def unpack(file: BinaryIO, offset: int, first: int, count: int) -> NDArray[Any]:
        file.seek(offset + stored.itemsize * first)
        raw = file.read(stored.itemsize * count)
        values = np.frombuffer(raw, stored, len(raw) // stored.itemsize)
        return values if stored.kind == "i" else (values ^ 0x8000).view(np.int16)

    return unpack


def _unpack_80(file: BinaryIO, offset: int, first: int, count: int) -> NDArray[Any]:
    file.seek(offset + first)
    return ((np.frombuffer(file.read(count), np.uint8).astype(np.uint16) << 8) ^ 0x8000).view(np.int16)


def _unpack_24(file: BinaryIO, offset: int, first: int, count: int) -> NDArray[Any]:
    file.seek(offset + 3 * first)
    raw = np.frombuffer(file.read(3 * count), np.uint8)
    samples = np.zeros((len(raw) // 3, 4), dtype=np.uint8)
    samples[:, 1:] = raw[: 3 * len(samples)].reshape(-1, 3)
    return samples.view("<i4")[:, 0]


def _unpack_212(file: BinaryIO, offset: int, first: int, count: int) -> NDArray[Any]:
    pair, skip = divmod(first, 2)
    n_pairs = (skip + count + 1) // 2
    file.seek(offset + 3 * pair)
    raw = file.read(3 * n_pairs)
    # The last pair of a file of odd length is stored in two bytes.
    whole, rest = divmod(len(raw), 3)
    there = 2 * whole + (rest == 2)
    n_pairs = whole + (rest == 2)
    raw += b"\0" * (3 * n_pairs - len(raw))
    samples = np.empty(2 * n_pairs, dtype=np.uint16)
    if n_pairs:
        even = np.ndarray((n_pairs,), "<u2", raw, 0, (3,))
        odd = np.ndarray((n_pairs,), "<u2", raw, 1, (3,))
        np.left_shift(even, 4, out=samples[0::2])
        np.bitwise_or((odd >> 4) & 0x0FF0, (odd << 8) & 0xF000, out=samples[1::2])
    return samples.view(np.int16)[skip : min(there, skip + count)]


UNPACK: dict[str, tuple[Unpack, int]] = {
    "16": (_stored_as("<i2"), 1),
    "24": (_unpack_24, 256),
    "32": (_stored_as("<i4"), 1),
    "61": (_stored_as(">i2"), 1),
    "80": (_unpack_80, 256),
    "160": (_stored_as("<u2"), 1),
    "212": (_unpack_212, 16),
}
"""Decoder of a format, and the size of one ADC unit in its output."""
