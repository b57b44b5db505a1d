"""The fields of every architecture: one class per `architecture`, and their union `ModelSpec`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from grokcore.spec.base import Spec, added_later
from grokcore.spec.composition import MemorySpec, RecurrenceSpec, SharedBlocks, SharedMLP, SharingSpec
from grokcore.spec.start_from import StartFrom


class Model(Spec):
    """The fields of every architecture."""

    HAS_MLP: ClassVar[bool] = True
    """Whether its blocks have a channel mixer that layers could share."""
    PYTORCH_INIT: ClassVar[bool] = False
    """Whether it is made of modules for which PyTorch has initial weights of its own."""
    SEMANTICS: ClassVar[int] = 1
    """Raised, for the architecture alone, when the same spec and data would give another curve."""

    implementation: Literal["fast", "transformers"] = Field(
        "fast",
        description="whose code computes the model: fast (made for short sequences) or transformers (the Hugging Face "
        "classes); both begin with the same weights and read each other's files",
    )
    layers: int = Field(2, ge=1, le=256, description="number of blocks with weights of their own")
    width: int = Field(128, ge=8, le=65536, description="width of the residual stream")
    init: Literal["published", "original", "pytorch"] = Field(
        "published",
        description="initial weights: published (transformers' own, as published studies used), original (the "
        "architecture's own paper and code) or, gpt2 alone, pytorch (defaults of torch.nn: embeddings with a standard "
        "deviation of 1, as in the public code of arXiv 2405.20233)",
    )
    init_scale: float = added_later(
        1.0, gt=0, le=1e3, description="what all matrices are multiplied by before the first step (arXiv 2210.01117)"
    )
    init_row_norm: float | None = added_later(
        None, gt=0, le=1e3, description="L2 norm of every row of every matrix before the first step; null: as drawn"
    )
    start_from: StartFrom | None = added_later(
        None, description="weights of another model that this one starts from; null starts from drawn ones alone"
    )
    match: Literal["layers", "parameters", "flops"] = Field(
        "layers",
        description="how architectures are made comparable: by the number of layers, or by the size that comes closest "
        "to the parameters, or to the arithmetic, of the blocks of a plain GPT-2 of these layers and this width",
    )
    match_by: Literal["depth", "width"] = added_later(
        "depth", description="what `match` chooses: depth (the number of layers) or width (of the residual stream)"
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the initial weights; null derives it from the experiment's seed"
    )
    sharing: SharingSpec | None = added_later(
        None, description="weights shared across layers: kind blocks or mlp; null shares none"
    )
    recurrence: RecurrenceSpec | None = added_later(
        None, description="all blocks run in a loop: kind fixed, random or adaptive; null runs them once"
    )
    memory: MemorySpec | None = added_later(
        None, description="memory beside the blocks' MLPs: kind mlp or slots; null has none"
    )

    @model_validator(mode="after")
    def _parts_go_together(self) -> Model:
        for wrong, message in self._contradictions():
            if wrong:
                raise ValueError(message)
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        parts = {"sharing": self.sharing, "recurrence": self.recurrence, "memory": self.memory}
        used = [name for name, part in parts.items() if part is not None]
        reentry = getattr(self.sharing, "reentry", None) or getattr(self.recurrence, "reentry", None)
        start = self.start_from
        architecture = getattr(self, "architecture", type(self).__name__)
        return [
            (
                self.init == "pytorch" and not self.PYTORCH_INIT,
                f"init=pytorch is known for gpt2, not for {architecture}: use published or original",
            ),
            (
                self.implementation == "transformers" and bool(used),
                f"implementation=transformers has no {' or '.join(used)}: use implementation=fast",
            ),
            (
                isinstance(self.sharing, SharedBlocks) and self.recurrence is not None,
                "sharing.kind=blocks and recurrence both run the blocks again: set one of them to null",
            ),
            (
                isinstance(self.sharing, SharedMLP) and not self.HAS_MLP,
                f"sharing.kind=mlp: the blocks of {architecture} have no MLP to share; sharing.kind=blocks would do",
            ),
            (
                isinstance(self.sharing, SharedMLP) and self.layers < 2,
                f"sharing.kind=mlp: layers={self.layers} leaves nothing to share, so it needs 2",
            ),
            (
                self.init_scale != 1 and self.init_row_norm is not None,
                "init_scale is undone by init_row_norm, which sets the norm of each row: set one of them",
            ),
            (
                start is not None and start.parts == "all" and (self.init_scale != 1 or self.init_row_norm is not None),
                "start_from.parts=all replaces what init_scale and init_row_norm act on: leave these out",
            ),
            (
                self.implementation == "transformers" and start is not None and start.parts != "all" and start.project,
                "implementation=transformers trains no product A B: implementation=fast, or start_from.project=false",
            ),
            (
                self.match == "layers" and self.match_by == "width",
                "match_by=width chooses a width by match=parameters or match=flops, and match is layers",
            ),
            (
                self.match == "flops" and reentry is not None,
                "match=flops cannot count reentry, whose arithmetic depends on the task's vocabulary: match=parameters",
            ),
        ]


class FastOnly(Model):
    """The fields of an architecture that `fast` alone computes."""

    @field_validator("implementation")
    @classmethod
    def _computed_by_fast(cls, implementation: str) -> str:
        if implementation != "fast":
            kind = cls.model_fields["architecture"].default
            raise ValueError(f"transformers has no {kind}: only implementation=fast computes it")
        return implementation


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


ModelSpec = Annotated[
    GPT2 | LLaMA | RWKV | Mamba | LinearAttention | RetNet | GLA | DeltaNet | Mamba2 | RWKV6,
    Field(discriminator="architecture"),
]

__all__ = [
    "GLA",
    "GPT2",
    "RWKV",
    "RWKV6",
    "DeltaNet",
    "LLaMA",
    "LinearAttention",
    "Mamba",
    "Mamba2",
    "ModelSpec",
    "RetNet",
]
