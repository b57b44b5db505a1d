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

from grokcore.interpret.intervals import Bootstrap, Interval
from grokcore.interpret.mixing import map_numbers
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel


def measure(subject: Subject) -> Iterator[Number]:
    """Yield a[head,t,i], mean over examples, with t as `position`, i as `target` and `head 3` as `case`."""
    for case in subject.cases:
        weights = attention_maps(subject.model, subject.inputs(case))
        if weights is None:
            continue
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        means = bootstrap.mean(np.moveaxis(weights.double().cpu().numpy(), 1, -1))  # (L, H, T, T)
        for head in range(means.value.shape[1]):
            of_head = Interval(*(part[:, head] for part in means))
            yield from map_numbers("attention", case, of_head, f"head {head}")


@torch.no_grad()
def attention_maps(model: SequenceModel, inputs: Tensor) -> Tensor | None:
    """Return the weights (L, N, H, T, T) for the normalized inputs (L, N, T, D) of token mixers, if there are any."""
    weights = [model.attention_weights(number, x) for number, x in enumerate(inputs)]
    found = [one for one in weights if one is not None]
    return torch.stack(found) if found else None
