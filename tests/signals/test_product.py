"""Products in small pieces."""

import numpy as np
import pytest

from ecgtune.signals.product import product


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
