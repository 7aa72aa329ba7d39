"""Parameters of a published system: the TOML beside its module, or one of the user's in its place."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecgtune.errors import ModelError


def load_config(name: str, path: Path | None = None) -> dict[str, Any]:
    """Read every parameter of a system and its paper's figures.

    Parameters
    ----------
    name
        Of the system (see `ecgtune.systems.SYSTEMS`): ``patient-transfer`` has ``patient_transfer.toml``.
    path
        A TOML with the top-level keys of the system's own, which is read where none is given.

    Raises
    ------
    ModelError
        Where it cannot be read, or lacks a key.
    """
    file = f"{name.replace('-', '_')}.toml"
    own = tomllib.loads((files("ecgtune.systems") / file).read_text(encoding="utf-8"))
    if path is None:
        return own
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    if missing := [key for key in own if key not in given]:
        raise ModelError(f"{path}: lacks {missing[0]}; start from a copy of {file}")
    return given
