"""What the parts of a claim have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Decision = Literal["supported", "contradicted", "undecided"]
"""What runs say of a predicate, wherever they were made."""

Verdict = Literal["reproduced", "refuted", "holds here", "does not hold here", "underpowered", "not tested"]
"""A decision with its scope: reproduced and refuted are said of runs at the published conditions alone."""

VERDICTS: tuple[Verdict, ...] = (
    "reproduced",
    "refuted",
    "holds here",
    "does not hold here",
    "underpowered",
    "not tested",
)


def verdict_of(decision: Decision, *, published: bool) -> Verdict:
    """The word for a decision on runs that meet the published conditions, or do not."""
    if decision == "undecided":
        return "underpowered"
    if decision == "supported":
        return "reproduced" if published else "holds here"
    return "refuted" if published else "does not hold here"


class Part(BaseModel):
    """A part of a claim's definition: frozen, and hashed with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
