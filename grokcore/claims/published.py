"""The conditions under which a claim was published."""

from __future__ import annotations

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.conditions import Condition, in_words
from grokcore.evaluation.survival import Definition


class Published(Part):
    """What the source fixes: runs that meet all of it reproduce or refute the claim, others tell where it holds.

    A condition on a field that an architecture does not have (the heads of a Mamba) asks nothing of it.
    """

    threshold: float = Field(0.99, gt=0, le=1, description="accuracy from which the source counts a split as grokked")
    definition: Definition = Field(
        "sustained", description="what of a published curve is read: the step from which it stays at the threshold"
    )
    conditions: tuple[Condition, ...] = Field(description="of every group compared: scale, data and optimization")
    product: float | None = Field(None, description="of the fields that the claim holds constant; null: any")
    budget: float | None = Field(
        None,
        gt=0,
        description="least steps of a run that did not grok, in multiples of its steps to memorize; null: the source "
        "trains for less than it takes, or gives no figure",
    )

    def words(self) -> str:
        """All of it, in one line."""
        budget = f", {self.budget:g} times the steps to memorize or until it groks" if self.budget is not None else ""
        product = f", their constant product {self.product:g}" if self.product is not None else ""
        return f"threshold {self.threshold:g}, {self.definition}, {in_words(self.conditions)}{product}{budget}"
