"""Attention without a softmax: what a token takes from those before it is linear in what they keep."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from grokcore.spec.models.fast_only import FastOnly
from grokcore.spec.models.transformers import Transformer


class LinearAttention(Transformer, FastOnly):
    """GPT-2 with the kernel elu + 1 in place of the softmax (arXiv 2006.16236)."""

    architecture: Literal["linear_attention"] = "linear_attention"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (GPT-2's own choice: true)")
    mlp_width: int | None = Field(None, ge=1, le=1_048_576, description="hidden width of the MLP; null is 4 x width")


class RetNet(Transformer, FastOnly):
    """RetNet: linear attention that decays at a fixed rate per head, with rotary positions (arXiv 2307.08621)."""

    SEMANTICS: ClassVar[int] = 2

    architecture: Literal["retnet"] = "retnet"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (its code's choice: false)")
    mlp_width: int | None = Field(None, ge=1, le=1_048_576, description="hidden width of the MLP; null is 2 x width")

    @model_validator(mode="after")
    def _rotary_needs_even_heads(self) -> RetNet:
        if (self.width // self.heads) % 2:
            raise ValueError(f"width/heads = {self.width // self.heads} must be even for rotary positions")
        return self


class GLA(Transformer, FastOnly):
    """Gated linear attention: every channel of a key decays at a rate that the token sets (arXiv 2312.06635)."""

    SEMANTICS: ClassVar[int] = 2

    architecture: Literal["gla"] = "gla"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (its code's choice: false)")
    mlp_width: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="hidden width of the SwiGLU; null is 8/3 x width, rounded up to a multiple of 32",
    )
    gate_rank: int = Field(16, ge=1, le=65_536, description="rank of the projection that the decay rates come from")

    @model_validator(mode="after")
    def _heads_divide_keys(self) -> GLA:
        if self.width % (2 * self.heads):
            raise ValueError(f"2 x heads = {2 * self.heads} must divide width={self.width}: keys are half as wide")
        return self


class DeltaNet(Transformer, FastOnly):
    """DeltaNet: a token overwrites what its key has stored instead of adding to it (arXiv 2406.06484)."""

    SEMANTICS: ClassVar[int] = 2

    architecture: Literal["deltanet"] = "deltanet"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (its code's choice: false)")
    mlp_width: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="hidden width of the SwiGLU; null is 8/3 x width, rounded up to a multiple of 32",
    )
    conv_kernel: int = Field(
        4, ge=1, le=1024, description="width of the causal convolution of queries, keys and values"
    )
