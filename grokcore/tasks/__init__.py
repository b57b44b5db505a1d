"""What is to be learnt: one file per task, from a spec to its vocabulary, training rows and probes.

To add a task: a spec class in `grokcore/spec/task.py`, a file here with a `build` function, and one line in TASKS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grokcore.spec import TaskSpec
from grokcore.tasks import comparison, modular
from grokcore.tasks.base import Role, Rows, Split, TaskData

TASKS: dict[str, Callable[[Any], TaskData]] = {
    "comparison": comparison.build,
    "modular": modular.build,
}
"""The builder of each `kind` of task."""


def build_task(task: TaskSpec) -> TaskData:
    """The data of `task`: a pure function of the spec.

    Raises:
        InputError: the draw cannot give what the spec asks for; the line names the field to change.
    """
    return TASKS[task.kind](task)


__all__ = ["TASKS", "Role", "Rows", "Split", "TaskData", "build_task"]
