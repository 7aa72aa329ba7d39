"""Work in several processes of one thread each, PyTorch's included."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from ecgtune import processes
from ecgtune.processes import Made, Shared, Task


def run_all(
    work: Callable[[Shared, Task], Made], shared: Shared, tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[int, Made]]:
    """Do tasks as `ecgtune.processes.run_all` does, in fresh ones; where in this one, with one thread."""
    return processes.run_all(work, shared, tasks, jobs, fresh=True, around=_one_thread)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
