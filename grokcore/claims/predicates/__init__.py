"""Kinds of checks, one file each; a claim names one and its numbers.

A predicate is asked about one comparison, a stratum of groups that differ in the claim's factor alone, and answers with
a `Finding`; `grokcore.claims.combining` puts those of several settings together. `VERSION` of a kind is raised when
its code changes what it would find, since a claim's hash covers it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.claims.predicates.changes_time import ChangesTime
from grokcore.claims.predicates.every import Every, Simple
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.generalizes_more import GeneralizesMore
from grokcore.claims.predicates.groks import Groks
from grokcore.claims.predicates.is_unstable import IsUnstable
from grokcore.claims.predicates.never_groks import NeverGroks
from grokcore.claims.predicates.peaks_early import PeaksEarly

KINDS: tuple[type[Groks | NeverGroks | ChangesTime | GeneralizesMore | PeaksEarly | IsUnstable | Every], ...] = (
    Groks,
    NeverGroks,
    ChangesTime,
    GeneralizesMore,
    PeaksEarly,
    IsUnstable,
    Every,
)
Predicate = Annotated[
    Groks | NeverGroks | ChangesTime | GeneralizesMore | PeaksEarly | IsUnstable | Every, Field(discriminator="kind")
]

__all__ = [
    "KINDS",
    "ChangesTime",
    "Every",
    "Finding",
    "GeneralizesMore",
    "Groks",
    "IsUnstable",
    "NeverGroks",
    "PeaksEarly",
    "Predicate",
    "split_of",
    "versions_of",
]


def versions_of(predicate: Predicate | Simple) -> dict[str, int]:
    """The versions of the code that judges by this predicate."""
    versions: dict[str, int] = {predicate.kind: predicate.VERSION}
    if isinstance(predicate, Every):
        for part in predicate.parts:
            versions |= versions_of(part)
    return versions


def split_of(predicate: Predicate | Simple) -> str:
    """The split that a predicate is about; of several, the last: the one that is the hardest."""
    if isinstance(predicate, Every):
        return split_of(predicate.parts[-1])
    return predicate.splits[-1] if isinstance(predicate, Groks) else predicate.split
