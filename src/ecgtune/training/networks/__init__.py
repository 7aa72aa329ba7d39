"""Networks by name; a model card names one and holds its arguments."""

from typing import Any

from ecgtune.errors import ModelError
from ecgtune.training.networks.beat_sequence import BeatSequence
from ecgtune.training.networks.relation_ensemble import RelationEnsemble
from ecgtune.training.networks.relation_sequence import RelationSequence

BeatNetwork = BeatSequence | RelationEnsemble
"""What labels sequences of beats; it tells its ``reach``."""

NETWORKS: dict[str, type[BeatSequence] | type[RelationEnsemble]] = {
    "beat-sequence": BeatSequence,
    "relation-sequence": RelationSequence,
    "relation-ensemble": RelationEnsemble,
}


def build_network(name: str, **arguments: Any) -> BeatNetwork:
    """Build a network with fresh weights.

    Raises
    ------
    ModelError
        On an unknown name, or arguments that the network does not take.
    """
    if name not in NETWORKS:
        raise ModelError(f"unknown network {name!r}; known: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise ModelError(f"network {name}: {error}; correct its arguments") from error


__all__ = ["NETWORKS", "BeatNetwork", "BeatSequence", "RelationEnsemble", "RelationSequence", "build_network"]
