"""Work in several processes, which end with their parent."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import (
    active_children,
    forkserver,
    get_all_start_methods,
    get_context,
    parent_process,
    resource_tracker,
    set_forkserver_preload,
)
from queue import SimpleQueue
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
        # It would let signals through again if it were started below.
        resource_tracker.ensure_running()
        with _starting():
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
    waiting: Callable[[list[Task]], None] = lambda _: None,
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
    waiting
        Called at the first Ctrl-C with the tasks that are being done.

    Whoever stops listening waits for the tasks that are being done; others are not begun. The same holds at
    the first Ctrl-C, and what is made of those being done is still yielded; a second one ends their
    processes. That is so in the main thread, where the program has no other answer to Ctrl-C.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C.
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
    stopped, begun = context.RawValue("b", 0), context.RawArray("b", len(tasks))
    finished: SimpleQueue[Future[tuple[Made] | None] | None] = SimpleQueue()
    others = set(active_children())

    def interrupted(times: int) -> None:
        stopped.value = 1
        if times == 1:
            finished.put(None)
        else:
            for process in set(active_children()) - others:
                process.terminate()

    with _ctrl_c(interrupted):
        pool = ProcessPoolExecutor(
            min(jobs, len(tasks), _MOST or jobs),
            mp_context=context,
            initializer=_start,
            initargs=(work, shared, around, stopped, begun),
        )
        try:
            with _starting():
                left = {pool.submit(_do, place, task): place for place, task in enumerate(tasks)}
            for future in left:
                future.add_done_callback(finished.put)
            while left:
                done = finished.get()
                if done is None:
                    waiting(
                        [tasks[place] for each, place in left.items() if begun[place] and not each.done()]
                    )
                    continue
                place, made = left.pop(done), done.result()
                if made is not None:
                    yield place, made[0]
        finally:
            # A process is handed its next task before it is done with the last one.
            stopped.value = 1
            pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c(pressed: Callable[[int], None]) -> Iterator[None]:
    """Have Ctrl-C call a function, with how often it was pressed; it interrupts when all inside is done."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    times = 0

    def press(*_: object) -> None:
        nonlocal times
        times += 1
        pressed(times)

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if times:
            raise KeyboardInterrupt


@contextmanager
def _starting() -> Iterator[None]:
    """Let processes that start meanwhile take one thread each, and never hear of Ctrl-C."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if sys.platform != "win32":
        # They inherit it, and so do those that come from them; to ignore it themselves would be too late.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Job(NamedTuple):
    """What a process of a pool does its tasks by."""

    work: Callable[[Any, Any], Any]
    shared: Any
    around: AbstractContextManager[object]
    stopped: Any
    begun: Any


_job: _Job | None = None


def _start(work: Callable[[Any, Any], Any], shared: Any, around: Around, stopped: Any, begun: Any) -> None:
    """Make a process of a pool ready."""
    global _job
    # Ctrl-C reaches all processes; the parent alone decides what becomes of the work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _job = _Job(work, shared, around(), stopped, begun)
    _job.around.__enter__()
    parent = parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    # A pool's process does not notice by itself that its parent was killed: it would wait for ever.
    threading.Thread(target=end_with_parent, daemon=True).start()


def _do(place: int, task: Any) -> tuple[Any] | None:
    """Do a task, unless that was stopped."""
    assert _job is not None
    # In this order, so that whoever stops the work misses no task that is being done.
    _job.begun[place] = 1
    if _job.stopped.value:
        _job.begun[place] = 0
        return None
    return (_job.work(_job.shared, task),)
