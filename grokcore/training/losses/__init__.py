"""Losses, one file each, named as in `training.loss`.

A file `NAME.py` defines `LOSS`, a function `(logits (N, V), targets (N,), label_smoothing) -> scalar` in fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.spec.implementations import implementations
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.training import LossName

Definition = Callable[[Tensor, Tensor, float], Tensor]


def _accept(found: Plugin, definition: Any) -> Definition:
    if not callable(definition):
        raise found.refuse(f"its entry point must name a function, not {type(definition).__name__}")
    loss: Definition = definition
    return loss


LOSSES: Registry[Definition] = Registry("loss", implementations(__name__, get_args(LossName), "LOSS"), _accept)

Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(training: TrainingSpec) -> Loss:
    """Return the spec's loss, `(logits (N, V), targets (N,)) -> scalar`, with its temperature and label smoothing.

    A temperature T divides the logits: T > 1 softens the distribution that the loss sees (arXiv 2606.18465).
    """
    loss, temperature, smoothing = LOSSES[training.loss], training.loss_temperature, training.label_smoothing
    if temperature == 1:
        return lambda logits, targets: loss(logits, targets, smoothing)
    return lambda logits, targets: loss(logits.float() / temperature, targets, smoothing)
