"""What a run has learnt inside: analyses of its checkpoints, the same for every architecture and composition.

`analyze_model` loads each requested step of a run and measures it; every analysis is one file and one line in
`registry.ANALYSES`, and reads the model through its two hooks alone (`residual_stream`, `mixers`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from grokcore.interpret.spec import AnalysisSpec

if TYPE_CHECKING:
    from grokcore.interpret.analyze import analyze_model
    from grokcore.interpret.circuit import path_similarity
    from grokcore.interpret.result import Analysis, read_analysis

_HOMES = {
    "Analysis": "grokcore.interpret.result",
    "analyze_model": "grokcore.interpret.analyze",
    "path_similarity": "grokcore.interpret.circuit",
    "read_analysis": "grokcore.interpret.result",
}

__all__ = ["Analysis", "AnalysisSpec", "analyze_model", "path_similarity", "read_analysis"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_HOMES[name]), name)
