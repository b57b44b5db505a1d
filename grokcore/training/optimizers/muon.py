"""Muon (Jordan et al., 2024; arXiv 2502.16982): orthogonalized momentum for matrices, AdamW for all other weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from grokcore.acceleration.orthogonalize import newton_schulz, update_scale
from grokcore.spec import TrainingSpec
from grokcore.training.optimizers.adamw import AdamW

MOMENTUM = 0.95
"""Of the average of gradients, and again of Nesterov's look ahead."""


class Muon(AdamW):
    """M <- .95 M + .05 G;  U = .95 M + .05 G;  W <- (1 - lr decay) W - lr .2 sqrt(max(m, n)) O(U).

    O orthogonalizes by `muon_iterations` Newton-Schulz iterations. The factor gives updates the size of AdamW's, so
    that one learning rate and one decay serve all weights (arXiv 2502.16982, equation 4). Each logical matrix is
    orthogonalized by itself: query, key and value, however they are stored. Embeddings and head keep AdamW.
    """

    by_role = True

    def __init__(self, groups: list[dict[str, Any]], training: TrainingSpec, *, stacked: bool = False) -> None:
        self._iterations = training.muon_iterations
        super().__init__(groups, training, stacked=stacked)

    def initial_state(self, weight: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        if group["role"] == "matrix":
            return {"momentum_buffer": torch.zeros_like(weight)}
        return super().initial_state(weight, group)

    def update(
        self, group: dict[str, Any], weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]]
    ) -> None:
        if group["role"] != "matrix":
            super().update(group, weights, gradients, states)
            return
        momenta = [state["momentum_buffer"] for state in states]
        gradients = self.finite(gradients, momenta)
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        updates = torch._foreach_lerp(gradients, momenta, MOMENTUM)
        self.decay(group, weights)
        rate = group["lr"] * self.applied()
        for shape, places in self._of_one_shape(group, weights, updates).items():
            matrices = newton_schulz(torch.stack([update for _, update in places]), self._iterations)
            steps = matrices.mul_(rate * update_scale(*shape))
            torch._foreach_sub_([weight for weight, _ in places], list(steps.unbind()))

    def _of_one_shape(
        self, group: dict[str, Any], weights: list[Tensor], updates: Sequence[Tensor]
    ) -> dict[tuple[int, ...], list[tuple[Tensor, Tensor]]]:
        """Return views of logical matrices (..., m, n), m <= n, and of their updates, by shape."""
        layouts = dict(zip(group["params"], group["layouts"], strict=True))
        found: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
        for weight, update in zip(weights, updates, strict=True):
            split = layouts[weight].split
            for pair in zip(split(weight, stacked=self.stacked), split(update, stacked=self.stacked), strict=True):
                wide = pair if pair[0].shape[-2] <= pair[0].shape[-1] else (pair[0].mT, pair[1].mT)
                found.setdefault(tuple(wide[0].shape[-2:]), []).append(wide)
        return found


OPTIMIZER = Muon
