"""What a training is given: one TOML file, every parameter in it."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.self_training import NO_SELF_TRAINING, SelfTraining
from ecgtune.training import faulty
from ecgtune.training.episode_rhythms import KINDS
from ecgtune.training.networks import NETWORKS
from ecgtune.training.sequences import Augmentation

ENSEMBLE = "relation-ensemble"
"""The network whose members are trained one by one."""


@dataclass(frozen=True)
class DataOptions:
    """What a training reads.

    Parameters
    ----------
    databases
        With reference annotations ``atr``; a protocol takes its sides from them.
    paced
        Whether mitdb's paced records are there too: they teach Q.
    weak
        Databases whose recordings have a rhythm for a label; see `ecgtune.training.weak`. They only train.
    ventricular
        Databases whose rhythms tell of which recordings every beat is ventricular, and where; see
        `ecgtune.training.tachycardias`. They only train.
    without_ectopy
        Databases with recordings of which it is known that no beat is ectopic; see
        `ecgtune.training.without_ectopy`. They only train.
    episodes
        Kinds of episodes that are made up of training recordings, and train too; see
        `ecgtune.training.episodes`. Each list of kinds is put into a copy of the recordings of its own.
        Protocols that deal single beats to the sides go without.
    short
        Stretches of each training recording that train once more as if nothing else had been recorded; see
        `ecgtune.training.short`.
    faults
        Kinds of faults that stretches of training recordings are read with once more; see
        `ecgtune.training.faulty`. The same protocols go without.
    protocol
        That divides the databases, where no other is asked for.
    """

    databases: tuple[str, ...] = ("mitdb",)
    paced: bool = False
    weak: tuple[str, ...] = ()
    ventricular: tuple[str, ...] = ()
    without_ectopy: tuple[str, ...] = ()
    episodes: tuple[tuple[str, ...], ...] = ()
    faults: tuple[str, ...] = ()
    short: int = 0
    protocol: str = "inter-patient"

    def __post_init__(self) -> None:
        if self.short < 0:
            raise ModelError(f"[data] short is {self.short}; give a number of stretches, 0 for none")
        if any(isinstance(kinds, str) for kinds in self.episodes):
            raise ModelError("[data] episodes: give a list of kinds for each copy of the recordings: [[...]]")
        for option, asked, known in (
            ("episodes", tuple(chain.from_iterable(self.episodes)), tuple(KINDS)),
            ("faults", self.faults, faulty.KINDS),
        ):
            if unknown := set(asked) - set(known):
                raise ModelError(
                    f"[data] {option}: {', '.join(sorted(unknown))} unknown; known: {', '.join(known)}"
                )

    @property
    def patients(self) -> str:
        """Whose folds choose: ``strict``, DS1's, or ``open``, all but DS2's (`ecgtune.splits`)."""
        return "strict" if self.databases == ("mitdb",) else "open"


@dataclass(frozen=True)
class TrainingOptions:
    """How the network is fitted.

    Parameters
    ----------
    epochs
        Passes over the training side.
    patience
        Epochs without a better macro-F1 on the validation side after which training stops.
    batch, length
        Excerpts in a batch, beats in an excerpt.
    lr, weight_decay
        Of AdamW; the rate is the largest of a cosine schedule.
    class_weight
        Power of the inverse class frequency that weights the loss.
    label_smoothing
        Of the cross-entropy.
    weak_weight
        Of the loss over beats of weakly labelled recordings.
    no_ectopy_weight
        Of the loss over beats of recordings without an ectopic one.
    refit
        Whether the network is fitted once more on training and validation side together before it is tested.
    refit_epochs
        For how many epochs; 0 means for as many as were best. One validation side of few patients chooses
        an epoch badly: a number found by leaving patients out in turn is better.
    temperature
        What the exported model divides its logits by; 0 means that it is fitted on the validation side. Here
        too a number found by leaving patients out in turn is better (``ecgtune train --folds`` tells it).
    """

    epochs: int = 20
    patience: int = 20
    batch: int = 16
    length: int = 64
    lr: float = 0.004
    weight_decay: float = 0.01
    class_weight: float = 0.5
    label_smoothing: float = 0.02
    weak_weight: float = 0.0
    no_ectopy_weight: float = 0.0
    refit: bool = True
    refit_epochs: int = 0
    temperature: float = 0.0


@dataclass(frozen=True)
class Config:
    """A whole training.

    Parameters
    ----------
    name, version, summary
        Of the model.
    network
        Name of the network, and its arguments beside those that follow from the preprocessing.
    data, preprocessing, augmentation, training, self_training
        See their classes.
    """

    name: str
    version: str
    summary: str
    network: dict[str, Any]
    data: DataOptions
    preprocessing: Preprocessing
    augmentation: Augmentation
    training: TrainingOptions
    self_training: SelfTraining = NO_SELF_TRAINING

    @property
    def architecture(self) -> dict[str, Any]:
        """Name and all arguments of the network, those that follow from the preprocessing too."""
        how = self.preprocessing
        known = {
            "channels": how.channels,
            "width": how.width,
            "rhythm": len(how.rhythm_features),
            "before": how.before,
            "alike": how.alike > 0,
        }
        given = NETWORKS[self.network["network"]].given
        return {**self.network, **{name: known[name] for name in given}}

    @property
    def members(self) -> int:
        """Networks of an ensemble that are trained apart; 1 where the network is none."""
        return 1 if self.member is self else int(self.network["members"])

    @property
    def member(self) -> "Config":
        """The configuration of a member of an ensemble; this one where the network is none."""
        if self.network["network"] != ENSEMBLE:
            return self
        others = {name: value for name, value in self.network.items() if name != "members"}
        return replace(self, network=others | {"network": "relation-sequence"})

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, as JSON gives them back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain | {"preprocessing": self.preprocessing.to_card()}


def load_config(name: str | Path) -> Config:
    """Read a configuration by name (``default``) or from a TOML file.

    Raises
    ------
    ModelError
        Where it is not there, is no TOML, or holds parameters that nobody reads.
    """
    path = Path(str(files("ecgtune.training"))) / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = sorted(p.stem for p in Path(str(files("ecgtune.training"))).glob("*.toml"))
        raise ModelError(
            f"{name}: no such configuration; known: {', '.join(known)}, or a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{path}: is no TOML: {error}") from error
    return make_config(content, str(path))


def make_config(content: dict[str, Any], path: str) -> Config:
    """Check the content of a configuration; see `load_config`."""
    content = dict(content)
    sections = {
        "data": DataOptions,
        "preprocessing": Preprocessing,
        "augmentation": Augmentation,
        "training": TrainingOptions,
        "self_training": SelfTraining,
    }
    made: dict[str, Any] = {}
    for section, kind in sections.items():
        given = content.pop(section, {})
        _check_section(section, given, {field.name: field.default for field in fields(kind)}, path)
        make = Preprocessing.from_card if section == "preprocessing" else _make(kind)
        made[section] = make(given)
    if not made["training"].temperature >= 0:
        raise ModelError(
            f"{path}: [training] temperature is {made['training'].temperature:g}; give 0 or more"
        )
    for key in ("name", "version", "summary", "network"):
        if key not in content:
            raise ModelError(f"{path}: {key} is missing")
        made[key] = content.pop(key)
    if content:
        raise ModelError(f"{path}: knows no {', '.join(sorted(content))}")
    if not isinstance(made["network"], dict) or made["network"].get("network") not in NETWORKS:
        raise ModelError(f"{path}: [network] needs network = one of: {', '.join(NETWORKS)}")
    network = NETWORKS[made["network"]["network"]]
    if made["network"]["network"] == ENSEMBLE:
        if not isinstance(made["network"].get("members"), int):
            raise ModelError(f"{path}: [network] {ENSEMBLE} needs members = how many")
        if not made["training"].refit:
            raise ModelError(
                f"{path}: [training] refit = false; of an ensemble only what is refitted is whole"
            )
    if made["self_training"].active and not hasattr(network, "evidence"):
        raise ModelError(
            f"{path}: [self_training] needs what a network knows of each beat, and "
            f"{made['network']['network']} does not tell; take relation-sequence"
        )
    given = network.given
    if twice := sorted(set(given) & set(made["network"])):
        raise ModelError(f"{path}: [network] {', '.join(twice)} follows from [preprocessing]; leave it out")
    return Config(**made)


def _make(kind: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    """What makes a section from its content, TOML's lists as tuples."""

    def make(given: dict[str, Any]) -> Any:
        return kind(**{key: _frozen(value) for key, value in given.items()})

    return make


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value


def _check_section(section: str, given: Any, defaults: dict[str, Any], path: str) -> None:
    """Refuse parameters that nobody reads, and values of another type than the default's."""
    if not isinstance(given, dict):
        raise ModelError(f"{path}: {section} is {given!r}; write it as a table, [{section}]")
    if unknown := set(given) - set(defaults):
        raise ModelError(f"{path}: [{section}] knows no {', '.join(sorted(unknown))}")
    for key, value in given.items():
        kind = type(defaults[key])
        # TOML has lists for tuples, and whole numbers are fine where fractions are.
        taken = {float: (int, float), tuple: (list,)}.get(kind, (kind,))
        if not isinstance(value, taken) or isinstance(value, bool) != (kind is bool):
            raise ModelError(f"{path}: [{section}] {key} is {value!r}; give a value like {defaults[key]!r}")


def quick_config(config: Config) -> Config:
    """The same for two epochs, to see that everything works."""
    few = replace(config.training, epochs=2, refit_epochs=min(config.training.refit_epochs, 2))
    return replace(config, training=few)
