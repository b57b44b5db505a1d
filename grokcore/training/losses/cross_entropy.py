"""Softmax cross-entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean negative log-likelihood of (N,) `targets` under (N, V) `logits`, in nats, computed in fp32."""
    return functional.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)


LOSS = cross_entropy
