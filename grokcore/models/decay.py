"""Parameters that weight decay acts on, known by name and not guessed from shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

from grokcore.models.roles import layouts
from grokcore.models.sequence_model import SequenceModel

NamedParameters = list[tuple[str, nn.Parameter]]


def decay_groups(
    model: SequenceModel, rule: Literal["explicit", "published"]
) -> tuple[NamedParameters, NamedParameters]:
    """Return the parameters of `model` that are decayed, and those that are not, tied ones once.

    Names are those of `model.named_parameters()`; rules read the names that transformers has for the same weights, so
    that implementations agree.

    Args:
        rule: `explicit` decays matrices, embeddings and convolution kernels, and no bias, norm, RWKV time parameter,
            nor Mamba's `A_log`, `D` and step size bias: each architecture's file lists both sets. `published` spares
            the names that contain bias, LayerNorm.weight or ln, as the public code of arXiv 2405.15071 does: norms
            of LLaMA and Mamba, `A_log`, `D`, and RWKV's time parameters are decayed then.
    """
    decayed = RULES[rule](model)
    groups: tuple[NamedParameters, NamedParameters] = ([], [])
    for name, parameter in model.named_parameters():
        groups[0 if name in decayed else 1].append((name, parameter))
    return groups


def _explicit(model: SequenceModel) -> set[str]:
    return {name for name, layout in layouts(model).items() if layout.decayed}


def _published(model: SequenceModel) -> set[str]:
    return {
        name
        for name, (first, *_) in model.transformers_names().items()
        if not any(fragment in first for fragment in ("bias", "LayerNorm.weight", "ln"))
    }


RULES: dict[str, Callable[[SequenceModel], set[str]]] = {"explicit": _explicit, "published": _published}
"""By the spec's `training.decay_groups`."""
