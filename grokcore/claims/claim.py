"""A claim: a sentence from the literature, and the check that was fixed for it before there were runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.conditions import Condition
from grokcore.claims.factors import Alone, Factor
from grokcore.claims.predicates import Predicate, versions_of
from grokcore.claims.published import Published
from grokcore.spec.experiment import fingerprint

SHARED_VERSION = 4
"""Raised when the code that all predicates rest on (strata, tests, phases, behaviour) would give other verdicts."""


class Confound(Part):
    """Something else that could make the difference, known from the literature."""

    field: str
    by: Literal["stratum", "second", "equality"] = Field(
        description="how runs with and without it are told apart: stratum (all compared groups have the same value; by "
        "that), second (by its value where the factor is highest), equality (by whether compared groups have the same)"
    )
    why: str = Field(description="what is known of it, in one sentence")


class Claim(Part):
    """One entry of the ledger."""

    number: int = Field(ge=1)
    id: str = Field(pattern="^[a-z0-9-]+$", description="short and lasting")
    statement: str = Field(description="what is claimed, in one sentence")
    source: str = Field(description="where it is claimed")
    about: tuple[Condition, ...] = Field(description="conditions that all its groups meet")
    factor: Factor = Field(default_factory=Alone, description="what is claimed to make the difference")
    carries: tuple[str, ...] = Field((), description="fields that may differ along with the factor")
    constant: tuple[str, ...] = Field((), description="fields whose product is the same in all groups compared")
    predicate: Predicate = Field(description="what must be true of the runs")
    over: Literal["every", "some"] = Field(
        "every",
        description="how comparisons in several settings are combined: every (the claim admits no exception), some "
        "(it says that there is a setting, as 'may' does)",
    )
    published: Published = Field(description="the conditions and the scale that it was published for")
    alpha: float = Field(0.05, gt=0, lt=1, description="most frequent error of either verdict, of this claim alone")
    confounds: tuple[Confound, ...] = ()
    note: str = Field("", description="what a reader should know of the published evidence")

    @property
    def hash(self) -> str:
        """Of the whole definition, published conditions included, and of the versions of the code that judges it."""
        versions = versions_of(self.predicate)
        return fingerprint({"claim": self.model_dump(mode="json"), "code": versions, "shared": SHARED_VERSION})
