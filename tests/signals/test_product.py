"""Products in small pieces."""

import numpy as np
import pytest

from ecgtune.signals.product import product, products


@pytest.mark.parametrize(
    ("n", "k", "m"), [(0, 5, 3), (1, 7, 4), (5000, 34, 48), (1300, 105, 16), (3, 900, 700)]
)
def test_a_product_in_pieces_is_the_product(n: int, k: int, m: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, k)).astype(np.float32)
    matrix = rng.normal(size=(k, m)).astype(np.float32)
    result = product(rows, matrix)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, rows @ matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("stack", "n", "k", "m"), [(0, 2, 5, 3), (4, 1, 7, 4), (9, 16, 136, 352), (2, 500, 900, 3)]
)
def test_products_in_pieces_are_the_products(stack: int, n: int, k: int, m: int) -> None:
    rng = np.random.default_rng(0)
    several = rng.normal(size=(stack, n, k)).astype(np.float32)
    matrices = rng.normal(size=(stack, m, k)).astype(np.float32).swapaxes(1, 2)
    result = products(several, matrices)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, several @ matrices, rtol=1e-3, atol=1e-3)
