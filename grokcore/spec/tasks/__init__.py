"""The fields of every task: one class per `kind`, and their union `TaskSpec`."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import Field

from grokcore.spec.tasks.base import GENERATOR_VERSIONS, Task
from grokcore.spec.tasks.comparison import ComparisonTask
from grokcore.spec.tasks.complex_reasoning import ComplexReasoningTask
from grokcore.spec.tasks.composition import CompositionTask
from grokcore.spec.tasks.equations import ModularTask, PermutationsTask
from grokcore.spec.tasks.grokked_transformer import GrokkedTransformerTask
from grokcore.spec.tasks.in_context import InContextTask
from grokcore.spec.tasks.in_context_modular import InContextModularTask
from grokcore.spec.tasks.new_facts import NewEntities, NewFacts
from grokcore.spec.tasks.prompts import Prompts

TaskSpec = Annotated[
    ComparisonTask
    | ModularTask
    | CompositionTask
    | ComplexReasoningTask
    | InContextTask
    | InContextModularTask
    | PermutationsTask
    | GrokkedTransformerTask,
    Field(discriminator="kind"),
]

CLASSES: dict[str, type[Task]] = {
    member.model_fields["kind"].default: member
    for member in get_args(get_args(TaskSpec)[0])
    if member is not GrokkedTransformerTask
}
"""The class of every `kind` that is drawn from its fields."""

__all__ = [
    "CLASSES",
    "GENERATOR_VERSIONS",
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
    "Prompts",
    "Task",
    "TaskSpec",
]
