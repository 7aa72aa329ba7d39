"""How much an attribution changes when its beat hardly does."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgtune.explain.attribution import explain
from ecgtune.explain.methods import captum_part
from ecgtune.explain.subject import Examples, Subject

Figures = NDArray[np.float64]
Ints = NDArray[np.int64]

RADIUS = 0.02
"""Largest change of a sample, in units of the signal's largest excursion in the beat's window."""


def sensitivity(
    subject: Subject,
    examples: Examples,
    target: Ints,
    *,
    method: str,
    baseline: str,
    steps: int,
    draws: int,
    seed: int = 0,
    radius: float = RADIUS,
) -> Figures:
    """Largest relative change of an attribution under small noise.

    Captum's maximum sensitivity (Yeh et al. 2019, arXiv:1901.09392). The noise is uniform; its size is a
    share of each beat's own, since networks differ in the units that they see.

    Parameters
    ----------
    subject, examples
        Whose explanations.
    target
        Explained class, int64 [beats]: the same with noise.
    method, baseline, steps
        See `ecgtune.explain.explain`.
    draws
        Noises for each beat.
    seed
        Of the noises, and of the baseline ``"noise"``, which stays the same.
    radius
        See `RADIUS`.

    Returns
    -------
    ndarray
        float64 [beats], 0 or more: norm of the change over the norm of the attribution; NaN where that is 0.
    """
    size = torch.from_numpy(np.abs(examples.signal).max(axis=(1, 2), keepdims=True))
    generator = torch.Generator().manual_seed(seed)

    def noisy(inputs: Tensor, share: float) -> Tensor:
        drawn = 2 * torch.rand(inputs.shape, generator=generator) - 1
        return inputs + share * size * drawn

    norms: list[Figures] = []

    def explanation(inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        signal = inputs[0] if isinstance(inputs, tuple) else inputs
        # captum has switched gradients off around this.
        with torch.enable_grad():
            found = explain(
                subject,
                examples.with_signal(signal.numpy()),
                method=method,
                target=target,
                baseline=baseline,
                steps=steps,
                seed=seed,
            )
        norms.append(np.linalg.norm(found.values.reshape(len(found.values), -1), axis=1))
        return (torch.from_numpy(found.values),)

    found: Tensor = captum_part("metrics").sensitivity_max(
        explanation,
        torch.from_numpy(np.ascontiguousarray(examples.signal)),
        perturb_func=noisy,
        perturb_radius=radius,
        n_perturb_samples=draws,
        # One noise at a time: the examples keep their number, and so their context.
        max_examples_per_batch=len(examples),
    )
    # The first call was without noise; captum divides by 1 where there is nothing to divide by.
    return np.where(norms[0] > 0, found.double().numpy(), np.nan)
