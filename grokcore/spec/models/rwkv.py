"""RWKV."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from grokcore.spec.models.base import Model
from grokcore.spec.models.fast_only import FastOnly
from grokcore.spec.models.transformers import Transformer


class RWKV(Model):
    """RWKV-4 (arXiv 2305.13048)."""

    architecture: Literal["rwkv"] = "rwkv"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (RWKV's own choice: false)")
    mlp_width: int | None = Field(
        None, ge=1, le=1_048_576, description="hidden width of the channel mixing; null is 4 x width"
    )

    @model_validator(mode="after")
    def _at_least_two_layers(self) -> RWKV:
        if self.layers < 2:
            raise ValueError(f"layers={self.layers}: RWKV-4's initialisation divides by layers - 1, so it needs 2")
        return self


class RWKV6(Transformer, FastOnly):
    """RWKV-6: matrices as states, whose channels decay at rates that the token sets (arXiv 2404.05892)."""

    SEMANTICS: ClassVar[int] = 2

    architecture: Literal["rwkv6"] = "rwkv6"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (RWKV's own choice: false)")
    mlp_width: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="hidden width of the channel mixing; null is 7/2 x width, to a multiple of 32",
    )
    mix_rank: int = Field(32, ge=1, le=65_536, description="rank of the projections that the token shifts come from")
    decay_rank: int = Field(64, ge=1, le=65_536, description="rank of the projection that the decay rates come from")
