"""The fields of every task: one class per `kind`, and `TaskSpec`, which is one of them.

Other packages may add to them (`grokcore.spec.plugins`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.spec.plugins.open_union import OpenUnion
from grokcore.spec.tasks.base import GENERATOR_VERSIONS, Task
from grokcore.spec.tasks.comparison import ComparisonTask
from grokcore.spec.tasks.complex_reasoning import ComplexReasoningTask
from grokcore.spec.tasks.composition import CompositionTask
from grokcore.spec.tasks.equations import ModularTask, PermutationsTask
from grokcore.spec.tasks.grokked_transformer import GrokkedTransformerTask
from grokcore.spec.tasks.in_context import InContextTask
from grokcore.spec.tasks.in_context_modular import InContextModularTask
from grokcore.spec.tasks.new_facts import NewEntities, NewFacts
from grokcore.spec.tasks.plugin import PluginTask, RecordedTask
from grokcore.spec.tasks.prompts import Prompts

TASKS_IN_SPECS = OpenUnion(
    "task",
    "kind",
    Annotated[
        ComparisonTask
        | ModularTask
        | CompositionTask
        | ComplexReasoningTask
        | InContextTask
        | InContextModularTask
        | PermutationsTask
        | GrokkedTransformerTask,
        Field(discriminator="kind"),
    ],
    base=Task,
    plugin=PluginTask,
    recorded=RecordedTask,
)

TaskSpec = Annotated[Task, TASKS_IN_SPECS]

CLASSES = {kind: member for kind, member in TASKS_IN_SPECS.classes.items() if member is not GrokkedTransformerTask}
"""Our class of every `kind` that is drawn from its fields."""

__all__ = [
    "CLASSES",
    "GENERATOR_VERSIONS",
    "TASKS_IN_SPECS",
    "ComparisonTask",
    "ComplexReasoningTask",
    "CompositionTask",
    "GrokkedTransformerTask",
    "InContextModularTask",
    "InContextTask",
    "ModularTask",
    "NewEntities",
    "NewFacts",
    "PermutationsTask",
    "PluginTask",
    "Prompts",
    "RecordedTask",
    "Task",
    "TaskSpec",
]
