"""Cases: for every kind of task, what the questions of its splits are made of. One file and one line per kind."""

from __future__ import annotations

from typing import Any

from grokcore.data import Dataset
from grokcore.errors import InputError
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
from grokcore.spec.code import check_task
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.tasks import GrokkedTransformerTask

__all__ = ["CASES", "Case", "Counterfactual", "Target", "case_builder", "cases_of"]

_OWN: dict[str, CaseBuilder] = {
    "comparison": comparison.cases,
    "composition": composition.cases,
    "complex_reasoning": complex_reasoning.cases,
    "in_context": in_context.cases,
    "in_context_modular": in_context_modular.cases,
    "modular": equations.cases,
    "permutations": equations.cases,
}


def _accept(found: Plugin, definition: Any) -> CaseBuilder:
    if definition.cases is None:
        raise InputError(
            f"{found.kind} `{found.name}` of {found.origin} has no cases, without which its runs cannot be analyzed: "
            "give its TaskDefinition `cases`"
        )
    builder: CaseBuilder = definition.cases
    return builder


CASES: Registry[CaseBuilder] = Registry("task", _OWN, _accept)
"""By kind of task; and those of other packages."""


def cases_of(spec: ExperimentSpec, dataset: Dataset, *, examples: int, seed: int) -> list[Case]:
    """Return the questions of every split that are analyzed, from the dataset alone.

    Raises:
        InputError: the task is one of another package, which is not here or gives no cases; or read from files.
    """
    return case_builder(spec)(spec.task, dataset, examples, seed)


def case_builder(spec: ExperimentSpec) -> CaseBuilder:
    """Return what makes the cases of a spec's task; errors as those of `cases_of`."""
    check_task(spec.task)
    if isinstance(spec.task, GrokkedTransformerTask):
        raise InputError(
            f"task `{spec.task.kind}` has no cases, without which its runs cannot be analyzed: rows read from files "
            "do not tell the facts behind them"
        )
    return CASES[spec.task.kind]
