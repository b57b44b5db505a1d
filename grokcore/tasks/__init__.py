"""Tasks: one file each, from a spec to its vocabulary, training rows and probes.

To add a task: a spec class in `grokcore/spec/tasks/`, a file here that defines TASK, and one line in TASKS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from grokcore.errors import InputError
from grokcore.spec import TaskSpec
from grokcore.spec.code import check_task
from grokcore.spec.plugins import Plugin, Registry
from grokcore.spec.tasks import GrokkedTransformerTask, PluginTask
from grokcore.tasks import (
    comparison,
    complex_reasoning,
    composition,
    in_context,
    in_context_modular,
    modular,
    permutations,
)
from grokcore.tasks.base import Role, Rows, Split, TaskData, TaskDefinition
from grokcore.tasks.checks import problem_of
from grokcore.tasks.facts import FactKind, FactTable


def _accept(found: Plugin, definition: Any) -> TaskDefinition[Any]:
    if not isinstance(definition, TaskDefinition):
        raise found.refuse(f"its entry point must name a TaskDefinition, not {type(definition).__name__}")
    return definition


_OWN: dict[str, TaskDefinition[Any]] = {
    "comparison": comparison.TASK,
    "composition": composition.TASK,
    "complex_reasoning": complex_reasoning.TASK,
    "in_context": in_context.TASK,
    "in_context_modular": in_context_modular.TASK,
    "modular": modular.TASK,
    "permutations": permutations.TASK,
}

TASKS = Registry("task", _OWN, _accept)
"""Every `kind` of task that is drawn, in the order of the tables of README and docs/; and those of other packages."""

FROM_FACTS: dict[str, tuple[FactKind, Callable[[Any, FactTable], TaskData]]] = {
    kind: task.from_facts for kind, task in TASKS.items() if task.from_facts is not None
}
"""For tasks that can be made from a user's own facts, the kind of facts and the builder."""


def build_task(task: TaskSpec, facts: FactTable | None = None) -> TaskData:
    """Build the data of `task`, a pure function of the spec, which names its facts by their content.

    Args:
        facts: the facts that the spec names, if it names any.

    Raises:
        InputError: the spec asks for more than a draw can give, with the field to change; or the facts are not those
            that it names.
    """
    if isinstance(task, GrokkedTransformerTask):
        raise InputError(
            f"this task is made from rows of files (SHA-256 {task.rows[:12]}...), which a spec does not hold: name "
            f"their folder with `grokcore generate SPEC --from DIR`, or train on the dataset that was made from it"
        )
    named = getattr(task, "facts", None)
    if facts is None and named is not None:
        raise InputError(
            f"this task is made from facts of a file (SHA-256 {named[:12]}...), which a spec does not hold: name the "
            f"file with `grokcore generate SPEC --from FILE`, or train on the dataset that was made from it"
        )
    check_task(task)
    if facts is None:
        return _checked(task, TASKS[task.kind].build(task))
    if facts.sha256 != named:
        raise InputError("these are not the facts that the task names: they were changed since its spec was made")
    return replace(FROM_FACTS[task.kind][1](task, facts), facts=facts)


def _checked(task: TaskSpec, data: TaskData) -> TaskData:
    """Check what a package of others has built.

    Raises:
        InputError: it is not what data are made of, with what is wrong.
    """
    if not isinstance(task, PluginTask):
        return data
    problem = problem_of(data, task.held_out_splits)
    if problem is not None:
        raise InputError(f"the data of task `{task.kind}` of {task.plugin and task.plugin.origin} are wrong: {problem}")
    return data


__all__ = [
    "FROM_FACTS",
    "TASKS",
    "FactKind",
    "FactTable",
    "Role",
    "Rows",
    "Split",
    "TaskData",
    "TaskDefinition",
    "build_task",
]
