"""docs/data.md says of every database what the catalogue says."""

import re
from pathlib import Path

import pytest

from ecgtune.databases import CATALOGUE, Entry

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text()


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_every_entry_is_documented(entry: Entry) -> None:
    (row,) = (line for line in TEXT.splitlines() if line.startswith(f"| `{entry.name}` | ["))
    assert entry.licence in row
    assert entry.doi in row
    assert entry.version in row
    assert entry.page in row
    assert entry.title.removesuffix(" (training set)") in row
    assert plain(entry.citation) in plain(TEXT)
    assert f"{entry.n_records:,}" in row or entry.name == "nstdb"
    assert any(line.startswith(f"| `{entry.name}` | ") and "](" not in line for line in TEXT.splitlines())
