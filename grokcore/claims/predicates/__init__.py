"""Kinds of checks, one file each; a claim names one and its numbers.

A predicate is asked about strata of comparable groups and answers with a `Finding`. `VERSION` of a kind is raised when
its code changes what it would find, since a claim's hash covers it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grokcore.claims.predicates.changes_time import ChangesTime
from grokcore.claims.predicates.every import Every, Simple
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.groks import Groks
from grokcore.claims.predicates.is_unstable import IsUnstable
from grokcore.claims.predicates.never_groks import NeverGroks
from grokcore.claims.predicates.peaks_early import PeaksEarly

KINDS: tuple[type[Groks | NeverGroks | ChangesTime | PeaksEarly | IsUnstable | Every], ...] = (
    Groks,
    NeverGroks,
    ChangesTime,
    PeaksEarly,
    IsUnstable,
    Every,
)
Predicate = Annotated[Groks | NeverGroks | ChangesTime | PeaksEarly | IsUnstable | Every, Field(discriminator="kind")]

__all__ = [
    "KINDS",
    "ChangesTime",
    "Every",
    "Finding",
    "Groks",
    "IsUnstable",
    "NeverGroks",
    "PeaksEarly",
    "Predicate",
    "versions_of",
]


def versions_of(predicate: Predicate | Simple) -> dict[str, int]:
    """The versions of the code that judges by this predicate."""
    versions: dict[str, int] = {predicate.kind: predicate.VERSION}
    if isinstance(predicate, Every):
        for part in predicate.parts:
            versions |= versions_of(part)
    return versions
