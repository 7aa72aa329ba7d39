"""Work in several processes of one thread each, which end with their parent."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

import torch

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Made = TypeVar("Made")


def run_all(
    work: Callable[[Shared, Task], Made], shared: Shared, tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[int, Made]]:
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
        Processes, each with one thread; 1 works in this one.
    """
    if jobs == 1 or len(tasks) < 2:
        threads = torch.get_num_threads()
        try:
            _start(work, shared)
            for place, task in enumerate(tasks):
                yield place, work(shared, task)
        finally:
            torch.set_num_threads(threads)
        return
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(work, shared),
    )
    try:
        futures = {pool.submit(_do, task): place for place, task in enumerate(tasks)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_job: tuple[Callable[[Any, Any], Any], Any] | None = None


def _start(work: Callable[[Any, Any], Any], shared: Any) -> None:
    """Make a process ready for tasks."""
    global _job
    _job = work, shared
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _start_worker(work: Callable[[Any, Any], Any], shared: Any) -> None:
    """Make a process of a pool ready."""
    _start(work, shared)
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    # A pool's process does not notice by itself that its parent was killed: it would wait for ever.
    threading.Thread(target=end_with_parent, daemon=True).start()


def _do(task: Any) -> Any:
    assert _job is not None
    work, shared = _job
    return work(shared, task)
