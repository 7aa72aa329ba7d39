"""Peak memory of one long recording, simulated as it is read: 24 hours and 7 days of two leads at 250 Hz.

Each length runs in a process of its own: detect, label, write all formats. Goal: 600 MB or less for both.
"""

import json
import sys

from bench import command, finish, options, table

HOUR = 3600.0

LABEL = """
import json, resource, sys, tempfile, time
from ecgtune.classification import classify
from ecgtune.model import load_model
from ecgtune.signals.simulate import simulate
from ecgtune.writers import write

def peak():
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / 1e6

model = load_model(sys.argv[1])
record = simulate(float(sys.argv[2]), 250, seed=1)
start, began = peak(), time.perf_counter()
labelled = classify(record, model)
labelling = peak()
with tempfile.TemporaryDirectory() as folder:
    write(labelled, folder)
print(json.dumps({"beats": len(labelled.annotations), "start_mb": start, "labelling_mb": labelling,
    "peak_mb": peak(), "seconds": time.perf_counter() - began}))
"""


def main() -> None:
    given = options(__doc__)
    lengths = (
        {"10 minutes": HOUR / 6, "2 hours": 2 * HOUR}
        if given.quick
        else {"half an hour": HOUR / 2, "24 hours": 24 * HOUR, "7 days": 7 * 24 * HOUR}
    )
    figures = {
        name: json.loads(command(sys.executable, "-c", LABEL, given.model, length))
        for name, length in lengths.items()
    }
    shortest = next(iter(figures.values()))["peak_mb"]
    table(
        "peak memory, MB",
        ("", "beats", "before", "labelled", "written", "x shortest", "s"),
        [
            (
                name,
                f"{row['beats']:,}",
                *(f"{row[key]:.0f}" for key in ("start_mb", "labelling_mb", "peak_mb")),
                f"{row['peak_mb'] / shortest:.2f}",
                f"{row['seconds']:.1f}",
            )
            for name, row in figures.items()
        ],
    )
    finish(given, "memory", figures)


if __name__ == "__main__":
    main()
