"""Definitions that all parts of claims share: decisions, verdicts, arms and strata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from grokcore.evaluation.transfer import learns_new_facts
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord

Decision = Literal["supported", "contradicted", "undecided"]
"""The result of a predicate on runs of any scope."""

Verdict = Literal["reproduced", "refuted", "holds here", "does not hold here", "underpowered", "not tested"]
"""A decision with its scope: reproduced and refuted are reserved for runs at the published conditions."""

VERDICTS: tuple[Verdict, ...] = (
    "reproduced",
    "refuted",
    "holds here",
    "does not hold here",
    "underpowered",
    "not tested",
)


def verdict_of(decision: Decision, *, published: bool) -> Verdict:
    """Turn a decision into a verdict, depending on whether the runs meet the published conditions."""
    if decision == "undecided":
        return "underpowered"
    if decision == "supported":
        return "reproduced" if published else "holds here"
    return "refuted" if published else "does not hold here"


class Part(BaseModel):
    """A part of a claim's definition: frozen, and hashed with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(Part):
    """What all kinds of predicates share.

    Attributes:
        RUNS: the runs that it is about, to be read after `there is no such`.
        NEEDS: what would be needed where there are none.
    """

    RUNS: ClassVar[str] = "run"
    NEEDS: ClassVar[str] = "runs of this kind, 5 seeds or more"

    def concerns(self, run: RunRecord) -> bool:
        """Whether it is about a run: most are not about second trainings on new facts, which have other splits."""
        return not learns_new_facts(run)


@dataclass(frozen=True)
class Arm:
    """A group of runs in a stratum, as an arm of a trial; `level` is its setting of the claim's factor."""

    group: Group
    fields: Mapping[str, Any]
    level: float


@dataclass(frozen=True)
class Stratum:
    """Arms that differ in a claim's factor alone; of a claim without a factor, arms of a single setting.

    Attributes:
        label: the fields in which this stratum differs from the claim's others; empty if it is the only one.
    """

    label: str
    arms: tuple[Arm, ...]

    @property
    def levels(self) -> list[float]:
        return sorted({arm.level for arm in self.arms})
