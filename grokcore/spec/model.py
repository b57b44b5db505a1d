"""What learns: one class per architecture, told apart by `architecture`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from grokcore.spec.base import Spec, added_later


class _Model(Spec):
    implementation: Literal["fast", "transformers"] = Field(
        "fast",
        description="whose code computes the model: fast (made for short sequences) or transformers (the Hugging Face "
        "classes); both begin with the same weights and read each other's files",
    )
    layers: int = Field(2, ge=1, le=256, description="number of blocks")
    width: int = Field(128, ge=8, le=65536, description="width of the residual stream")
    init: Literal["published", "original"] = Field(
        "published",
        description="initial weights: published (transformers' own, as published studies used) or original (the "
        "architecture's own paper and code)",
    )
    match: Literal["layers", "parameters"] = Field(
        "layers",
        description="how architectures are made comparable: by the number of layers, or by taking as many layers as "
        "come closest to the parameters of a GPT-2 of these layers and this width",
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the initial weights; null derives it from the experiment's seed"
    )
    sharing: None = added_later(None, description="parameters shared across layers (reserved)")
    recurrence: None = added_later(None, description="blocks run several times (reserved)")
    memory: None = added_later(None, description="memory added to blocks (reserved)")


class _Transformer(_Model):
    heads: int = Field(4, ge=1, description="number of attention heads; divides width")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> _Transformer:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} must divide width={self.width}")
        return self


class GPT2(_Transformer):
    """GPT-2 (Radford et al., 2019)."""

    architecture: Literal["gpt2"] = "gpt2"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (GPT-2's own choice: true)")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of embeddings, attention and residual branches")
    mlp_width: int | None = Field(None, ge=1, description="hidden width of the MLP; null is 4 x width")


class LLaMA(_Transformer):
    """LLaMA: pre-RMSNorm, rotary positions, SwiGLU (arXiv 2302.13971)."""

    architecture: Literal["llama"] = "llama"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (LLaMA's own choice: false)")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of attention, the only one LLaMA's code has")
    mlp_width: int | None = Field(
        None, ge=1, description="hidden width of the SwiGLU; null is 8/3 x width, rounded up to a multiple of 32"
    )

    @model_validator(mode="after")
    def _rotary_needs_even_heads(self) -> LLaMA:
        if (self.width // self.heads) % 2:
            raise ValueError(f"width/heads = {self.width // self.heads} must be even for rotary positions")
        return self


class RWKV(_Model):
    """RWKV-4 (arXiv 2305.13048)."""

    architecture: Literal["rwkv"] = "rwkv"
    tie_embeddings: bool = Field(False, description="one matrix for embedding and head (RWKV's own choice: false)")
    mlp_width: int | None = Field(None, ge=1, description="hidden width of the channel mixing; null is 4 x width")

    @model_validator(mode="after")
    def _at_least_two_layers(self) -> RWKV:
        if self.layers < 2:
            raise ValueError(f"layers={self.layers}: RWKV-4's initialisation divides by layers - 1, so it needs 2")
        return self


class Mamba(_Model):
    """Mamba-1, a selective state space model (arXiv 2312.00752)."""

    architecture: Literal["mamba"] = "mamba"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba's own choice: true)")
    state_size: int = Field(16, ge=1, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, description="width of the causal convolution")


ModelSpec = Annotated[GPT2 | LLaMA | RWKV | Mamba, Field(discriminator="architecture")]
