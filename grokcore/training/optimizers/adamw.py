"""AdamW (arXiv 1711.05101)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer


class AdamW(Optimizer):
    """AdamW in torch's fused kernel: one pass over the weights.

    It gives the same numbers as `torch.optim.AdamW(fused=True)`, with one step counter instead of one for each weight:
    counting those takes longer on a CPU than updating a small model.
    """

    kernel = staticmethod(torch._fused_adamw_)

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec, *, stacked: bool = False) -> None:
        self._betas, self._epsilon = training.betas, training.epsilon
        super().__init__(groups, training, stacked=stacked)

    def initial_state(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}

    def shared_state(self, weight: Tensor) -> dict[str, Tensor]:
        self._steps = torch.zeros((), device=weight.device)
        return {"step": self._steps}

    def begin_step(self) -> None:
        self._steps += self.applied()

    def update(
        self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]
    ) -> None:
        self.kernel(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [self._steps] * len(weights),
            lr=group["lr"],
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=group["weight_decay"],
            eps=self._epsilon,
            amsgrad=False,
            maximize=False,
            found_inf=self.found_inf,
        )


OPTIMIZER = AdamW
