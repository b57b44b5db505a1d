"""Parameters that weight decay acts on, known by name and not guessed from shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from torch import nn

from grokcore.models.fast import block
from grokcore.models.registry import ARCHITECTURES
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
    is_decayed = RULES[rule]
    names = model.transformers_names()
    groups: tuple[NamedParameters, NamedParameters] = ([], [])
    for name, parameter in model.named_parameters():
        (decayed,) = {is_decayed(model, theirs) for theirs in names[name]}
        groups[0 if decayed else 1].append((name, parameter))
    return groups


def _explicit(model: SequenceModel, name: str) -> bool:
    pattern = re.sub(r"\.\d+\.", ".*.", name)
    layout = ARCHITECTURES[model.architecture].weights
    decayed = pattern in layout.decayed or pattern in block.DECAYED
    not_decayed = pattern in layout.not_decayed or pattern in block.NOT_DECAYED
    if decayed == not_decayed:
        raise LookupError(f"{pattern} must be listed once, as decayed or as not decayed")
    return decayed


def _published(model: SequenceModel, name: str) -> bool:
    return not any(fragment in name for fragment in ("bias", "LayerNorm.weight", "ln"))


RULES: dict[str, Callable[[SequenceModel, str], bool]] = {"explicit": _explicit, "published": _published}
"""By the spec's `training.decay_groups`."""
