"""The fields of `prompts`: facts that stand in front of the questions of a task whose facts are in the weights."""

from __future__ import annotations

from pydantic import Field

from grokcore.spec.base import Spec


class Prompts(Spec):
    """Facts in front of every question, and entities that prompts alone tell of: does trained reasoning use them?"""

    facts: int = Field(4, ge=2, le=100, description="most facts in front of a question, at least 2")
    new_entities: int = Field(
        40, ge=4, le=10_000, description="entities whose values every prompt draws anew; tests ask for half of them"
    )
    rows: int = Field(
        0,
        ge=0,
        le=20_000_000,
        description="further training rows, which ask for the other half and are answered from the prompt",
    )
