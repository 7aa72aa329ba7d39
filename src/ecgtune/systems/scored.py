"""What was scored, as the result store keeps it, whatever it was that labelled the beats."""

from collections.abc import Mapping
from typing import Any, Protocol

from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Division, Scoring, plain_matrices
from ecgtune.splits import Split
from ecgtune.training.outcomes import Outcome, outcome_hash


class Scored(Protocol):
    """A method under a protocol; matrices are by test record."""

    @property
    def outcome(self) -> Outcome:
        """What was scored."""

    @property
    def split(self) -> Split:
        """Who was where."""

    @property
    def matrices(self) -> Mapping[str, Any]:
        """Confusion matrix [true, predicted] of each test record."""


def stored(tried: Mapping[tuple[str, int], Mapping[str, Scored]], database: str) -> dict[str, Any]:
    """Everything of a `Result` that follows from what was scored, by whom and when.

    Parameters
    ----------
    tried
        By protocol and seed, then by method.
    database
        Of the records.

    Returns
    -------
    dict
        ``created``, ``code``, ``machine``, ``divisions``, ``data``, ``scorings`` and ``matrices``, which are
        named ``"METHOD, PROTOCOL, seed SEED"``.
    """
    splits = [next(iter(methods.values())).split for methods in tried.values() if methods]
    keys = {key for split in splits for side, _ in split.sides() for key in split.records(side)}
    scorings = [
        Scoring(each.outcome.when, each.split.protocol, each.split.hash, outcome_hash(each.outcome))
        for methods in tried.values()
        for each in methods.values()
    ]
    return {
        "created": now().date(),
        "code": code_version(),
        "machine": machine_class(),
        "divisions": tuple(Division(split.protocol, split.seed, split.hash) for split in splits),
        "data": data_used(sorted(keys)),
        "scorings": tuple(sorted(scorings, key=lambda each: each.when)),
        "matrices": {
            f"{method}, {protocol}, seed {seed}": of_records(each.matrices, database)
            for (protocol, seed), methods in tried.items()
            for method, each in methods.items()
        },
    }


def of_records(matrices: Mapping[str, Any], database: str) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Matrices by database and record, in plain types."""
    return plain_matrices({f"{database}/{record}": matrix for record, matrix in matrices.items()})
