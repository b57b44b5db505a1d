"""Scale of the logits, margins, and softmax collapse (arXiv 2501.04697, section 3) on training rows.

Once the other terms are absorbed in fp32, sum_k exp(z_k - max z) = 1: a row that is right then has loss exactly 0 and
no gradient, so that only decay moves the weights. Of the logits z (V,) that the loss sees, which the loss's temperature
has divided, mean over rows:

    logit_std      standard deviation over the vocabulary
    margin         z_target - max of the others
    loss           cross-entropy in fp32
    zero_loss      share of rows whose loss is exactly 0
    collapsed      share of rows with sum_k exp(z_k - max z) exactly 1, right or wrong

Controls: `zero_loss_fp64` and `collapsed_fp64` are the same logits in fp64, in which nothing is absorbed so early.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from grokcore.interpret.number import Number
from grokcore.interpret.progress.training_rows import logits_at, training_rows
from grokcore.interpret.subject import Subject

ROWS = 8192
"""Rows that are drawn from a larger training set; a smaller one is measured whole."""


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the means over training rows; of a row with several supervised tokens, each counts."""
    rows = training_rows(subject, max(ROWS, subject.analysis.examples))
    logits = logits_at(subject.model, rows.inputs, rows.positions) / subject.spec.training.loss_temperature
    for metric, values in saturation(logits.flatten(0, 1).float(), rows.targets.flatten()).items():
        yield Number(metric, values.double().mean().item(), len(rows.inputs), split="train")


def saturation(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the values (N,) of every metric.

    Args:
        logits: (N, V), fp32.
        targets: (N,) int64.
    """
    right = logits.gather(1, targets[:, None])[:, 0]
    others = logits.scatter(1, targets[:, None], -torch.inf).amax(1)
    loss = functional.cross_entropy(logits, targets, reduction="none")
    return {
        "logit_std": logits.std(1, correction=0),
        "margin": right - others,
        "loss": loss,
        "zero_loss": loss == 0,
        "zero_loss_fp64": functional.cross_entropy(logits.double(), targets, reduction="none") == 0,
        "collapsed": _softmax_sums(logits) == 1,
        "collapsed_fp64": _softmax_sums(logits.double()) == 1,
    }


def _softmax_sums(logits: Tensor) -> Tensor:
    """Return sum_k exp(z_k - max z) (N,) of (N, V)."""
    return (logits - logits.amax(1, keepdim=True)).exp().sum(1)
