"""Where a study keeps what is finished, how long its parts took, and the command that repeats it."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ecgtune.errors import OutputError
from ecgtune.files import make_folder, write_whole

Option = Sequence[object] | Path | None
"""Of a command: several things by comma, a path, or not given."""


def make_work(out: Path, *, again: bool = False) -> Path:
    """Make ``out/work``, the folder of finished trainings, which git ignores.

    Parameters
    ----------
    out
        Folder of the results.
    again
        Forget what is finished.

    Raises
    ------
    OutputError
        Where it cannot be made, or not be removed.
    """
    work = out / "work"
    if again:
        try:
            shutil.rmtree(work)
        except FileNotFoundError:
            pass
        except OSError as error:
            # What is left would be taken for finished.
            reason = error.strerror or str(error)
            raise OutputError(f"{work}: cannot be removed: {reason}; choose another --out") from error
    make_folder(work)
    write_whole(work / ".gitignore", "*\n")
    return work


class Clock:
    """Wall seconds of each part of a study, over all calls that worked on it.

    Parameters
    ----------
    work
        See `make_work`; ``seconds.json`` in it goes on where an earlier call stopped.

    Attributes
    ----------
    seconds
        By part.
    """

    def __init__(self, work: Path) -> None:
        self.path = work / "seconds.json"
        self.seconds: dict[str, float] = json.loads(self.path.read_text()) if self.path.exists() else {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of a ``with`` block to a part."""
        began = time.perf_counter()
        try:
            yield
        finally:
            # What is read back takes no time worth counting; what an interruption lost does count.
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            write_whole(self.path, json.dumps(self.seconds, indent=1) + "\n")

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(self.seconds.values())


def command_of(name: str, *, quick: bool, options: Mapping[str, Option], jobs: int, out: Path) -> str:
    """Command line that measures a result again.

    Parameters
    ----------
    name
        Of the system.
    quick
        Whether it was a quick run.
    options
        By name without dashes, in this order; those that are None or empty are left out.
    jobs
        Processes.
    out
        Folder of the results.
    """
    texts = {
        key: _shown(given) if isinstance(given, Path) else ",".join(map(str, given))
        for key, given in options.items()
        if given
    }
    said = "".join(f" --{key} {text}" for key, text in texts.items())
    return f"ecgtune reproduce {name}{' --quick' * quick}{said} --jobs {jobs} --out {_shown(out)}"


def _shown(path: Path) -> str:
    # A path of this machine has no place in a result.
    return path.name if path.is_absolute() else path.as_posix()
