"""Models: one file per architecture, a registry, and one interface for all of them.

`sizes` and `registry` do not import torch; names that need it are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sizes import (
    ParameterCount,
    built_spec,
    execution_choices,
    file_format,
    forward_flops,
    match_description,
    parameter_count,
    resolved_layers,
    step_flops,
)

if TYPE_CHECKING:
    from grokcore.models.building import build_model
    from grokcore.models.decay import decay_groups
    from grokcore.models.loading import SavedModels, load_model, milestones, saved_steps
    from grokcore.models.sequence_model import ResidualHook, SequenceModel, SharedPrefixes

_NEEDS_TORCH = {
    "ResidualHook": "grokcore.models.sequence_model",
    "SavedModels": "grokcore.models.loading",
    "SequenceModel": "grokcore.models.sequence_model",
    "SharedPrefixes": "grokcore.models.sequence_model",
    "build_model": "grokcore.models.building",
    "decay_groups": "grokcore.models.decay",
    "load_model": "grokcore.models.loading",
    "milestones": "grokcore.models.loading",
    "saved_steps": "grokcore.models.loading",
}

__all__ = [
    "ARCHITECTURES",
    "ParameterCount",
    "ResidualHook",
    "SavedModels",
    "SequenceModel",
    "SharedPrefixes",
    "build_model",
    "built_spec",
    "decay_groups",
    "execution_choices",
    "file_format",
    "forward_flops",
    "load_model",
    "match_description",
    "milestones",
    "parameter_count",
    "resolved_layers",
    "saved_steps",
    "step_flops",
]


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
