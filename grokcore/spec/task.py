"""What the model is to learn: one class per task, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.spec.tasks.comparison import ComparisonTask
from grokcore.spec.tasks.complex_reasoning import ComplexReasoningTask
from grokcore.spec.tasks.composition import CompositionTask
from grokcore.spec.tasks.in_context import InContextTask
from grokcore.spec.tasks.modular import ModularTask

TaskSpec = Annotated[
    ComparisonTask | ModularTask | CompositionTask | ComplexReasoningTask | InContextTask, Field(discriminator="kind")
]

__all__ = ["ComparisonTask", "ComplexReasoningTask", "CompositionTask", "InContextTask", "ModularTask", "TaskSpec"]
