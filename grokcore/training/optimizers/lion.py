"""Lion (arXiv 2302.06675): steps of one size in every coordinate, with the sign of an interpolated momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.optimizer import Optimizer


class Lion(Optimizer):
    """u = sign(b1 m + (1 - b1) g);  m <- b2 m + (1 - b2) g;  w <- (1 - lr decay) w - lr u (algorithm 2).

    A step is as long as AdamW's longest, so that its learning rate is a third to a tenth of AdamW's, and its decay as
    much larger (section 5).
    """

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec, *, stacked: bool = False) -> None:
        self._betas = training.betas
        super().__init__(groups, training, stacked=stacked)

    def initial_state(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"exp_avg": torch.zeros_like(weight)}

    def update(
        self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]
    ) -> None:
        averages = [state["exp_avg"] for state in states]
        gradients = self.finite(gradients, averages)
        signs = torch._foreach_sign(torch._foreach_lerp(averages, gradients, 1 - self._betas[0]))
        torch._foreach_lerp_(averages, gradients, 1 - self._betas[1])
        self.decay(group, weights)
        torch._foreach_mul_(signs, group["lr"] * self.applied())
        torch._foreach_sub_(weights, signs)


OPTIMIZER = Lion
