import csv
import dataclasses
import errno
import html.parser
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgtune.errors import OutputError
from ecgtune.labelled import DISCLAIMER, Labelled, summarise
from ecgtune.record import Annotations
from ecgtune.writers import FORMATS, WRITERS, write
from ecgtune.writers.json import _versions


def count_ecgt(path: Path) -> int:
    return len(wfdb.rdann(str(path.with_suffix("")), path.suffix[1:]).sample)


def count_csv(path: Path) -> int:
    with path.open(newline="") as file:
        return len(list(csv.DictReader(file)))


def count_json(path: Path) -> int:
    beats = json.loads(path.read_text())["summary"]["beats"]
    assert isinstance(beats, int)
    return beats


def count_html(path: Path) -> int:
    class Figures(html.parser.HTMLParser):
        text = ""

        def handle_data(self, data: str) -> None:
            self.text += f"{data}|"

    figures = Figures()
    figures.feed(path.read_text())
    return int(figures.text.split("|beats|")[1].split("|")[0].replace(",", ""))


NOBODY = 65_534
"""A user without rights."""

READ_BACK: dict[str, Callable[[Path], int]] = {
    "ecgt": count_ecgt,
    "csv": count_csv,
    "json": count_json,
    "html": count_html,
}
"""By format, how a test counts the beats in a written file; a new writer needs an entry."""


@pytest.fixture
def beatless(labelled: Labelled) -> Labelled:
    none = Annotations(
        np.zeros(0, np.int64), np.zeros(0, np.str_), probability=np.zeros((0, 5), dtype=np.float32)
    )
    return dataclasses.replace(labelled, annotations=none)


def test_every_writer_is_under_contract() -> None:
    assert set(READ_BACK) == set(WRITERS)


@pytest.mark.parametrize("extension", FORMATS)
def test_name_and_content(tmp_path: Path, labelled: Labelled, extension: str) -> None:
    assert write(labelled, tmp_path / "new" / "out", [extension]) == [tmp_path / f"new/out/r1.{extension}"]
    assert [path.name for path in (tmp_path / "new/out").iterdir()] == [f"r1.{extension}"]
    assert READ_BACK[extension](tmp_path / f"new/out/r1.{extension}") == 60


@pytest.mark.parametrize("extension", FORMATS)
def test_no_beats(tmp_path: Path, beatless: Labelled, extension: str) -> None:
    write(beatless, tmp_path, [extension])
    assert READ_BACK[extension](tmp_path / f"r1.{extension}") == 0


@pytest.mark.parametrize("extension", FORMATS)
def test_no_probabilities(tmp_path: Path, labelled: Labelled, extension: str) -> None:
    bare = dataclasses.replace(
        labelled, annotations=Annotations(labelled.annotations.sample, labelled.annotations.symbol)
    )
    write(bare, tmp_path, [extension])
    assert READ_BACK[extension](tmp_path / f"r1.{extension}") == 60


@pytest.mark.parametrize("extension", FORMATS)
def test_an_earlier_file_is_replaced(tmp_path: Path, labelled: Labelled, extension: str) -> None:
    (tmp_path / f"r1.{extension}").write_text("old")
    write(labelled, tmp_path, [extension])
    assert READ_BACK[extension](tmp_path / f"r1.{extension}") == 60


@pytest.mark.parametrize("extension", FORMATS)
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, labelled: Labelled, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device") as error:
        write(labelled, tmp_path, [extension])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extension", FORMATS)
def test_a_folder_that_cannot_be_made(tmp_path: Path, labelled: Labelled, extension: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be created") as error:
        write(labelled, tmp_path / "file", [extension])
    assert "\n" not in str(error.value)


@contextmanager
def without_rights_of_root() -> Iterator[None]:
    """Let root be nobody for a while: root writes into any folder, whatever its mode."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_without_permission(tmp_path: Path, labelled: Labelled) -> None:
    # So that nothing is left to import for a user who may not be able to read the package.
    write(labelled, tmp_path)
    # Not in `tmp_path`, whose parents are closed to others than its owner.
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name)
        closed.chmod(0o555)
        with (
            without_rights_of_root(),
            pytest.raises(OutputError, match="cannot be written: Permission denied"),
        ):
            write(labelled, closed)
        assert list(closed.iterdir()) == []
        closed.chmod(0o755)
        write(labelled, closed)
        assert len(list(closed.iterdir())) == len(FORMATS)


def test_all_formats_are_the_default(tmp_path: Path, labelled: Labelled) -> None:
    assert [path.name for path in write(labelled, tmp_path)] == ["r1.ecgt", "r1.csv", "r1.json", "r1.html"]


def test_an_unknown_format(tmp_path: Path, labelled: Labelled) -> None:
    with pytest.raises(OutputError, match="'xlsx'; known: ecgt, csv, json, html"):
        write(labelled, tmp_path, ["csv", "xlsx"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../r1", "a/b"])
def test_a_record_name_that_is_no_file_name(tmp_path: Path, labelled: Labelled, name: str) -> None:
    named = dataclasses.replace(labelled, record=dataclasses.replace(labelled.record, name=name))
    with pytest.raises(OutputError, match="is no file name"):
        write(named, tmp_path)


def test_what_cannot_be_encoded_leaves_no_other_format_either(tmp_path: Path, labelled: Labelled) -> None:
    twice = dataclasses.replace(labelled, annotations=labelled.annotations.select(np.array([0, 0])))
    with pytest.raises(ValueError, match="two annotations"):
        write(twice, tmp_path, ["csv", "ecgt"])
    assert list(tmp_path.iterdir()) == []


def test_wfdb_annotations_hold_samples_and_symbols(tmp_path: Path, labelled: Labelled) -> None:
    write(labelled, tmp_path, ["ecgt"])
    back = wfdb.rdann(str(tmp_path / "r1"), "ecgt")
    assert back.sample.tolist() == labelled.annotations.sample.tolist()
    assert back.symbol == labelled.annotations.symbol.tolist()
    assert back.fs == 250


def test_json_says_how_the_labels_came_about(tmp_path: Path, labelled: Labelled) -> None:
    write(dataclasses.replace(labelled, trained_on=True), tmp_path, ["json"])
    content = json.loads((tmp_path / "r1.json").read_text())
    assert content["record"] == {
        "name": "r1",
        "file": None,
        "fs": 250.0,
        "samples": 15_000,
        "leads": ["MLII", "V1"],
        "start": None,
    }
    assert content["model"] == {
        "name": "test 1.0",
        "hash": "abc123",
        "leads": ["MLII", "V1"],
        "trained_on_this_record": True,
    }
    assert content["notes"] == ["lead V1 noisy"]
    assert content["summary"]["counts"] == summarise(labelled).counts
    assert content["summary"]["ectopy"]["V"]["runs"][0]["beats"] == 3
    assert {"ecgtune", "numpy", "onnxruntime"} <= set(content["versions"])
    assert content["disclaimer"] == DISCLAIMER
    assert "not a medical device" in DISCLAIMER.lower()


def test_versions_of_what_is_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgtune.writers.json._PACKAGES", ("numpy", "no-such-package"))
    _versions.cache_clear()
    assert list(_versions()) == ["numpy"]
    _versions.cache_clear()
