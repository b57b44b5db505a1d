"""The fields of `prompts`: facts that stand in front of the questions of a task whose facts are in the weights."""

from __future__ import annotations

from pydantic import Field

from grokcore.spec.base import Spec


class Prompts(Spec):
    """Facts in front of every question, and entities that prompts alone tell of: does trained reasoning use them?"""

    facts: int = Field(4, ge=2, le=100, description="most facts in front of a question, at least 2")
    new_entities: int = Field(
        20, ge=3, le=10_000, description="entities of no training row, whose facts stand in prompts to test alone"
    )
    informative: float = Field(
        0.0, ge=0, lt=1, description="share of the training rows whose prompt has the facts that answer them, [0, 1)"
    )
