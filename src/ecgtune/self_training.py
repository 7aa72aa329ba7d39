"""Limits between classes drawn anew among the patient's own beats, without a label of theirs.

A network draws its limits where they suit the patients that it was trained on. In one recording the beats of
a class lie closer together, and of most of them the network is sure. So of a stretch of beats the sure ones
give a linear discriminant (Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x) in what is known of each
beat, as if the network's labels were right (self-training, Scudder 1965, doi:10.1109/TIT.1965.1053799), and
two log odds of every beat move some way towards the discriminant's: of V against all others, of S against N.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp, softmax

from ecgtune.beats.usual_beat import STRETCH
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES

Floats = NDArray[np.floating]

SURE = 0.8
"""Probability of its label from which on a beat teaches; how much grows from there to 1."""

FEW = 30
"""Beats of a class that teach, at which its discriminant counts half."""

SHORT = 400
"""Beats of a stretch, at which discriminants count half."""

SHRINK = 100
"""Beats, of the training patients' variance and no covariance, that are added to those that teach."""

FEWEST = 10
"""Fewer beats than these teach nothing."""

LOWEST = -12.0
"""Logarithm of a probability below which a discriminant does not go."""

_TINY = 1e-30
"""Stands for a probability of 0."""

N, S, V = (CLASSES.index(name) for name in "NSV")
BUT_V = tuple(place for place in range(len(CLASSES)) if place != V)
"""All classes but V."""


@dataclass(frozen=True)
class SelfTraining:
    """How far log odds move towards the discriminant's, each between 0 (not at all) and 1 (all the way).

    Parameters
    ----------
    ventricular
        Of V against all other classes.
    supraventricular
        Of S against N.

    Raises
    ------
    ModelError
        Where one of them is no number from 0 to 1.
    """

    ventricular: float = 0.0
    supraventricular: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ModelError(f"[self_training] {name} is {value!r}; give a number from 0 to 1")

    @property
    def active(self) -> bool:
        """Whether anything moves."""
        return self.ventricular > 0 or self.supraventricular > 0

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "SelfTraining":
        """Read what a model's card says; a card that says nothing asks for none.

        Raises
        ------
        ModelError
            Where it holds something else.
        """
        given = card.get("self_training", {})
        known = {each.name for each in fields(cls)}
        if not isinstance(given, dict) or set(given) - known:
            raise ModelError(
                f"self_training {given!r:.60} in the model's card; give {' and '.join(sorted(known))}"
            )
        return cls(**given)


NO_SELF_TRAINING = SelfTraining()
"""Nothing moves."""


class Discriminant(NamedTuple):
    """A linear discriminant of a stretch of beats.

    Parameters
    ----------
    weight, bias
        ``evidence @ weight.T + bias`` are logits, float32 [classes, numbers] and [classes].
    trust
        Shares by which the log odds of V against all others, and of S against N, move towards the
        discriminant's, float32 [2].
    """

    weight: Floats
    bias: Floats
    trust: Floats


def discriminant_of(evidence: Floats, logits: Floats, how: SelfTraining) -> Discriminant:
    """Draw the discriminant of a stretch of beats from those that a network is sure of.

    Parameters
    ----------
    evidence
        What is known of each beat, about standardised and limited, [n, numbers].
    logits
        The network's, [n, classes].
    how
        See `SelfTraining`.
    """
    probability = np.exp(log_softmax(logits, axis=1)).astype(np.float32)
    sure = np.clip((probability.max(axis=1) - SURE) / (1 - SURE), 0, None)
    teaches = probability * sure[:, np.newaxis]
    count = teaches.sum(axis=0, dtype=np.float64)
    total, size = float(count.sum()), evidence.shape[1]
    if total < FEWEST:
        nothing = np.zeros((len(CLASSES), size), dtype=np.float32)
        return Discriminant(nothing, np.zeros(len(CLASSES), np.float32), np.zeros(2, np.float32))
    mean = (teaches.T @ evidence).astype(np.float64) / np.maximum(count, 1e-9)[:, np.newaxis]
    weighted = evidence * np.sqrt(sure)[:, np.newaxis]
    scatter = (weighted.T @ weighted).astype(np.float64) - (mean.T * count) @ mean
    covariance = (scatter + SHRINK * np.eye(size)) / (total + SHRINK)
    weight = np.linalg.solve(covariance, mean.T).T
    bias = np.log((count + 1e-3) / total) - 0.5 * (weight * mean).sum(axis=1)
    # A limit is as good as the rarer of its sides is known.
    rarer = np.array([min(count[V], total - count[V]), min(count[S], count[N])])
    shares = np.array([how.ventricular, how.supraventricular])
    trust = shares * rarer / (rarer + FEW) * len(evidence) / (len(evidence) + SHORT)
    return Discriminant(weight.astype(np.float32), bias.astype(np.float32), trust.astype(np.float32))


