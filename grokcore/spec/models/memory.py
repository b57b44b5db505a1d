"""Memory beside the blocks' own MLPs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from grokcore.spec.base import Spec


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
        """Which memory a layer reads."""
        return layer // 2 if self.pairs == "neighbours" else layer % self.places(layers)

    def places(self, layers: int) -> int:
        """How many memories there are."""
        return -(-layers // 2)


class MemorySlots(Spec):
    """Learned keys and values that every token looks up: softmax(norm(h) K^T) V (arXiv 1907.01470, section 4)."""

    kind: Literal["slots"] = "slots"
    slots: int = Field(64, ge=1, le=1_048_576, description="number of key-value pairs in a memory")
    per: Literal["layer", "model"] = Field(
        "layer", description="layer (each has its own memory) or model (one for all)"
    )

    def place(self, layer: int, layers: int) -> int:
        """Which memory a layer reads."""
        return layer if self.per == "layer" else 0

    def places(self, layers: int) -> int:
        """How many memories there are."""
        return layers if self.per == "layer" else 1


MemorySpec = Annotated[MemoryMLP | MemorySlots, Field(discriminator="kind")]
