"""The short recording of `stored_records` in every format."""

from pathlib import Path

import pytest
from stored_records import STORES, Stored


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Stored:
    return STORES[request.param](tmp_path)
