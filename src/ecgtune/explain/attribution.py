"""Why this label: the share that each sample of a beat, and each RR feature, has in a class's logit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.explain.baselines import BASELINES, baseline_of
from ecgtune.explain.methods import METHODS, Asked, attribute
from ecgtune.explain.subject import Examples, Subject, logits_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

Target = int | str | Sequence[int] | Ints

STEPS = 50
"""Of Integrated Gradients."""


@dataclass(frozen=True)
class Attribution:
    """What each input contributed.

    Parameters
    ----------
    values
        float32 [beats, leads, samples]: contribution to the logit of ``target``; of Integrated Gradients the
        input minus the baseline times the mean gradient between them, of occlusion what the logit loses, of
        Grad-CAM a weight of 0 or more that all leads share. Of images [images, channels, height, width].
    target
        Explained class of each beat, int64 [beats].
    method
        Of `METHODS`.
    baseline
        Of `BASELINES`; empty where the method has none.
    delta
        float32 [beats]: what the contributions sum up to, minus the difference of the logits that they should
        sum up to; None where the method promises no sum.
    rhythm
        float32 [beats, features]: contribution of the RR features; None where the model has none or the
        method does not say.
    """

    values: Floats = field(repr=False)
    target: Ints = field(repr=False)
    method: str
    baseline: str
    delta: Floats | None = field(default=None, repr=False)
    rhythm: Floats | None = field(default=None, repr=False)


def explain(
    subject: Subject,
    examples: Examples,
    *,
    method: str = "integrated-gradients",
    target: Target | None = None,
    baseline: str = "zero",
    steps: int = STEPS,
    seed: int = 0,
) -> Attribution:
    """Attribute the logit of a class to the samples of each beat and to its RR features.

    Parameters
    ----------
    subject
        What is explained; see `ecgtune.explain.subject_of`.
    examples
        Beats as the subject's network sees them (`Subject.examples`). Their neighbours and typical beats are
        context: they stay as they are.
    method
        ``"integrated-gradients"``, ``"grad-cam"`` or ``"occlusion"``.
    target
        Class by index or name, one for all or an index for each beat; the predicted one where None.
    baseline
        What stands for "nothing there": one of the subject's ``baselines``. Grad-CAM needs none.
    steps
        Of Integrated Gradients.
    seed
        Of the baseline ``"noise"``.

    Raises
    ------
    ModelError
        On an unknown method, baseline or class, steps below 1, no examples, and Grad-CAM of a network without
        convolutions.
    """
    if method not in METHODS:
        raise ModelError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if baseline not in subject.baselines:
        raise ModelError(
            f"unknown baseline {baseline!r} for {subject.name}; known: {', '.join(subject.baselines)}"
        )
    if steps < 1:
        raise ModelError(f"{steps} steps asked for; give 1 or more")
    if not len(examples):
        raise ModelError(f"{subject.name}: no beats to explain; give at least one")
    classes = _targets(subject, examples, target)
    uses = METHODS[method].needs_baseline
    start = baseline_of(examples, baseline, seed) if uses else None
    found = attribute(subject, examples, Asked(method, classes, start, steps))
    return Attribution(
        found.values, classes, method, baseline if uses else "", delta=found.delta, rhythm=found.rhythm
    )


def _targets(subject: Subject, examples: Examples, target: Target | None) -> Ints:
    n, classes = len(examples), subject.classes
    if target is None:
        return np.asarray(logits_of(subject, examples).argmax(axis=1), dtype=np.int64)
    if isinstance(target, str):
        if target not in classes:
            raise ModelError(f"{subject.name}: no class {target!r}; it has {', '.join(classes)}")
        target = classes.index(target)
    chosen = np.broadcast_to(np.asarray(target, dtype=np.int64), (n,)).copy()
    if ((chosen < 0) | (chosen >= len(classes))).any():
        raise ModelError(f"{subject.name}: class {int(chosen.max())}; it has 0 to {len(classes) - 1}")
    return chosen


__all__ = ["BASELINES", "METHODS", "STEPS", "Attribution", "explain"]
