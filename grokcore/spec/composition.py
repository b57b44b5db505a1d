"""How blocks are composed to a model, whatever their architecture: weight sharing, recurrence and memory.

Sharing uses one block, or one MLP, in several layers; recurrence runs all blocks in a loop; memory is read beside the
blocks' own MLPs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grokcore.spec.base import Spec

Temperature = Annotated[float, Field(gt=0)] | None

RE_ENTRY = (
    "temperature t of the re-entry into the embedding space between two runs of all blocks, h + softmax(t h W^T) W "
    "with W the embedding matrix; null goes on with h itself"
)
"""Description of the fields for re-entry, `re_embed` with t = 1 in the public code of arXiv 2405.15071."""


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


class MemoryMLP(Spec):
    """MLPs that two layers each share, beside the layers' own (`add_memory` of the public code of arXiv 2405.15071)."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(1536, ge=1, le=1_048_576, description="hidden width of a memory MLP")
    pairs: Literal["halves", "neighbours"] = Field(
        "halves",
        description="which layers share one: halves (the i-th of the lower and the i-th of the upper half, as in the "
        "public code) or neighbours (1 and 2, 3 and 4); of an odd number of layers one has its own",
    )

    def place(self, layer: int, layers: int) -> int:
        """Return the number of the memory that a layer reads."""
        return layer // 2 if self.pairs == "neighbours" else layer % self.places(layers)

    def places(self, layers: int) -> int:
        """Return the number of memories."""
        return -(-layers // 2)


class MemorySlots(Spec):
    """Learned keys and values that every token looks up: softmax(norm(h) K^T) V (arXiv 1907.01470, section 4)."""

    kind: Literal["slots"] = "slots"
    slots: int = Field(64, ge=1, le=1_048_576, description="number of key-value pairs in a memory")
    per: Literal["layer", "model"] = Field(
        "layer", description="layer (each has its own memory) or model (one for all)"
    )

    def place(self, layer: int, layers: int) -> int:
        """Return the number of the memory that a layer reads."""
        return layer if self.per == "layer" else 0

    def places(self, layers: int) -> int:
        """Return the number of memories."""
        return layers if self.per == "layer" else 1


MemorySpec = Annotated[MemoryMLP | MemorySlots, Field(discriminator="kind")]
