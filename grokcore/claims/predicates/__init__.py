"""Kinds of predicates; a claim has one, with its numbers.

`PREDICATE.judge` tests one comparison, a stratum of arms that differ in the claim's factor alone, and returns a
`CheckResult`; `grokcore.claims.combining` combines those of several settings. Raise the `VERSION` of a kind when its
code would decide otherwise, since a claim's hash covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from grokcore.claims.base import Check, Decision
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.changes_time import ChangesTime
from grokcore.claims.predicates.counts import Groks, IsUnstable, PeaksEarly
from grokcore.claims.predicates.generalizes_more import GeneralizesMore
from grokcore.claims.predicates.inside import Shows
from grokcore.claims.predicates.never_groks import NeverGroks
from grokcore.claims.predicates.results import CheckResult
from grokcore.claims.predicates.transfers_little import TransfersLittle

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord


_Simple: TypeAlias = (
    Groks | NeverGroks | ChangesTime | GeneralizesMore | PeaksEarly | IsUnstable | Shows | TransfersLittle
)
Simple = Annotated[_Simple, Field(discriminator="kind")]


class Every(Check):
    """Supported if all parts are, at `alpha` (an intersection-union test); its p is the largest of theirs.

    Contradicted if one is, at `alpha` divided by their number: so much may be wrong of any of them.
    """

    VERSION: ClassVar[int] = 3

    kind: Literal["every"] = "every"
    parts: tuple[Simple, ...] = Field(min_length=2)

    def concerns(self, run: RunRecord) -> bool:
        return all(part.concerns(run) for part in self.parts)

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        found = [part.judge(factor, stratum, alpha) for part in self.parts]
        against = [part for part, finding in zip(self.parts, found, strict=True) if finding.decision == "contradicted"]
        share = alpha / len(self.parts)
        decision: Decision = "undecided"
        if any(part.judge(factor, stratum, share).decision == "contradicted" for part in against):
            decision = "contradicted"
        elif all(finding.decision == "supported" for finding in found):
            decision = "supported"
        ps = [finding.p for finding in found if finding.p is not None]
        needs = tuple(dict.fromkeys(need for finding in found for need in finding.needs))
        if decision == "undecided" and not needs:
            needs = ("more seeds: one part is contradicted, but not surely enough for several parts",)
        return CheckResult(
            decision,
            "; ".join(finding.sentence for finding in found),
            {f"{place}.{name}": value for place, one in enumerate(found, 1) for name, value in one.numbers.items()},
            max(ps) if len(ps) == len(found) else None,
            needs if decision == "undecided" else (),
            all(finding.decidable for finding in found),
        )


KINDS: tuple[type[_Simple | Every], ...] = (
    Groks,
    NeverGroks,
    ChangesTime,
    GeneralizesMore,
    PeaksEarly,
    IsUnstable,
    Shows,
    TransfersLittle,
    Every,
)
Predicate = Annotated[_Simple | Every, Field(discriminator="kind")]

__all__ = [
    "KINDS",
    "ChangesTime",
    "CheckResult",
    "Every",
    "GeneralizesMore",
    "Groks",
    "IsUnstable",
    "NeverGroks",
    "PeaksEarly",
    "Predicate",
    "Shows",
    "TransfersLittle",
    "split_of",
    "versions_of",
]


def versions_of(predicate: Predicate | Simple) -> dict[str, int]:
    """The versions of the code that tests this predicate."""
    versions: dict[str, int] = {predicate.kind: predicate.VERSION}
    if isinstance(predicate, Every):
        for part in predicate.parts:
            versions |= versions_of(part)
    return versions


def split_of(predicate: Predicate | Simple) -> str:
    """The split that a predicate is about; of several, the last and hardest."""
    if isinstance(predicate, Every):
        return split_of(predicate.parts[-1])
    return predicate.splits[-1] if isinstance(predicate, Groks) else predicate.split
