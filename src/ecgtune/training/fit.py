"""A network fitted to prepared recordings, from scratch or from where it stopped."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from skorch import NeuralNet
from skorch.helper import predefined_split

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
from ecgtune.training.networks import BeatNetwork, RelationEnsemble, build_network
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


def fresh_network(config: Config) -> BeatNetwork:
    """Build the network with fresh weights."""
    arguments = config.architecture
    return build_network(arguments.pop("network"), **arguments)


class Fitted(NamedTuple):
    """What fitting gives.

    Parameters
    ----------
    network
        With the weights of the best epoch.
    history
        A row for each epoch; of an ensemble, of one member behind the other.
    best
        That epoch, counted from one; of an ensemble, the last member's.
    """

    network: BeatNetwork
    history: list[dict[str, Any]]
    best: int


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
) -> Fitted:
    """Fit from scratch or from where it stopped; of an ensemble, every member by itself.

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
        Of the checkpoints; those of the members of an ensemble are in folders in it.
    seed
        Of the weights and every random draw. Each member of an ensemble has one of its own.
    tell
        Called with each line of progress.
    epochs
        The configuration's where None.
    """
    if config.member is not config:
        fitted = []
        for i in range(config.members):
            tell(f"member {i + 1} of {config.members}")
            own, own_seed = folder / f"member-{i}", config.members * seed + i
            sides = (train_side, beside, validate_side)
            fitted.append(fit(config.member, *sides, own, own_seed, tell, epochs=epochs))
        history = [row for one in fitted for row in one.history]
        members: Any = [one.network for one in fitted]
        return Fitted(RelationEnsemble(members), history, fitted[-1].best)
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
    best = train_to_best(net, train_set, keep, planned)
    return Fitted(net.module_, net.history.to_list(), best)
