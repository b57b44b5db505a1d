"""Attention weights, where an architecture has weights of positions that sum to 1.

GPT-2 and LLaMA: softmax attention of every head. Linear attention: its normalized weights. RWKV-4: its softmax over
positions (arXiv 2305.13048, equations 16 and 17), mean over channels. The others yield nothing: their weights do not
sum to 1 (RetNet, GLA, Mamba-2, RWKV-6, DeltaNet) or belong to single states (Mamba); value-zeroing maps them all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case
from grokcore.interpret.intervals import Bootstrap, Interval, Values
from grokcore.interpret.mixing import map_numbers
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel


def measure(subject: Subject) -> Iterator[Number]:
    """Yield a[head,t,i], mean over examples, with t as `position`, i as `target` and `head 3` as `case`.

    The headline `mass_on_relevant`, of cases where some tokens change the answer and others do not, is the share of
    what the last position gives to earlier ones that it gives to relevant ones, over all heads and blocks. Its
    reference `mass_on_relevant_uniform` is that of equal weights; compare an untrained model too, since RWKV-4 does not
    start from equal weights.
    """
    for case in subject.cases:
        weights = attention_maps(subject.model, subject.inputs(case))
        if weights is None:
            continue
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        maps = weights.double().cpu().numpy()  # (L, N, H, T, T)
        means = bootstrap.mean(np.moveaxis(maps, 1, -1))  # (L, H, T, T)
        for head in range(means.value.shape[1]):
            of_head = Interval(*(part[:, head] for part in means))
            yield from map_numbers("attention", case, of_head, f"head {head}")
        yield from _on_relevant(case, maps[:, :, :, -1].mean((0, 2)), bootstrap)


def _on_relevant(case: Case, weights: Values, bootstrap: Bootstrap) -> Iterator[Number]:
    """Yield the headline and its reference for the mean weights (N, T) of the last position."""
    changing = (one for one in case.counterfactuals.values() if (one.answers != case.answers[one.rows]).any())
    named = {role for one in changing for role in one.positions}
    relevant = [role in named for role in case.roles[:-1]]
    if not any(relevant) or all(relevant):
        return
    earlier = weights[:, :-1]
    mass = bootstrap.of(lambda means: means[..., 0] / means[..., 1], earlier[:, relevant].sum(1), earlier.sum(1))
    value, lower, upper = (float(part) for part in mass)
    yield Number("mass_on_relevant", value, len(case), case.split, lower=lower, upper=upper)
    yield Number("mass_on_relevant_uniform", float(np.mean(relevant)), len(case), case.split)


@torch.no_grad()
def attention_maps(model: SequenceModel, inputs: Tensor) -> Tensor | None:
    """Return the weights (L, N, H, T, T) for the normalized inputs (L, N, T, D) of token mixers, if there are any."""
    weights = [model.attention_weights(number, x) for number, x in enumerate(inputs)]
    found = [one for one in weights if one is not None]
    return torch.stack(found) if found else None
