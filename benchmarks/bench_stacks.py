"""The grid of `patient-transfer` for three patients, one epoch each: stacks beside one network at a time.

18 settings, from scratch and from given weights, each network trained on the patient's own windows and
validated after the epoch. The plain loop is a network of torch's own layers, torch's Adam as it comes and the
same batches; that both come to the same weights is held by the tests. One thread each. Weights to tune from
are fresh ones: what they are takes no time.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench import finish, interleaved, options, table
from ecgtune.systems.config import load_config
from ecgtune.systems.patient_transfer import (
    NAME,
    as_windows,
    grid,
    load_windows,
    paper_split,
    seed_of,
    sides_by_record,
)
from ecgtune.training.sampling import epoch_batches
from ecgtune.training.stacked import Member, fresh_weights, use_bfloat16
from ecgtune.training.stacks import Windows, train_all

RECORDS = ("106", "119", "203")
PLAIN, STACKS, BFLOAT16 = "one at a time", "stacks", "stacks, bfloat16"


class Plain(nn.Module):
    """`ResidualWindow` for the paper's windows, of torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv1d(1, 32, 5, padding=2)
        self.first = nn.ModuleList(nn.Conv1d(32, 32, 5, padding=2) for _ in range(4))
        self.second = nn.ModuleList(nn.Conv1d(32, 32, 5, padding=2) for _ in range(4))
        self.dense = nn.Linear(160, 160, bias=False)
        self.leave = nn.Linear(160, 1)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits [batch] of windows [batch, 1, 128]."""
        hidden = self.enter(windows)
        for first, second in zip(self.first, self.second, strict=True):
            hidden = F.max_pool1d(F.relu(second(F.relu(first(hidden))) + hidden), 5, 2)
        logits: Tensor = self.leave(F.relu(self.dense(hidden.flatten(1))))
        return logits[:, 0]


def plain_loop(members: Sequence[Member], inputs: Tensor, labels: Tensor) -> None:
    """Train one network after the other for one epoch, and validate it."""
    for member in members:
        torch.manual_seed(member.seed)
        network = Plain()
        how = member.settings
        optimizer = torch.optim.Adam(network.parameters(), lr=how.lr, weight_decay=how.weight_decay)
        own = labels[member.train].numpy()
        draw = np.random.default_rng((member.seed, 0))
        for batch in epoch_batches(own, how.batch, weighted=how.weighted, draw=draw):
            rows = torch.from_numpy(member.train[batch[batch >= 0]])
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(network(inputs[rows]), labels[rows].float())
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        rows = torch.from_numpy(member.validate)
        with torch.inference_mode():
            F.binary_cross_entropy_with_logits(network(inputs[rows]), labels[rows].float())


def stacks(members: Sequence[Member], windows: Windows, bfloat16: bool) -> None:
    """Train all together, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        train_all(members, windows, Path(folder), jobs=1, bfloat16=bfloat16, weights=False)


def members_of(records: Sequence[str], quick: bool) -> tuple[list[Member], Windows]:
    """Every network of the grid for some patients, by batch size, and the windows."""
    config = load_config(NAME)
    beats = load_windows(config, records)
    if quick:
        beats = beats.select(slice(None, None, 10))
    sides = sides_by_record(beats, paper_split(config, beats, 0))
    windows = as_windows(config, beats)
    start = fresh_weights(windows.build, 0)
    members = [
        Member(
            f"{record} {way} {settings}",
            side.train,
            side.validate,
            replace(settings, epochs=1),
            given,
            seed_of(record, 0),
        )
        for record, side in sides.items()
        for way, given in (("individual", None), ("fine-tuned", start))
        for settings in grid(config)
    ]
    return sorted(members, key=lambda member: member.settings.batch), windows


def jobs_of(members: Sequence[Member], windows: Windows) -> dict[str, Callable[[], None]]:
    """Ways of training the same members."""
    inputs, labels = torch.from_numpy(windows.windows[:, np.newaxis]), torch.from_numpy(windows.labels)
    jobs = {
        PLAIN: lambda: plain_loop(members, inputs, labels),
        STACKS: lambda: stacks(members, windows, bfloat16=False),
    }
    if use_bfloat16():
        jobs[BFLOAT16] = lambda: stacks(members, windows, bfloat16=True)
    return jobs


def main() -> None:
    given = options(__doc__, RECORDS)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    members, windows = members_of(given.records, given.quick)
    found: dict[str, dict[str, float]] = {}
    trained: dict[str, int] = {}
    for batch, same in groupby(members, key=lambda member: member.settings.batch):
        several = list(same)
        name = f"batch {batch}"
        found[name] = interleaved(jobs_of(several, windows), 1 if given.quick else 3)
        trained[name] = sum(len(member.train) for member in several)
    total = "all"
    found[total] = {way: sum(times[way] for times in found.values()) for way in next(iter(found.values()))}
    trained[total] = sum(trained.values())
    table(
        f"{len(members)} networks, patients {' '.join(given.records)}, one thread of {os.cpu_count()}",
        ("", "windows", "s", "us a window", "times as fast"),
        [
            (
                f"{name}, {way}",
                f"{trained[name]:,}",
                f"{taken:.2f}",
                f"{1e6 * taken / trained[name]:.0f}",
                f"{times[PLAIN] / taken:.1f}",
            )
            for name, times in found.items()
            for way, taken in times.items()
        ],
    )
    finish(
        given,
        "stacks",
        {"records": given.records, "networks": len(members), "windows": trained, "seconds": found},
    )


if __name__ == "__main__":
    main()
