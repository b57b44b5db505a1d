"""Initial weights of architectures that transformers does not know; they replace those of the constructors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

STD = 0.02
"""Of GPT-2's weights, and of those that flash-linear-attention, where most of these are trained, begins with."""


def draw_normal(model: Any) -> None:
    """Draw matrices, embeddings and convolutions from a normal of standard deviation .02; biases 0, norms 1."""
    from torch import nn

    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=STD)
        else:
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)


def draw_xavier(model: Any, fragment: str, parts: Mapping[str, tuple[int, ...]], gain: float) -> None:
    """Draw matrices whose names contain `fragment` by Xavier's rule (Glorot and Bengio, 2010), `parts` one by one.

    Args:
        parts: heights of the matrices that stand one above the other in what is one matrix here, by the name's end.
        gain: factor of the uniform distribution's bound.
    """
    from torch import nn

    for name, parameter in model.named_parameters():
        if fragment in name and parameter.ndim == 2:
            heights = parts.get(re.sub(r".*\.(\w+)\.weight$", r"\1", name), (len(parameter),))
            for part in parameter.split(heights):
                nn.init.xavier_uniform_(part, gain=gain)
