"""A claim: a statement of the literature, and the test that was fixed for it before there were runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.conditions import Condition, Factor, NoFactor, describe_all
from grokcore.claims.predicates import Predicate, versions_of
from grokcore.evaluation.survival import Definition
from grokcore.spec.experiment import fingerprint


class Published(Part):
    """The conditions under which a claim was published.

    Runs that meet all of them reproduce or refute the claim; others show whether it holds elsewhere. A condition on a
    field that an architecture does not have (the heads of a Mamba) is met.
    """

    threshold: float = Field(
        0.99, gt=0, le=1, description="accuracy from which the source counts a split as generalized"
    )
    definition: Definition = Field(
        "sustained",
        description="time read off a published curve: the step from which it stays at the threshold",
    )
    conditions: tuple[Condition, ...] = Field(description="of every group compared: scale, data and optimization")
    product: float | None = Field(None, description="of the fields that the claim holds constant; null: any")
    budget: float | None = Field(
        None,
        gt=0,
        description="least steps of a run without a sustained split, in times to memorize; null: the source "
        "trains for less than it takes, or gives no figure",
    )

    def describe(self) -> str:
        """Describe the conditions in one line."""
        budget = (
            f", {self.budget:g} times the steps to memorize or until it is sustained" if self.budget is not None else ""
        )
        product = f", their constant product {self.product:g}" if self.product is not None else ""
        return f"threshold {self.threshold:g}, {self.definition}, {describe_all(self.conditions)}{product}{budget}"


SHARED_VERSION = 4
"""Raised when the code that all predicates rest on (strata, tests, phases, behavior) would give other verdicts."""


class Confound(Part):
    """Another possible cause of a difference, known from the literature."""

    field: str
    by: Literal["stratum", "second", "equality"] = Field(
        description="how runs with and without it are separated: stratum (all compared groups have the same value; by "
        "that), second (by its value where the factor is highest), equality (by whether compared groups have the same)"
    )
    why: str = Field(description="the evidence for it, in one sentence")


class Claim(Part):
    """One entry of the ledger."""

    number: int = Field(ge=1)
    id: str = Field(pattern="^[a-z0-9-]+$", description="short and lasting")
    statement: str = Field(description="the claim, in one sentence")
    source: str = Field(description="where it is claimed")
    about: tuple[Condition, ...] = Field(description="conditions that all its groups meet")
    factor: Factor = Field(default_factory=NoFactor, description="the field that is claimed to have an effect")
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
    note: str = Field("", description="remarks on the published evidence")

    @property
    def hash(self) -> str:
        """Of the whole definition, published conditions included, and of the versions of the code that judges it."""
        versions = versions_of(self.predicate)
        return fingerprint({"claim": self.model_dump(mode="json"), "code": versions, "shared": SHARED_VERSION})
