"""The architectures with softmax attention."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.models.base import Model


class Transformer(Model):
    """The fields of every architecture with attention heads."""

    heads: int = Field(4, ge=1, le=65_536, description="number of attention heads; divides width")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Transformer:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} must divide width={self.width}")
        return self


class GPT2(Transformer):
    """GPT-2 (Radford et al., 2019)."""

    architecture: Literal["gpt2"] = "gpt2"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (GPT-2's own choice: true)")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="dropout at three places: embeddings, attention weights and residual branches (LLaMA: at one)",
    )
    mlp_width: int | None = Field(None, ge=1, le=1_048_576, description="hidden width of the MLP; null is 4 x width")


class LLaMA(Transformer):
    """LLaMA: pre-RMSNorm, rotary positions, SwiGLU (arXiv 2302.13971)."""

    architecture: Literal["llama"] = "llama"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (LLaMA's own choice: false)")
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="dropout at one place, the attention weights: LLaMA's code has no other (GPT-2: two more)",
    )
    mlp_width: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        description="hidden width of the SwiGLU; null is 8/3 x width, rounded up to a multiple of 32",
    )

    @model_validator(mode="after")
    def _rotary_needs_even_heads(self) -> LLaMA:
        if (self.width // self.heads) % 2:
            raise ValueError(f"width/heads = {self.width // self.heads} must be even for rotary positions")
        return self
