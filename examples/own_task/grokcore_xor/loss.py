"""The squared error between logits and one-hot targets, with which small networks grok, too (arXiv 2301.02679)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def squared_error(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean over (N,) `targets` of |logits - one-hot|^2 for (N, V) `logits`, computed in fp32."""
    logits = logits.float()
    wanted = functional.one_hot(targets, logits.shape[1]).to(torch.float32)
    wanted = wanted * (1 - label_smoothing) + label_smoothing / logits.shape[1]
    return (logits - wanted).square().sum(dim=1).mean()


squared_error.operations = 3  # type: ignore[attr-defined]  # per logit beyond cross-entropy's, for counts of FLOPs
