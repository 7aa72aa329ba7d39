"""Work in several processes, which end with their parent."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import (
    forkserver,
    get_all_start_methods,
    get_context,
    parent_process,
    set_forkserver_preload,
)
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple, TypeVar

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Made = TypeVar("Made")

Around = Callable[[], AbstractContextManager[object]]

_MOST = 61 if sys.platform == "win32" else None
"""Processes that Python can wait for at a time."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""By these the libraries behind NumPy are told how many threads a product of matrices may take."""


def get_ready(module: str) -> None:
    """Begin to import a module, in the background, in what the processes of `run_all` will come from.

    Parameters
    ----------
    module
        Importable by its name. On systems without ``forkserver`` nothing happens.
    """
    if "forkserver" in get_all_start_methods():
        set_forkserver_preload([module])
        with _one_thread():
            forkserver.ensure_running()


def run_all(
    work: Callable[[Shared, Task], Made],
    shared: Shared,
    tasks: Sequence[Task],
    jobs: int,
    *,
    fresh: bool = False,
    apart: bool = False,
    around: Around = nullcontext,
) -> Generator[tuple[int, Made], None, None]:
    """Do tasks, and yield the place of each with what it made when it is finished.

    Parameters
    ----------
    work
        A function of a module: called with ``shared`` and a task.
    shared
        What all tasks look at; it travels to each process once.
    tasks
        Begun in this order.
    jobs
        Processes, each with one thread for products of matrices; 1 works in this one.
    fresh
        Whether each process imports everything anew; otherwise they come, where the system can do that, from
        one that has imported ``work``'s module and is kept (`get_ready`).
    apart
        Whether a single process, too, is another one.
    around
        Made and entered in a process before its first task.

    Whoever stops listening waits for the tasks that are being done; others are not begun.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        Where a process ended in the middle of its work.
    """
    if not apart and (jobs == 1 or len(tasks) < 2):
        with around():
            for place, task in enumerate(tasks):
                yield place, work(shared, task)
        return
    method = "forkserver" if not fresh and "forkserver" in get_all_start_methods() else "spawn"
    if method == "forkserver":
        get_ready(work.__module__)
    context = get_context(method)
    stopped = context.Event()
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks), _MOST or jobs),
        mp_context=context,
        initializer=_start,
        initargs=(work, shared, around, stopped),
    )
    try:
        with _one_thread():
            futures = {pool.submit(_do, task): place for place, task in enumerate(tasks)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        # A process is handed its next task before it is done with the last one.
        stopped.set()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start meanwhile take one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Job(NamedTuple):
    """What a process of a pool does its tasks by."""

    work: Callable[[Any, Any], Any]
    shared: Any
    around: AbstractContextManager[object]
    stopped: Event


_job: _Job | None = None


def _start(work: Callable[[Any, Any], Any], shared: Any, around: Around, stopped: Event) -> None:
    """Make a process of a pool ready."""
    global _job
    # Ctrl-C reaches all processes; the parent alone decides what becomes of the work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _job = _Job(work, shared, around(), stopped)
    _job.around.__enter__()
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    # A pool's process does not notice by itself that its parent was killed: it would wait for ever.
    threading.Thread(target=end_with_parent, daemon=True).start()


def _do(task: Any) -> Any:
    assert _job is not None
    # Nobody listens to what comes of a task that is begun after that.
    return None if _job.stopped.is_set() else _job.work(_job.shared, task)
