"""The fields of our architectures: one class per `architecture`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from grokcore.spec.models.base import FastOnly, Model, Transformer


class GPT2(Transformer):
    """GPT-2 (Radford et al., 2019)."""

    PYTORCH_INIT = True

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
            raise ValueError(f"layers={self.layers}: RWKV-4's initialization divides by layers - 1, so it needs 2")
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


class Mamba(Model):
    """Mamba-1, a selective state space model (arXiv 2312.00752)."""

    HAS_MLP: ClassVar[bool] = False

    architecture: Literal["mamba"] = "mamba"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba's own choice: true)")
    state_size: int = Field(16, ge=1, le=65_536, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, le=1024, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, le=1024, description="width of the causal convolution")


class Mamba2(Model):
    """Mamba-2: a state space model whose heads decay as a whole (arXiv 2405.21060)."""

    HAS_MLP: ClassVar[bool] = False

    architecture: Literal["mamba2"] = "mamba2"
    tie_embeddings: bool = Field(True, description="one matrix for embedding and head (Mamba-2's own choice: true)")
    heads: int = Field(4, ge=1, le=65_536, description="number of heads; divides expand x width")
    state_size: int = Field(128, ge=1, le=65_536, description="size N of the state of each channel")
    expand: int = Field(2, ge=1, le=1024, description="inner width as a multiple of width")
    conv_kernel: int = Field(4, ge=1, le=1024, description="width of the causal convolution")

    @model_validator(mode="after")
    def _heads_divide_inner_width(self) -> Mamba2:
        if (self.expand * self.width) % self.heads:
            raise ValueError(f"heads={self.heads} must divide expand x width = {self.expand * self.width}")
        return self


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
