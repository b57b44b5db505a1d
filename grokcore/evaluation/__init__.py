"""Accuracy per split, the phases of grokking, and the time to it.

Phases and results import no torch, so that an analysis can do without it; the functions that measure a model are
imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from grokcore.evaluation.phases import DEFINITIONS, next_evaluation, phases_of
from grokcore.runs.evaluation import EVALUATION, Evaluation

if TYPE_CHECKING:
    from grokcore.evaluation.evaluate import evaluate_model
    from grokcore.evaluation.export import export_model
    from grokcore.evaluation.probes import Probes

_NEEDS_TORCH = {
    "Probes": "grokcore.evaluation.probes",
    "evaluate_model": "grokcore.evaluation.evaluate",
    "export_model": "grokcore.evaluation.export",
}

__all__ = [
    "DEFINITIONS",
    "EVALUATION",
    "Evaluation",
    "Probes",
    "evaluate_model",
    "export_model",
    "next_evaluation",
    "phases_of",
]


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
