"""Softmax cross-entropy in fp64: the control that separates StableMax's shape from its numerical precision.

In fp32 1 - p of the target is rounded to 0 once its logit leads by 17 or more, and so is the gradient of that logit
(softmax collapse, arXiv 2501.04697, section 3); in fp64 that takes a lead of 37.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy_fp64(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean negative log-likelihood of (N,) `targets` under (N, V) `logits`, in nats, computed in fp64."""
    return functional.cross_entropy(logits.double(), targets, label_smoothing=label_smoothing).float()


LOSS = cross_entropy_fp64
