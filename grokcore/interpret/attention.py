"""Attention weights: what every head gives to positions, in each architecture's own terms.

All mixers here are sums over positions, o_t = sum_i A_ti v_i, within a head. GPT-2 and LLaMA: softmax attention. Linear
attention: its normalized weights. RetNet, GLA, Mamba-2 (arXiv 2405.21060, section 3.2), RWKV-6 and DeltaNet: the
recurrence unrolled, exactly; A may be negative there, and its rows sum to anything. RWKV-4 (arXiv 2305.13048, equations
16 and 17) and Mamba (arXiv 2403.01590) weigh each channel by itself: a map is the mean over channels, which no single
product computes.

Maps are shares, a = |A| / sum_i |A|: the scale of a row is lost in the norm of heads that follows in most of these. A
value may itself have seen earlier positions, where a short convolution or a token shift comes before (DeltaNet, both
Mambas, both RWKVs).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.intervals import Bootstrap, Interval
from grokcore.interpret.mixing import map_numbers, mass_on_relevant
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel


def measure(subject: Subject) -> Iterator[Number]:
    """Yield a[head,t,i], mean over examples, with t as `position`, i as `target` and `head 3` as `case`.

    The headline is `mixing.mass_on_relevant` of the mean over all heads and blocks.
    """
    for case in subject.cases:
        shares = attention_maps(subject.model, subject.inputs(case))
        if shares is None:
            continue
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        maps = shares.double().cpu().numpy()  # (L, N, H, T, T)
        means = bootstrap.mean(np.moveaxis(maps, 1, -1))  # (L, H, T, T)
        for head in range(means.value.shape[1]):
            of_head = Interval(*(part[:, head] for part in means))
            yield from map_numbers("attention", case, of_head, f"head {head}")
        yield from mass_on_relevant(case, maps[:, :, :, -1].mean((0, 2)), bootstrap)


@torch.no_grad()
def attention_maps(model: SequenceModel, inputs: Tensor) -> Tensor | None:
    """Return the shares (L, N, H, T, T) for the normalized inputs (L, N, T, D) of token mixers, if there are any."""
    weights = [model.attention_weights(number, x) for number, x in enumerate(inputs)]
    found = [one.abs() for one in weights if one is not None]
    return torch.stack([one / one.sum(-1, keepdim=True) for one in found]) if found else None
