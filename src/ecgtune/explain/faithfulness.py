"""Whether the samples that an attribution names are those that the label rests on.

Deletion takes the samples away in order of attribution and watches the label's probability fall; insertion
puts them back (Petsiuk et al. 2018, "RISE", arXiv:1806.07421). What stands in the place of a sample that is
taken away decides much, so all of it is repeated with several fillings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgtune.explain.methods import captum_part
from ecgtune.explain.subject import Examples, Subject, context_of, inputs_of

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Ints = NDArray[np.int64]

Predict = Callable[[Tensor, Tensor], Tensor]
"""Logits [m, classes] of signals [m, leads, samples] in the place of those of some beats, int64 [m]."""

TOGETHER = 2048
"""Masked beats in one step."""

LONGEST = 0.2
"""The longest piece that `infidelity` replaces, as a share of the window; the shortest is a quarter of it."""


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
        """Area under each beat's curve of the logit, [beats]."""
        return np.asarray(np.trapezoid(self.logit, self.shares, axis=1))


def replace_in_order(
    predict: Predict,
    start: Floats,
    end: Floats,
    order: Ints,
    target: Ints,
    steps: int,
    temperature: float = 1.0,
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
    temperature
        What logits are divided by for probabilities.
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
            probability[own] = (
                (logits / temperature).softmax(1).gather(1, watched).view(-1, len(counts)).numpy()
            )
    return Curves(shares, probability, logit)


def reversed_curves(curves: Curves) -> Curves:
    """Curves of the same replacements undone, the last first.

    Insertion in a random order is deletion in the reverse order undone, and the reverse order is random, too.
    """
    return Curves(1 - curves.shares[::-1], curves.probability[:, ::-1], curves.logit[:, ::-1])


def random_orders(n: int, cells: int, seed: int) -> Ints:
    """Order the samples of each beat at random: int64 [n, cells]."""
    drawn = np.random.default_rng(seed).random((n, cells))
    return np.argsort(drawn, axis=1).astype(np.int64)


def infidelity(
    predict: Predict,
    signal: Floats,
    filling: Floats,
    values: Mapping[str, Floats],
    target: Ints,
    *,
    draws: int,
    seed: int = 0,
) -> dict[str, Figures]:
    """Share of what happens to the logit that attributions do not foretell.

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
        Contributions by name, [beats, leads, samples] each.
    target
        Explained class, int64 [beats].
    draws
        Pieces for each beat: a lead, a length up to `LONGEST` and a place are drawn.
    seed
        Of the pieces, which are the same for all contributions.

    Returns
    -------
    dict
        float64 [beats] by name: 0 where the contributions foretell everything, 1 where they are worth
        nothing; NaN where no piece changes the logit.
    """
    x, fill = torch.from_numpy(np.ascontiguousarray(signal)), torch.from_numpy(np.ascontiguousarray(filling))
    rows, n = torch.arange(len(x)), len(x)
    together = n * min(draws, max(1, TOGETHER // n))

    def squared(contributions: Tensor, *, scaled: bool) -> Figures:
        generator = torch.Generator().manual_seed(seed)

        def replace_piece(inputs: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
            piece = _pieces(inputs.shape, generator)
            # Contributions hold the difference of signal and filling already, so a replaced sample weighs 1.
            return piece.to(inputs.dtype), torch.where(piece, baselines.expand_as(inputs), inputs)

        with torch.inference_mode():
            found: Tensor = captum_part("metrics").infidelity(
                predict,
                replace_piece,
                x,
                contributions,
                baselines=fill,
                additional_forward_args=(rows,),
                target=torch.from_numpy(target),
                n_perturb_samples=draws,
                max_examples_per_batch=together,
                normalize=scaled,
            )
        return found.double().numpy()

    change = squared(torch.zeros_like(x), scaled=False)
    measured = {}
    for name, contributions in values.items():
        error = squared(torch.from_numpy(np.ascontiguousarray(contributions, np.float32)), scaled=True)
        measured[name] = np.full(n, np.nan)
        np.divide(error, change, out=measured[name], where=change > 0)
    return measured


def _pieces(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw a piece of one lead for each row, bool [n, leads, samples]."""
    n, leads, samples = shape
    most = max(1, round(LONGEST * samples))
    length = torch.randint(max(1, most // 4), most + 1, (n, 1), generator=generator)
    begin = (torch.rand(n, 1, generator=generator) * (samples - length + 1)).long()
    lead = torch.randint(0, leads, (n, 1), generator=generator)
    at = torch.arange(samples)
    inside = (at >= begin) & (at < begin + length)
    return inside.unsqueeze(1) & (torch.arange(leads) == lead).unsqueeze(2)
