"""Parameter groups: the weights that share a decay and a learning rate."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from grokcore.models import SequenceModel, decay_groups
from grokcore.models.roles import layouts
from grokcore.spec import TrainingSpec
from grokcore.spec.training import Role
from grokcore.training.optimizers.optimizer import Optimizer

Group = dict[str, Any]
"""`params`; `layouts`, of each of them; `weight_decay`; `rate`, the factor of its learning rate; `role`, or None for
weights of several roles."""


def parameter_groups(model: SequenceModel, training: TrainingSpec, *, by_role: bool) -> list[Group]:
    """Return the groups of a model's weights: those that are decayed, and those that are not.

    Each is divided by role if the optimizer treats roles differently or the spec gives roles rates of their own. The
    order of groups and weights numbers the optimizer's state in checkpoints.
    """
    found, factors = layouts(model), training.learning_rate_of
    divided = by_role or training.learning_rate_of is not None or bool(training.freeze_on)
    groups: list[Group] = []
    for weights, decay in zip(decay_groups(model, training.decay_groups), (training.weight_decay, 0.0), strict=True):
        roles: list[Any] = list(dict.fromkeys(found[name].role for name, _ in weights)) if divided else [None]
        for role in roles:
            members = [(weight, found[name]) for name, weight in weights if role in (None, found[name].role)]
            groups.append(
                {
                    "params": [weight for weight, _ in members],
                    "layouts": [layout for _, layout in members],
                    "weight_decay": decay,
                    "rate": 1.0 if factors is None or role is None else getattr(factors, role),
                    "role": role,
                }
            )
    return groups


class LearningRates:
    """Sets the learning rate of all groups; on tensors that a CUDA graph reads anew in each replay."""

    def __init__(self, optimizer: Optimizer, device: torch.device | None = None) -> None:
        """
        Args:
            device: of the tensors; None sets numbers, for an optimizer in whose step nothing is recorded.
        """
        self._groups = optimizer.param_groups
        # On a CPU the optimizers' kernels read any number format; on CUDA they take every learning rate for float32.
        precision = torch.float32 if device is not None and device.type == "cuda" else torch.float64
        self._tensors: dict[tuple[float, Role | None], Tensor] | None = None
        if device is not None:
            self._tensors = {}
            for group in self._groups:
                key = group["rate"], group["role"]
                group["lr"] = self._tensors.setdefault(key, torch.zeros((), dtype=precision, device=device))

    def set(self, learning_rate: float, frozen: Collection[Role] = ()) -> None:
        """Set the rate of each group: 0 for frozen roles, else `learning_rate` times the factor of its role."""
        if self._tensors is not None:
            for (factor, role), tensor in self._tensors.items():
                tensor.fill_(0.0 if role in frozen else learning_rate * factor)
            return
        for group in self._groups:
            group["lr"] = 0.0 if group["role"] in frozen else learning_rate * group["rate"]
