"""Mixing maps: which positions every position reads, for every token mixer alike.

With m the token mixer of a block on its normalized input x (T, D), and x_i <- r a row whose position i is replaced,

  V[t,i] = |m_t(x) - m_t(x, x_i <- r)| / sum_j |m_t(x) - m_t(x, x_j <- r)|

needs no attention weights, so that attention, RWKV, state spaces and linear attention compare (after arXiv 2301.12971).

    value_zeroing  r = the mean of position i over examples: what is read of that in which questions differ
    input_zeroing  r = 0: all that is read, of tokens that all questions share, too
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case
from grokcore.interpret.intervals import Bootstrap, Interval, Values
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel


def measure(subject: Subject) -> Iterator[Number]:
    """Yield V[t,i] of every block, mean over examples, with t as `position` and i as `target`.

    The headline `mass_on_relevant` is of `input_zeroing`, mean over blocks.
    """
    for case in subject.cases:
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        inputs = subject.inputs(case)
        to_mean, to_zero = (
            maps.double().cpu().numpy()  # (L, N, T, T)
            for maps in (value_zeroing(subject.model, inputs), input_zeroing(subject.model, inputs))
        )
        yield from map_numbers("value_zeroing", case, bootstrap.mean(np.moveaxis(to_mean, 1, -1)))
        yield from map_numbers("input_zeroing", case, bootstrap.mean(np.moveaxis(to_zero, 1, -1)))
        yield from mass_on_relevant(case, to_zero[:, :, -1].mean(0), bootstrap)


def mass_on_relevant(case: Case, shares: Values, bootstrap: Bootstrap) -> Iterator[Number]:
    """Yield which part of what the last position reads of earlier ones it reads of those that decide the answer.

    Relevant are the positions of counterfactuals with another answer. Nothing is yielded where all earlier positions
    are, or none. The reference `mass_on_relevant_uniform` is that of equal shares; compare an untrained model, too: not
    every architecture starts from equal shares. Of value-zeroing it would be no sign of learning: a token that all
    questions share, such as `q`, equals its mean in the first block, so that nothing seems to read it, trained or not;
    another example's input in its place would be the same.

    Args:
        shares: (N, T), of the last position.
    """
    changing = (one for one in case.counterfactuals.values() if (one.answers != case.answers[one.rows]).any())
    named = {role for one in changing for role in one.positions}
    relevant = [role in named for role in case.roles[:-1]]
    if not any(relevant) or all(relevant):
        return
    earlier = shares[:, :-1]
    mass = bootstrap.of(lambda means: means[..., 0] / means[..., 1], earlier[:, relevant].sum(1), earlier.sum(1))
    value, lower, upper = (float(part) for part in mass)
    yield Number("mass_on_relevant", value, len(case), case.split, lower=lower, upper=upper)
    yield Number("mass_on_relevant_uniform", float(np.mean(relevant)), len(case), case.split)


def map_numbers(metric: str, case: Case, maps: Interval, name: str = "") -> Iterator[Number]:
    """Yield maps (L, T, T) as numbers of (layer, position t, target i <= t)."""
    for layer, t, i in np.ndindex(maps.value.shape):
        if i <= t:
            value, lower, upper = (float(part[layer, t, i]) for part in maps)
            place = (layer, case.roles[t], case.roles[i])
            yield Number(metric, value, len(case), case.split, name, *place, lower=lower, upper=upper)


@torch.no_grad()
def value_zeroing(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Return V (L, N, T, T), with r the mean, for the normalized inputs (L, N, T, D) of token mixers.

    NaN where nothing is read.
    """
    return torch.stack([_shares(model, number, x, x.mean(0)) for number, x in enumerate(inputs)])


@torch.no_grad()
def input_zeroing(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Return the same with r = 0."""
    return torch.stack([_shares(model, number, x, torch.zeros_like(x[0])) for number, x in enumerate(inputs)])


def _shares(model: SequenceModel, number: int, x: Tensor, replacement: Tensor) -> Tensor:
    """Return V (N, T, T) of one mixer on x (N, T, D), for a replacement (T, D) of each position."""
    examples, tokens, _ = x.shape
    replaced = x.repeat(tokens, 1, 1, 1)  # (T, N, T, D): copy i has position i replaced
    at = torch.arange(tokens, device=x.device)
    replaced[at, :, at] = replacement[:, None]
    mixed = model.mix_tokens(number, replaced.flatten(0, 1)).unflatten(0, (tokens, examples))
    change_nti = torch.linalg.vector_norm(mixed - model.mix_tokens(number, x), dim=-1).permute(1, 2, 0)
    # Sums in another order are no reading: a causal mixer reads nothing of later positions.
    change_nti = change_nti.tril()
    shares: Tensor = change_nti / change_nti.sum(-1, keepdim=True)
    return shares
