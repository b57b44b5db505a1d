"""Cross-layer sharing: fewer weights than layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grokcore.spec.base import Spec
from grokcore.spec.models.reentry import RE_ENTRY, Temperature


class SharedBlocks(Spec):
    """All blocks run several times, a fixed property of the architecture (arXiv 2405.15071, appendix; 1909.11942)."""

    kind: Literal["blocks"] = "blocks"
    repeat: int = Field(2, ge=2, le=64, description="how often each of the `layers` blocks runs")
    order: Literal["cycle", "sequence"] = Field(
        "cycle", description="cycle runs all blocks, then all again (a b a b), sequence each several times (a a b b)"
    )
    reentry: Temperature = Field(None, description=RE_ENTRY)

    @model_validator(mode="after")
    def _reenters_between_rounds(self) -> SharedBlocks:
        if self.reentry is not None and self.order == "sequence":
            raise ValueError("reentry lies between two runs of all blocks, which order=sequence has not: order=cycle")
        return self


class SharedMLP(Spec):
    """One MLP, and the norm before it, in all layers (`share_mlp` of the public code of arXiv 2405.15071)."""

    kind: Literal["mlp"] = "mlp"


SharingSpec = Annotated[SharedBlocks | SharedMLP, Field(discriminator="kind")]
