"""Mixing maps by value-zeroing (arXiv 2301.12971): which positions every position reads, for every token mixer.

With m the token mixer of a block on its normalized input x (T, D), and x_i <- mean a row whose position i is replaced
by its mean over examples,
  V[t,i] = |m_t(x) - m_t(x, x_i <- mean)| / sum_j |m_t(x) - m_t(x, x_j <- mean)|,
which needs no attention weights, so that attention, RWKV, state spaces and linear attention compare.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case
from grokcore.interpret.intervals import Bootstrap, Interval
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel


def measure(subject: Subject) -> Iterator[Number]:
    """Yield V[t,i] of every block, mean over examples, with t as `position` and i as `target`.

    Trap: a token that is the same in all questions, such as `q`, equals its mean in the first block, so that nothing
    seems to read it, trained or not. Mass on the other positions is therefore no sign of learning, and no headline.
    """
    for case in subject.cases:
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        maps = value_zeroing(subject.model, subject.inputs(case)).double().cpu().numpy()  # (L, N, T, T)
        yield from map_numbers("value_zeroing", case, bootstrap.mean(np.moveaxis(maps, 1, -1)))


def map_numbers(metric: str, case: Case, maps: Interval, name: str = "") -> Iterator[Number]:
    """Yield maps (L, T, T) as numbers of (layer, position t, target i <= t)."""
    for layer, t, i in np.ndindex(maps.value.shape):
        if i <= t:
            value, lower, upper = (float(part[layer, t, i]) for part in maps)
            yield Number(
                metric,
                value,
                len(case),
                case.split,
                name,
                layer,
                case.roles[t],
                case.roles[i],
                lower=lower,
                upper=upper,
            )


@torch.no_grad()
def value_zeroing(model: SequenceModel, inputs: Tensor) -> Tensor:
    """Return V (L, N, T, T) for the normalized inputs (L, N, T, D) of token mixers; NaN where nothing is read."""
    return torch.stack([_value_zeroing(model, number, x) for number, x in enumerate(inputs)])


def _value_zeroing(model: SequenceModel, number: int, x: Tensor) -> Tensor:
    examples, tokens, _ = x.shape
    replaced = x.repeat(tokens, 1, 1, 1)  # (T, N, T, D): copy i has position i replaced
    at = torch.arange(tokens, device=x.device)
    replaced[at, :, at] = x.mean(0)[:, None]
    mixed = model.mix_tokens(number, replaced.flatten(0, 1)).unflatten(0, (tokens, examples))
    change_nti = torch.linalg.vector_norm(mixed - model.mix_tokens(number, x), dim=-1).permute(1, 2, 0)
    # Sums in another order are no reading: a causal mixer reads nothing of later positions.
    change_nti = change_nti.tril()
    shares: Tensor = change_nti / change_nti.sum(-1, keepdim=True)
    return shares
