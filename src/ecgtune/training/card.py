"""The card of a model that `ecgtune.training.run` trains."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ecgtune._version import __version__
from ecgtune.beats import Preprocessing
from ecgtune.beats.usual_beat import STRETCH
from ecgtune.databases import CATALOGUE
from ecgtune.labels import CLASSES
from ecgtune.self_training import SelfTraining
from ecgtune.splits import Split
from ecgtune.training.config import Config


def model_card(
    config: Config, split: Split, seed: int, reach: int, by_rhythm: Iterable[str] = ()
) -> dict[str, Any]:
    """Describe a trained network: what its model folder's card holds before the model is saved and tested.

    Parameters
    ----------
    config
        What it was trained by.
    split
        Whom it was trained on; its training side, and where the configuration refits the validation side too.
    seed
        Of the training.
    reach
        Beats on either side that the network reads.
    by_rhythm
        Patients whose recordings trained it by their rhythm, without labels of beats.
    """
    how = config.preprocessing
    refitted = config.training.refit and split.protocol != "leave-patients-out"
    sides = ("train", "validate") if refitted else ("train",)
    data = config.data
    read = (*data.databases, *data.weak, *data.ventricular, *data.without_ectopy)
    return {
        "name": config.name,
        "version": config.version,
        "summary": config.summary,
        "ecgtune": __version__,
        "classes": list(CLASSES),
        "architecture": config.architecture,
        "preprocessing": how.to_card(),
        "leads": "one or two; of more, the usual arrhythmia leads (MLII, II, V1, V5, ...) come first",
        "self_training": asdict(config.self_training),
        "looks_ahead": looks_ahead(how, reach, config.self_training),
        "training": {
            "data": ",".join(data.databases),
            "weak": list(data.weak),
            "ventricular": list(data.ventricular),
            "without_ectopy": list(data.without_ectopy),
            "episodes": [list(kinds) for kinds in data.episodes],
            "faults": list(data.faults),
            "short": data.short,
            "protocol": split.protocol,
            "split_hash": split.hash,
            "seed": seed,
            "options": asdict(config.training),
            "augmentation": asdict(config.augmentation),
            "records": ["/".join(key) for side in sides for key in split.records(side)],
            "patients": sorted({who for side in sides for who in split.patients(side)}),
            "patients_by_rhythm": sorted(set(by_rhythm)),
        },
        "metrics": {},
        "licence": "Apache-2.0",
        "data_licence": _said_once(CATALOGUE[name].licence for name in read),
        "citation": _said_once(CATALOGUE[name].citation for name in read),
        "intended_use": "research and engineering; not a medical device",
    }


def looks_ahead(how: Preprocessing, reach: int, self_training: SelfTraining) -> str:
    """Say what of a recording a label depends on.

    Parameters
    ----------
    how
        Preprocessing of the model.
    reach
        Beats on either side that the network reads.
    self_training
        Of the model.
    """
    further, stretch = "", []
    if how.usual:
        further = f", on the rate over {how.usual} beats before and after"
    if how.usual_beat:
        stretch.append("by what its usual beat is")
    if self_training.active:
        stretch.append("by self-training (without reference labels)")
    if stretch:
        further += (
            f", and {' and '.join(stretch)} on the beats of its stretch of {STRETCH}, or as many as there are"
        )
    return (
        "each label depends on the recording's signal and beats up to "
        f"{how.reach_with(reach)} beats before and after{further}; nothing else of the recording is used"
    )


def _said_once(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
