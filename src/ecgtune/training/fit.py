"""A network fitted to prepared recordings, from scratch or from where it stopped."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from skorch import NeuralNet
from skorch.helper import predefined_split
from torch import nn

from ecgtune.errors import ModelError
from ecgtune.files import make_folder, write_whole
from ecgtune.splits import Split
from ecgtune.training.config import Config
from ecgtune.training.estimator import (
    SCORE,
    KeepRun,
    Schedule,
    SequenceLoss,
    macro_f1_scoring,
    train_to_best,
)
from ecgtune.training.networks import build_network
from ecgtune.training.sequences import Excerpts, Recording, class_weights

Progress = Callable[[str], None]


def claim(out: Path, config: Config, split: Split, seed: int) -> None:
    """Make the folder this training's.

    Raises
    ------
    ModelError
        Where it holds another configuration, split or seed.
    """
    mine = json.dumps({"config": config.to_dict(), "split": split.hash, "seed": seed}, indent=1) + "\n"
    path = out / "config.json"
    if path.exists() and path.read_text() != mine:
        raise ModelError(
            f"{out}: holds a training with another configuration, split or seed; choose another --out"
        )
    write_whole(path, mine)


def fresh_network(config: Config) -> nn.Module:
    """Build the network with fresh weights."""
    arguments = config.architecture
    return build_network(arguments.pop("network"), **arguments)


def fit(
    config: Config,
    train_side: Sequence[Recording],
    beside: Sequence[Recording],
    validate_side: Sequence[Recording] | None,
    folder: Path,
    seed: int,
    tell: Progress,
    *,
    epochs: int | None = None,
) -> tuple[NeuralNet, int]:
    """Fit from scratch or from where it stopped.

    Parameters
    ----------
    config
        Network, augmentation and how it is fitted.
    train_side
        Recordings with labels of beats, by which the classes are weighted.
    beside
        Others that train too, but have no say in how the classes are weighted.
    validate_side
        Chooses the best epoch; None where the last one is taken.
    folder
        Of the checkpoints.
    seed
        Of the weights and every random draw.
    tell
        Called with each line of progress.
    epochs
        The configuration's where None.

    Returns
    -------
    NeuralNet
        With the weights of the best epoch.
    int
        That epoch, counted from one.
    """
    options = config.training
    planned = options.epochs if epochs is None else epochs
    make_folder(folder)
    train_set = Excerpts([*train_side, *beside], options.length, jitter=True)
    validate_set = None
    if validate_side is not None:
        validate_set = Excerpts(validate_side, options.length, jitter=False)
    torch.manual_seed(seed)
    network = fresh_network(config)
    callbacks: list[Any] = [("schedule", Schedule(seed, planned, options.lr))]
    if validate_set is not None:
        callbacks.append((SCORE, macro_f1_scoring()))
    keep = KeepRun(folder, options.patience, tell)
    callbacks.append(("keep", keep))
    net = NeuralNet(
        network,
        SequenceLoss,
        criterion__weight=class_weights([one.label for one in train_side], options.class_weight),
        criterion__label_smoothing=options.label_smoothing,
        criterion__not_s=options.weak_weight,
        criterion__not_ectopic=options.no_ectopy_weight,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=options.weight_decay,
        lr=options.lr,
        batch_size=options.batch,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=partial(config.augmentation, leads=config.preprocessing.leads),
        train_split=None if validate_set is None else predefined_split(validate_set),
        callbacks=callbacks,
        callbacks__print_log=None,
        verbose=0,
    ).initialize()
    return net, train_to_best(net, train_set, keep, planned)
