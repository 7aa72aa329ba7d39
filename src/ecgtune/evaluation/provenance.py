"""Where figures come from: version of the code, hashes of the data, class of the machine."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ecgtune._version import __version__
from ecgtune.databases import find_database
from ecgtune.databases.verification import file_sha256
from ecgtune.evaluation.results import Code, Data


def code_version() -> Code:
    """Version of ecgtune and, where it runs from a git checkout of its own, the commit."""
    folder = Path(__file__).parents[1]
    # An installed package may lie inside a checkout of something else, which does not track it.
    if _git(folder, "ls-files", "--error-unmatch", "_version.py") is None:
        return Code(__version__)
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return Code(__version__, commit, bool(changed))


def machine_class() -> str:
    """Class of this machine, e.g. ``2 cores x86_64``; no name."""
    available = getattr(os, "sched_getaffinity", None)
    cores = len(available(0)) if available else os.cpu_count() or 1
    return f"{cores} core{'' if cores == 1 else 's'} {platform.machine()}"


def data_used(keys: Iterable[tuple[str, str]]) -> dict[str, Data]:
    """Hash the files of some records.

    Parameters
    ----------
    keys
        Database and record of each.

    Returns
    -------
    dict
        By database. The hash is SHA-256 over a line ``<sha256>  <name>`` of each file of the used records
        (header, signals, annotations), sorted by name: ``sha256sum FILES | sort -k 2 | sha256sum``.
    """
    used: dict[str, set[str]] = {}
    for name, record in keys:
        used.setdefault(name, set()).add(record)
    found = {}
    for name in sorted(used):
        database = find_database(name)
        lines = {}
        for record in used[name]:
            folder = database.path(record).parent
            for file in database.entry.record_files(record):
                if (folder / file).is_file():
                    lines[file] = file_sha256(folder / file)
        listing = "".join(f"{digest}  {file}\n" for file, digest in sorted(lines.items()))
        digest = hashlib.sha256(listing.encode()).hexdigest()
        found[name] = Data(len(used[name]), digest, not database.complete)
    return found


def now() -> datetime:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
