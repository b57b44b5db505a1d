"""Accuracy per split, the phases of grokking, and the time to it."""

from grokcore.evaluation.curves import DEFINITIONS, next_evaluation, phases_of
from grokcore.evaluation.evaluate import EVALUATION, evaluate_model
from grokcore.evaluation.probes import Probes
from grokcore.evaluation.result import Evaluation

__all__ = [
    "DEFINITIONS",
    "EVALUATION",
    "Evaluation",
    "Probes",
    "evaluate_model",
    "next_evaluation",
    "phases_of",
]
