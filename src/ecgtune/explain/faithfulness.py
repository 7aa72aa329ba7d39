"""Whether the samples that an attribution names are those that the label rests on.

Deletion takes the samples away in order of attribution and watches the label's probability fall; insertion
puts them back (Petsiuk et al. 2018, "RISE", arXiv:1806.07421). What stands in the place of a sample that is
taken away decides much, so all of it is repeated with several fillings.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgtune.explain.subject import Examples, Subject, context_of, inputs_of

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Ints = NDArray[np.int64]

Predict = Callable[[Tensor, Tensor], Tensor]
"""Logits [m, classes] of signals [m, leads, samples] in the place of those of some beats, int64 [m]."""

TOGETHER = 2048
"""Masked beats in one step."""


def predictor(subject: Subject, examples: Examples) -> Predict:
    """Make a function from changed signals of some of the examples to logits; all else stays as it is."""
    module = subject.module
    fixed = (*inputs_of(examples)[1:], *context_of(examples))

    def predict(signal: Tensor, rows: Tensor) -> Tensor:
        logits: Tensor = module(signal, *(part[rows] for part in fixed))
        return logits

    return predict


@dataclass(frozen=True)
class Curves:
    """A class's probability and logit while samples are replaced.

    Parameters
    ----------
    shares
        Shares of the samples that are replaced, from 0 to 1, [steps].
    probability, logit
        float64 [beats, steps].
    """

    shares: Figures
    probability: Figures = field(repr=False)
    logit: Figures = field(repr=False)

    @property
    def area(self) -> Figures:
        """Area under each beat's curve of the probability, 0 to 1, [beats]."""
        return np.asarray(np.trapezoid(self.probability, self.shares, axis=1))

    @property
    def logit_area(self) -> Figures:
        """Area between each beat's curve of the logit and the logit of the whole beat, [beats]."""
        return np.asarray(np.trapezoid(self.logit, self.shares, axis=1))


def replace_in_order(
    predict: Predict, start: Floats, end: Floats, order: Ints, target: Ints, steps: int
) -> Curves:
    """Replace the samples of beats by others, the first in order first.

    Deletion goes from the signal to a filling, insertion from the filling to the signal.

    Parameters
    ----------
    predict
        See `predictor`.
    start, end
        float32 [beats, leads, samples]: what the samples are at first, and what each becomes.
    order
        Places in the flattened beat, int64 [beats, cells]; see `ecgtune.explain.agreement.order_of`.
    target
        Class that is watched, int64 [beats].
    steps
        Equal steps from nothing replaced to everything replaced.
    """
    n, cells = order.shape
    shares = np.linspace(0, 1, steps + 1)
    counts = torch.from_numpy(np.round(shares * cells).astype(np.int64))
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(cells), order.shape), axis=1)
    ranks = torch.from_numpy(rank).view(start.shape)
    before, after = torch.from_numpy(start), torch.from_numpy(end)
    size = max(1, TOGETHER // len(counts))
    probability, logit = np.empty((n, len(counts))), np.empty((n, len(counts)))
    with torch.inference_mode():
        for at in range(0, n, size):
            own = slice(at, min(at + size, n))
            replaced = ranks[own].unsqueeze(1) < counts.view(1, -1, 1, 1)
            masked = torch.where(replaced, after[own].unsqueeze(1), before[own].unsqueeze(1))
            rows = torch.arange(own.start, own.stop).repeat_interleave(len(counts))
            logits = predict(masked.flatten(0, 1), rows).double()
            watched = torch.from_numpy(target)[rows].unsqueeze(1)
            logit[own] = logits.gather(1, watched).view(-1, len(counts)).numpy()
            probability[own] = logits.softmax(1).gather(1, watched).view(-1, len(counts)).numpy()
    return Curves(shares, probability, logit)


def random_orders(n: int, cells: int, seed: int) -> Ints:
    """Order the samples of each beat at random: int64 [n, cells]."""
    drawn = np.random.default_rng(seed).random((n, cells))
    return np.argsort(drawn, axis=1).astype(np.int64)


def infidelity(
    predict: Predict,
    signal: Floats,
    filling: Floats,
    values: Floats,
    target: Ints,
    *,
    draws: int,
    seed: int = 0,
    longest: float = 0.2,
) -> Figures:
    """Share of what happens to the logit that an attribution does not foretell.

    Captum's infidelity (Yeh et al. 2019, arXiv:1901.09392) over pieces of the signal that are replaced by a
    filling: the sum of their contributions is compared with what the logit loses. Contributions are scaled
    for each beat as suits them best (captum's ``normalize``), since Grad-CAM has no unit, and the squared
    error is divided by the mean square of what the logit loses.

    Parameters
    ----------
    predict
        See `predictor`.
    signal, filling
        float32 [beats, leads, samples].
    values
        Contributions, [beats, leads, samples].
    target
        Explained class, int64 [beats].
    draws
        Pieces for each beat.
    seed
        Of the pieces: one lead each, in a place and of a length that are drawn.
    longest
        The longest piece as a share of the window; the shortest is a quarter as long.

    Returns
    -------
    ndarray
        float64 [beats]: 0 where the contributions foretell everything, 1 where they are worth nothing; NaN
        where no piece changes the logit.
    """
    from captum.metrics import infidelity as captum_infidelity

    measured = {}
    whole = torch.from_numpy(np.ascontiguousarray(signal))
    fill = torch.from_numpy(np.ascontiguousarray(filling))
    rows = torch.arange(len(whole))
    for name, scaled in (("error", True), ("change", False)):
        generator = torch.Generator().manual_seed(seed)
        contributions = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

        def replace_piece(inputs: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
            piece = _pieces(inputs.shape, longest, generator)  # noqa: B023
            # Contributions already hold the difference of signal and filling, so the piece weighs 1.
            return piece.to(inputs.dtype), torch.where(piece, baselines, inputs)

        with torch.inference_mode():
            measured[name] = captum_infidelity(
                predict,
                replace_piece,
                whole,
                contributions if scaled else torch.zeros_like(contributions),
                baselines=fill,
                additional_forward_args=(rows,),
                target=torch.from_numpy(target),
                n_perturb_samples=draws,
                max_examples_per_batch=max(len(whole), TOGETHER // len(whole) * len(whole)),
                normalize=scaled,
            ).double()
    found = np.full(len(signal), np.nan)
    change: Any = measured["change"].numpy()
    np.divide(measured["error"].numpy(), change, out=found, where=change > 0)
    return found


def _pieces(shape: torch.Size, longest: float, generator: torch.Generator) -> Tensor:
    """Draw a piece of one lead for each row, bool [n, leads, samples]."""
    n, leads, samples = shape
    most = max(1, round(longest * samples))
    least = max(1, most // 4)
    length = torch.randint(least, most + 1, (n, 1), generator=generator)
    begin = (torch.rand(n, 1, generator=generator) * (samples - length + 1)).long()
    lead = torch.randint(0, leads, (n, 1), generator=generator)
    at = torch.arange(samples)
    inside = (at >= begin) & (at < begin + length)
    return inside.unsqueeze(1) & (torch.arange(leads) == lead).unsqueeze(2)
