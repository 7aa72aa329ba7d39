"""Products with small matrices that stay on the calling thread."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_PIECE = 200_000
"""Multiplications in one call of BLAS.

OpenBLAS shares more than 262,144 among threads; recordings labelled side by side would wait for each other.
"""


def product(rows: Floats, matrix: Floats) -> Floats:
    """Return ``rows @ matrix`` for many rows and a small matrix, computed in small pieces.

    Parameters
    ----------
    rows
        [n, k].
    matrix
        [k, m].

    Returns
    -------
    ndarray
        float32 [n, m].
    """
    n, k = rows.shape
    piece = max(1, _PIECE // matrix.size)
    whole = n // piece * piece
    result = np.empty((n, matrix.shape[1]), dtype=np.float32)
    np.matmul(
        rows[:whole].reshape(-1, piece, k), matrix, out=result[:whole].reshape(-1, piece, matrix.shape[1])
    )
    np.matmul(rows[whole:], matrix, out=result[whole:])
    return result


def products(several: Floats, matrices: Floats) -> Floats:
    """Return ``several @ matrices`` of two stacks of small matrices, computed in narrow pieces.

    Parameters
    ----------
    several
        [stack, n, k].
    matrices
        [stack, k, m].

    Returns
    -------
    ndarray
        float32 [stack, n, m].
    """
    stack, n, k = several.shape
    width = matrices.shape[2]
    piece = max(1, _PIECE // (n * k))
    result = np.empty((stack, n, width), dtype=np.float32)
    for start in range(0, width, piece):
        own = slice(start, start + piece)
        np.matmul(several, matrices[:, :, own], out=result[:, :, own])
    return result
