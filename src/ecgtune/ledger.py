"""What an output folder holds: which recordings are done and with what, their files as they were written."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ecgtune.errors import OutputError
from ecgtune.files import write_whole
from ecgtune.writers import FORMATS

Stamp = dict[str, Any]
"""What the results of a recording depend on, as JSON gives it back; ``source`` is a `fingerprint`."""


def fingerprint(files: Sequence[Path]) -> list[list[object]]:
    """Name, size and time of a recording's files; enough to see that it was replaced."""
    marks: list[list[object]] = []
    for file in files:
        if file.is_file():
            about = file.stat()
            marks.append([str(file.resolve()), about.st_size, about.st_mtime_ns])
    return marks


class Ledger:
    """The notebook of an output folder, ``.ecgtune.json``, written after each recording.

    Parameters
    ----------
    out
        The folder; a notebook that is missing or damaged is an empty one.
    formats
        What is written there, of `ecgtune.writers.FORMATS`.

    An entry is a stamp and, under ``written``, the marks of the files; of a recording that is not done, less.
    """

    def __init__(self, out: Path, formats: Sequence[str]) -> None:
        self._out, self._formats = out, formats
        self._path = out / ".ecgtune.json"
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        entries = content.items() if isinstance(content, dict) else ()
        self._entries: dict[str, Stamp] = {name: entry for name, entry in entries if isinstance(entry, dict)}

    def holds(self, name: str, stamp: Stamp) -> bool:
        """Whether a recording is done, with all its files there."""
        entry = {key: value for key, value in self._entries.get(name, {}).items() if key != "written"}
        return entry == stamp and all(file.is_file() for file in self._files(name))

    def check(self, path: Path, stamp: Stamp) -> None:
        """Refuse to replace files of another recording, or such as were changed since they were written.

        Raises
        ------
        OutputError
            With the remedy. Of files that the notebook does not know nothing is said.
        """
        name = path.stem
        source = self._entries.get(name, {}).get("source")
        there = any((self._out / f"{name}.{kind}").exists() for kind in FORMATS)
        if there and source and not _same_recording(source, stamp["source"]):
            raise OutputError(
                f"{path}: {self._out / name}.* are the labels of another recording ({source[0][0]}); "
                "label it into another --out"
            )
        if changed := self._changed(name, self._entries.get(name, {})):
            raise OutputError(
                f"{path}: {changed[0]} was changed since ecgtune wrote it; "
                "move it away or label into another --out"
            )

    @contextmanager
    def replacing(self, due: Mapping[str, Stamp]) -> Iterator[None]:
        """Count recordings as not done until they are entered, or their files are left as they were.

        Raises
        ------
        OutputError
            Where the folder takes no file.
        """
        before = {name: self._entries[name] for name in due if name in self._entries}
        # Should writing stop half way, old and new files lie side by side: then nothing is known of them.
        begun: dict[str, Stamp] = {
            name: {"source": stamp["source"], "written": self._others(name)} for name, stamp in due.items()
        }
        self._entries |= begun
        self._save()
        try:
            yield
        finally:
            for name, entry in before.items():
                left = self._entries[name] is begun[name]
                if left and "written" in entry and not self._changed(name, entry):
                    self._entries[name] = entry
            # A full disk costs no more than what was known of files that are as before.
            with suppress(OutputError):
                self._save()

    def enter(self, name: str, stamp: Stamp) -> None:
        """Note that a recording is done, and its files as they lie there."""
        marks = {file.name: _mark(file) for file in self._files(name) if file.is_file()}
        self._entries[name] = stamp | {"written": self._others(name) | marks}
        self._save()

    def _files(self, name: str) -> list[Path]:
        return [self._out / f"{name}.{kind}" for kind in self._formats]

    def _changed(self, name: str, entry: Stamp) -> list[Path]:
        """Files to be written that are there and not as the entry has them."""
        marks = entry.get("written", {})
        return [
            file
            for file in self._files(name)
            if file.name in marks and file.is_file() and not _is_as(file, marks[file.name])
        ]

    def _others(self, name: str) -> dict[str, object]:
        """Marks of a recording's files that are of other formats."""
        names = {file.name for file in self._files(name)}
        marks = self._entries.get(name, {}).get("written", {})
        return {file: mark for file, mark in marks.items() if file not in names}

    def _save(self) -> None:
        write_whole(self._path, json.dumps(self._entries))


def _same_recording(one: list[Any], other: list[Any]) -> bool:
    """Whether two fingerprints are of one recording, which may have changed, or moved as it is."""
    names = [[[Path(file).name, *about] for file, *about in each] for each in (one, other)]
    return not other or one[0][0] == other[0][0] or names[0] == names[1]


def _mark(file: Path) -> list[object]:
    """Size, time and SHA-256 of a file."""
    about = file.stat()
    return [about.st_size, about.st_mtime_ns, _sha256(file)]


def _is_as(file: Path, mark: list[object]) -> bool:
    """Whether a file's content is what it was when the mark was made."""
    about = file.stat()
    size, time, digest = mark
    return about.st_size == size and (about.st_mtime_ns == time or _sha256(file) == digest)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
