"""Trains the stacks of `small_stacks` as a program of its own: ``python train_stacks.py FOLDER JOBS``.

In a process that a test may kill: it pauses after each finished stack.
"""

import sys
import time
from pathlib import Path

from small_stacks import table, two_batch_sizes

from ecgtune.training.stacks import train_all

if __name__ == "__main__":
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    train_all(two_batch_sizes(), table(), folder, jobs=jobs, together=2, tell=lambda _: time.sleep(1))
