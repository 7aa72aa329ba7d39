"""Work in several processes: order, places, errors, threads."""

import operator
import os
import time

import pytest
import torch

from ecgtune.training.workers import run_all


def wait(shared: float, task: float) -> tuple[float, int, int]:
    """Wait, and tell how long, in which process, with how many threads."""
    time.sleep(shared * task)
    return task, os.getpid(), torch.get_num_threads()


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_process_does_the_tasks_in_their_order_with_one_thread():
    found = list(run_all(wait, 0.0, [3.0, 1.0, 2.0], 1))
    assert found == [(place, (task, os.getpid(), 1)) for place, task in enumerate([3.0, 1.0, 2.0])]
    assert torch.get_num_threads() == 2


def test_a_single_task_needs_no_other_process():
    assert next(iter(run_all(wait, 0.0, [1.0], 4)))[1][1] == os.getpid()


def test_no_task_is_no_work():
    assert list(run_all(operator.truediv, 1, [], 4)) == []


def test_threads_are_as_before_after_an_error():
    with pytest.raises(ZeroDivisionError):
        list(run_all(operator.truediv, 1, [1, 0], 1))
    assert torch.get_num_threads() == 2


def test_several_processes_yield_each_result_with_its_place():
    found, processes = {}, set()
    for place, (task, process, threads) in run_all(wait, 0.3, [10.0, 0.0, 0.0, 0.0], 2):
        found[place] = task
        processes.add(process)
        assert threads == 1
    assert found == {0: 10.0, 1: 0.0, 2: 0.0, 3: 0.0}
    # What is quick does not wait for what was begun before it.
    assert next(iter(found)) != 0
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert torch.get_num_threads() == 2
