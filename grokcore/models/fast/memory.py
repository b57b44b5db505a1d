"""Memory that blocks read beside their own MLP: what it returns is added to the residual stream.

Like a GPT-2's own MLP it is behind a LayerNorm and drawn as one: std .02, what writes to the stream divided by
sqrt(2 layers).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.mixers import MLP
from grokcore.spec.models.memory import MemoryMLP, MemorySlots, MemorySpec


class Slots(nn.Module):
    """softmax(x K^T) V over M learned keys and values, for every token by itself (arXiv 1907.01470, section 4)."""

    def __init__(self, width: int, slots: int) -> None:
        super().__init__()
        self.keys, self.values = (nn.Parameter(torch.empty(slots, width)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        weights = functional.linear(x, self.keys).softmax(-1)
        return functional.linear(weights.to(x.dtype), self.values.t())


class Memory(nn.Module):
    """`content` of the normalised stream: an MLP, or slots."""

    def __init__(self, spec: MemorySpec, width: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(width)
        self.content: nn.Module
        match spec:
            case MemoryMLP(width=hidden):
                self.content = MLP(width, hidden)
            case MemorySlots(slots=slots):
                self.content = Slots(width, slots)

    def forward(self, hidden: Tensor) -> Tensor:
        """The stream (N, D) -> what is added to it."""
        remembered: Tensor = self.content(self.ln(hidden))
        return remembered

    @torch.no_grad()
    def initialise(self, layers: int) -> None:
        """Draw it from torch's generator."""
        residual_std = 0.02 / math.sqrt(2 * layers)
        match self.content:
            case MLP() as mlp:
                for linear, std in ((mlp.input, 0.02), (mlp.output, residual_std)):
                    nn.init.normal_(linear.weight, std=std)
                    nn.init.zeros_(linear.bias)
            case Slots() as slots:
                nn.init.normal_(slots.keys, std=0.02)
                nn.init.normal_(slots.values, std=residual_std)


DECAYED = frozenset(f"memory.*.content.{name}" for name in ("input.weight", "output.weight", "keys", "values"))
NOT_DECAYED = frozenset({"memory.*.ln.weight", "memory.*.ln.bias", "memory.*.content.input.bias"}) | {
    "memory.*.content.output.bias"
}
"""Names of its parameters that `decay_groups: explicit` decays, and those that it spares."""
