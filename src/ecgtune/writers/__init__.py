"""Labelled recordings as files: one module a format, and `write`, which makes those asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ecgtune.errors import OutputError
from ecgtune.files import make_folder, write_together
from ecgtune.labelled import Labelled

Encoder = Callable[[Labelled], bytes | str]


def _ecgt(labelled: Labelled) -> bytes:
    from ecgtune.writers.annotations import encode_annotations

    return encode_annotations(labelled.annotations, labelled.record.fs)


def _csv(labelled: Labelled) -> bytes:
    from ecgtune.writers.csv import encode_csv

    return encode_csv(labelled)


def _json(labelled: Labelled) -> str:
    from ecgtune.writers.json import encode_json

    return encode_json(labelled)


def _html(labelled: Labelled) -> str:
    from ecgtune.report import render_html

    return render_html(labelled)


WRITERS: dict[str, Encoder] = {"ecgt": _ecgt, "csv": _csv, "json": _json, "html": _html}
"""By format, which is the file's extension too: what makes the file's content of a labelled recording."""

FORMATS: tuple[str, ...] = tuple(WRITERS)


def write(labelled: Labelled, folder: Path | str, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a labelled recording as ``RECORD.FORMAT``, each file whole or not at all.

    Parameters
    ----------
    labelled
        What to write.
    folder
        Where to; created where it is missing. Files of the same name are replaced.
    formats
        Any of `FORMATS`: ``ecgt`` (WFDB annotations), ``csv`` (a row a beat), ``json`` (the summary),
        ``html`` (the report).

    Returns
    -------
    list of Path
        The files, in the order of ``formats``.

    Raises
    ------
    OutputError
        Where a format is unknown, the record's name is no file name, or a file cannot be written.
    """
    unknown = [name for name in formats if name not in WRITERS]
    if unknown:
        raise OutputError(f"unknown output format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    name = labelled.record.name
    if not name or Path(name).name != name:
        raise OutputError(f"record name {name!r} is no file name; rename the record")
    folder = make_folder(Path(folder))
    # Everything is made before anything is written, so that a failure leaves no incomplete set behind.
    contents = {folder / f"{name}.{extension}": WRITERS[extension](labelled) for extension in formats}
    write_together(contents)
    return list(contents)
