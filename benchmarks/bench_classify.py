"""mitdb's 24 hours: files in, annotation files out, beside two peers that read and detect but label nothing.

The peers read both leads with wfdb and detect on the first, in as many processes as ecgtune uses, which are
ready when the time begins. ``ecgtune classify`` is timed as a program, start and imports included, and again
inside a process that has done it before. Goal: 8 s or less, 1.8 times wfdb + NeuroKit2 or less.
"""

import os
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import neurokit2
import sleepecg
import wfdb

from bench import PROGRAM, command, finish, interleaved, mitdb, options, table
from ecgtune import batch
from ecgtune.beats import Preprocessing, cut
from ecgtune.model import Model, load_model
from ecgtune.signals import detect, stream

JOBS = os.cpu_count() or 1


def neurokit(header: Path) -> None:
    """Read a record and detect its beats with NeuroKit2's default method."""
    record = wfdb.rdrecord(str(header.with_suffix("")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ecg_clean(record.p_signal[:, 0], sampling_rate=record.fs)
        neurokit2.ecg_peaks(cleaned, sampling_rate=record.fs)


def sleepecg_peer(header: Path) -> None:
    """Read a record and detect its beats with sleepecg."""
    record = wfdb.rdrecord(str(header.with_suffix("")))
    sleepecg.detect_heartbeats(record.p_signal[:, 0], record.fs)  # type: ignore[attr-defined]


def ready(_: int) -> None:
    """Keep a process busy for as long as it takes the others to start."""
    time.sleep(0.5)


def classify(headers: list[Path], model: Model, out: Path, jobs: int) -> None:
    outcomes = batch.classify_files(headers, out, model=model, formats=("ecgt",), jobs=jobs, again=True)
    assert all(outcome.error is None for outcome in outcomes), [outcome.error for outcome in outcomes]


class Stages:
    """Seconds spent in each stage, without what the stages inside it take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = ["other"]
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        self._turn()
        self._inside.append(name)
        yield
        self._turn()
        self._inside.pop()

    def _turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self._inside[-1]] += now - self._since
        self._since = now

    def watch(self, name: str, owner: Any, attribute: str) -> Any:
        """Patch a function so that its time counts to a stage."""
        original = getattr(owner, attribute)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return original(*arguments, **options)

        return mock.patch.object(owner, attribute, timed)


WATCHED: tuple[tuple[str, Any, str], ...] = (
    ("read", batch, "read_record"),
    ("read", stream, "read_working"),
    ("resample", stream, "resample_piece"),
    ("detect", detect, "find_beats"),
    ("cut, features", cut, "windows_of"),
    ("cut, features", Preprocessing, "inputs"),
    ("network", Model, "run"),
    ("write", batch, "write"),
)


def stages(headers: list[Path], model: Model, out: Path) -> dict[str, float]:
    """Seconds by stage, one record at a time."""
    counted = Stages()
    with ExitStack() as patches:
        for watched in WATCHED:
            patches.enter_context(counted.watch(*watched))
        with counted.stage("other"):
            classify(headers, model, out, jobs=1)
    return {name: counted.seconds[name] for name in dict.fromkeys([*(w[0] for w in WATCHED), "other"])}


def main() -> None:
    given = options(__doc__)
    headers = mitdb(given.quick)
    model = load_model(given.model)
    with ExitStack() as places:
        out = Path(places.enter_context(tempfile.TemporaryDirectory()))
        arguments = (
            *headers,
            "--out",
            out / "program",
            "--model",
            model.folder,
            "--write",
            "ecgt",
            "--again",
        )
        classify(headers, model, out / "warm", JOBS)
        pool = places.enter_context(ProcessPoolExecutor(JOBS))
        list(pool.map(ready, range(JOBS)))
        times = interleaved(
            {
                "ecgtune classify, as a program": lambda: command(PROGRAM, "classify", *arguments),
                "ecgtune classify, warm": lambda: classify(headers, model, out / "warm", JOBS),
                "wfdb + NeuroKit2 (detects only)": lambda: list(pool.map(neurokit, headers)),
                "wfdb + sleepecg (detects only)": lambda: list(pool.map(sleepecg_peer, headers)),
            },
            1 if given.quick else 5,
        )
        share = stages(headers, model, out / "stages")

    *_, with_neurokit, with_sleepecg = times.values()
    table(
        f"{len(headers)} records of half an hour, model {model.name}, {JOBS} at a time",
        ("", "s", "x NeuroKit2", "x sleepecg"),
        [
            (name, f"{t:.2f}", f"{t / with_neurokit:.2f}", f"{t / with_sleepecg:.2f}")
            for name, t in times.items()
        ],
    )
    total = sum(share.values())
    table(
        "stages of ecgtune classify, one thread",
        ("", "s", "%"),
        [(name, f"{t:.2f}", f"{100 * t / total:.0f}") for name, t in share.items()],
    )
    finish(given, "classify", {"records": len(headers), "seconds": times, "stages": share})


if __name__ == "__main__":
    main()
