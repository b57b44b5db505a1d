"""Recurrence: all blocks run in a loop, as often as the kind says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grokcore.spec.base import Spec
from grokcore.spec.models.reentry import RE_ENTRY, Temperature


class _Recurrence(Spec):
    reentry: Temperature = Field(None, description=RE_ENTRY)
    zero_init: bool = Field(
        False, description="start the projections into the residual stream at zero, so that a loop starts as identity"
    )


class FixedLoops(_Recurrence):
    """The same number of loops always (arXiv 1807.03819 without halting): what `sharing.kind: blocks` computes."""

    kind: Literal["fixed"] = "fixed"
    loops: int = Field(2, ge=2, le=256, description="how often all blocks run")


class RandomLoops(_Recurrence):
    """Another number of loops in every training step, so that depth can be chosen afterwards (arXiv 2502.05171)."""

    kind: Literal["random"] = "random"
    least: int = Field(1, ge=1, description="fewest loops of a training step; all up to `most` are equally likely")
    most: int = Field(4, ge=1, le=256, description="most loops of a training step")
    evaluation: int | None = Field(None, ge=1, le=256, description="loops in evaluation; null is `most`")
    seed: int = Field(
        0, ge=0, description="of the draws, so that every architecture and seed meets the same loops at the same step"
    )

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> RandomLoops:
        if self.least > self.most:
            raise ValueError(f"least={self.least} must not be above most={self.most}")
        return self


class AdaptiveLoops(_Recurrence):
    """Each token loops until its stream settles (a fixed point, as in arXiv 1909.01377, found by plain iteration).

    A loop that would change a token's residual stream by no more than `tolerance` of its length leaves it as it is; so
    it stays for as long as what the token sees does. Gradients flow through the loops that changed the stream, none
    through the decision, and the loss knows no price of pondering (unlike arXiv 1603.08983).
    """

    kind: Literal["adaptive"] = "adaptive"
    tolerance: float = Field(0.05, gt=0, description="relative change of a token's stream up to which it has settled")
    most: int = Field(8, ge=2, le=256, description="loops of every token, settled or not: all are computed")


RecurrenceSpec = Annotated[FixedLoops | RandomLoops | AdaptiveLoops, Field(discriminator="kind")]
