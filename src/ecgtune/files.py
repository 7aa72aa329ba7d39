"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ecgtune.errors import OutputError


def write_whole(path: Path, content: str | bytes) -> None:
    r"""Write a file through a temporary one beside it, so that a reader never sees half of it.

    Parameters
    ----------
    path
        Where to write; its folder must exist.
    content
        Text (written as UTF-8 with ``\n`` line ends) or bytes.

    Raises
    ------
    OutputError
        Where the folder is not writable or the disk is full; nothing is left behind.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write files as `write_whole` does; none appears before there was room for all of them."""
    parts: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            parts[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        umask = os.umask(0)
        os.umask(umask)
        for path, part in parts.items():
            part.chmod(0o666 & ~umask)
            part.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"{path}: cannot be written: {reason}; choose another --out or free some space"
        ) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def make_folder(path: Path) -> Path:
    """Create an output folder (and its parents) where it is missing, and return it.

    Raises
    ------
    OutputError
        Where it cannot be created or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: cannot be created: {reason}; choose another --out") from error
    return path
