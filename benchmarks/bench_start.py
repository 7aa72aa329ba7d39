"""How long a start takes: ``ecgtune --help``, and one half-hour record as a program and warm.

The bare interpreter and the runtime's own imports stand beside them: most of a start is theirs. Goals: help
0.5 s or less; a record 3 s or less from a cold start, as the first run after a boot or an installation is,
and 1.5 s later.
"""

import sys
import tempfile
from pathlib import Path

from bench import PROGRAM, command, finish, interleaved, mitdb, options, seconds, table
from ecgtune.batch import classify_files
from ecgtune.model import load_model

IMPORTS = "import numpy, scipy.signal, scipy.ndimage, onnxruntime, typer"


def main() -> None:
    given = options(__doc__)
    model = load_model(given.model)
    header = mitdb(quick=True, few=1)[0]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        arguments = (header, "--out", out, "--model", model.folder, "--write", "ecgt", "--again")

        def program() -> str:
            return command(PROGRAM, "classify", *arguments)

        first = seconds(program)
        times = interleaved(
            {
                "python -c pass": lambda: command(sys.executable, "-c", "pass"),
                "runtime libraries imported": lambda: command(sys.executable, "-c", IMPORTS),
                "ecgtune --help": lambda: command(PROGRAM, "--help"),
                "ecgtune classify, one record": program,
                "the same, warm": lambda: classify_files(
                    [header], out, model=model, formats=("ecgt",), again=True
                ),
            },
            1 if given.quick else 7,
        )
    times["ecgtune classify, first run here"] = first
    bare = times["python -c pass"]
    table(
        f"start, median; mitdb {header.stem}, model {model.name}",
        ("", "s", "x bare python"),
        [(name, f"{t:.2f}", f"{t / bare:.1f}") for name, t in times.items()],
    )
    finish(given, "start", {"seconds": times})


if __name__ == "__main__":
    main()