def moved(logits: Floats, evidence: Floats, to: Discriminant) -> Floats:
    """Move the log odds of beats towards a discriminant's: log probabilities, float32 [n, classes].

    Parameters
    ----------
    logits, evidence
        As in `discriminant_of`.
    to
        The discriminant of their stretch.
    """
    said = log_softmax(logits.astype(np.float64), axis=1)
    drawn = np.maximum(log_softmax((evidence @ to.weight.T + to.bias).astype(np.float64), axis=1), LOWEST)
    now = _odds(said)
    ventricular, supraventricular = now + to.trust[:, np.newaxis] * (_odds(drawn) - now)
    both = np.logaddexp(said[:, N], said[:, S])
    result = said.copy()
    result[:, S] = both - np.logaddexp(0, -supraventricular)
    result[:, N] = both - np.logaddexp(0, supraventricular)
    result -= logsumexp(result[:, BUT_V], axis=1, keepdims=True)
    result[:, V] = ventricular
    return np.asarray(log_softmax(result, axis=1), dtype=np.float32)


def _odds(said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of V against all others, and of S against N, [2, n], of log probabilities."""
    return np.stack([said[:, V] - logsumexp(said[:, BUT_V], axis=1), said[:, S] - said[:, N]])


def moved_by_stretches(
    logits: Floats, evidence: Floats, how: SelfTraining
) -> tuple[NDArray[np.float32], list[Discriminant]]:
    """Log probabilities of all beats of a recording, and the discriminants of its stretches of `STRETCH`.

    Parameters
    ----------
    logits, evidence, how
        As in `discriminant_of`.
    """
    trainer, said, drawn = SelfTrainer(how), np.empty(logits.shape, dtype=np.float32), []
    for begin in range(0, len(logits), STRETCH):
        own = slice(begin, begin + STRETCH)
        drawn.append(trainer.discriminant(logits[own], evidence[own]))
        said[own] = moved(logits[own], evidence[own], drawn[-1])
    return said, drawn


class SelfTrainer:
    """Moves the log odds of successive stretches of one recording, each by a discriminant of its own.

    Parameters
    ----------
    how
        See `SelfTraining`.
    """

    def __init__(self, how: SelfTraining) -> None:
        self._how = how
        self._evidence: list[Floats] = []
        self._logits: list[Floats] = []

    def discriminant(self, logits: Floats, evidence: Floats) -> Discriminant:
        """Draw that of the next stretch; where it is shorter than `STRETCH`, beats before it teach, too."""
        self._evidence, self._logits = (
            [np.concatenate([*before, now])[-max(STRETCH, len(now)) :]]
            for before, now in ((self._evidence, evidence), (self._logits, logits))
        )
        return discriminant_of(self._evidence[0], self._logits[0], self._how)

    def move(self, logits: Floats, evidence: Floats) -> Floats:
        """Log probabilities of the beats of the next stretch, float32 [n, classes]."""
        return moved(logits, evidence, self.discriminant(logits, evidence))

    def probability(self, said: Floats, evidence: Floats, temperature: float) -> NDArray[np.float32]:
        """Probabilities of the beats of the next stretch, float32 [n, classes].

        Parameters
        ----------
        said
            The network's probabilities, its logits divided by the temperature.
        evidence
            As in `discriminant_of`.
        temperature
            Odds move as the logits have them; what comes out is divided by it again.
        """
        logits = temperature * np.log(np.maximum(said, _TINY))
        return np.asarray(softmax(self.move(logits, evidence) / temperature, axis=1), dtype=np.float32)
