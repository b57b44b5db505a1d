"""Tasks of a notebook or script: known in its process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from grokcore.errors import InputError
from grokcore.spec.plugins import register
from grokcore.spec.tasks import PluginTask
from grokcore.tasks.base import TaskData, TaskDefinition

T = TypeVar("T", bound=PluginTask)


def register_task(
    spec: type[T],
    *,
    cases: Callable[[T, Any, int, int], Sequence[Any]] | None = None,
    row: str = "",
    held_out: str = "",
) -> Callable[[Callable[[T], TaskData]], Callable[[T], TaskData]]:
    """Make a task known in this process: `@register_task(SPEC)` above the function that builds its data.

    The same name again replaces it. Ids of data and runs cover the source of the three, and of what they name of their
    own module; a package of its own is what other processes and machines know, too.

    Args:
        spec: the class of its fields; its `kind` is the name.
        cases: for analyses: (spec, dataset, examples of each split, seed) -> the `Case` of each split.
        row: a question and its answer, in Markdown.
        held_out: what the held-out splits ask for.

    Raises:
        InputError: the name is taken or is none, or the source is not known.
    """
    if not (isinstance(spec, type) and issubclass(spec, PluginTask)):
        raise InputError("register_task needs the class of the task's fields, derived from grokcore.spec.PluginTask")

    def registered(build: Callable[[T], TaskData]) -> Callable[[T], TaskData]:
        definition = TaskDefinition[T](build, row=row, held_out=held_out, spec=spec, cases=cases)
        sources = [spec, build] if cases is None else [spec, build, cases]
        register("task", spec.model_fields["kind"].default, definition, *sources)
        return build

    return registered
