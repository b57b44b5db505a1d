"""Cases: for every kind of task, what the questions of its splits are made of. One file and one line per kind."""

from __future__ import annotations

from grokcore.data import Dataset
from grokcore.interpret.cases import (
    comparison,
    complex_reasoning,
    composition,
    equations,
    in_context,
    in_context_modular,
)
from grokcore.interpret.cases.base import Case, CaseBuilder, Counterfactual, Target
from grokcore.spec import ExperimentSpec

__all__ = ["CASES", "Case", "Counterfactual", "Target", "cases_of"]

CASES: dict[str, CaseBuilder] = {
    "comparison": comparison.cases,
    "composition": composition.cases,
    "complex_reasoning": complex_reasoning.cases,
    "in_context": in_context.cases,
    "in_context_modular": in_context_modular.cases,
    "modular": equations.cases,
    "permutations": equations.cases,
}
"""By kind of task."""


def cases_of(spec: ExperimentSpec, dataset: Dataset, *, examples: int, seed: int) -> list[Case]:
    """Return the questions of every split that are analyzed, from the dataset alone."""
    return CASES[spec.task.kind](spec.task, dataset, examples, seed)
