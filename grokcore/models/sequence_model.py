"""The interface of all models to training, evaluation and analysis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

ResidualHook = Callable[[int, Tensor], Tensor | None]
"""(layer, hidden (B, T, D)) -> what takes its place in the stream, or None to leave it."""


MixerPart = Literal["token", "channel"]
MIXER_PARTS: tuple[MixerPart, ...] = ("token", "channel")
MixerHook = Callable[[int, MixerPart, Tensor, Tensor], Tensor | None]
"""(number of the block that runs, from 0; mixer; its normalized input (B, T, D); its output (B, T, D)) -> what is added
to the stream in the output's place, or None to leave it."""


class SharedPrefixes(NamedTuple):
    """Prefixes that many examples of a batch share.

    Attributes:
        table: (A, L) int64, the token ids of each prefix.
        of: (B,) int64, the prefix of each example, or A for an example without one.
    """

    table: Tensor
    of: Tensor


class SequenceModel(nn.Module, ABC):
    """A causal language model that predicts at selected positions only.

    Attributes:
        architecture: its name in the registry.
        layers: number of blocks that the stream runs through in evaluation; one that runs twice counts twice.
        vocabulary_size: number of tokens V.
        config: the configuration, with the names that transformers has for its fields.
        stores_transposed: whether matrices that transformers keeps transposed are so here, too.
    """

    architecture: str
    config: Any
    stores_transposed: bool = False
    layers: int
    vocabulary_size: int

    @abstractmethod
    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        """Return the logits of the token that follows each of `positions`.

        Rows are left-aligned; padding after the last of the positions changes nothing, since every token sees only
        those before it, so no padding mask is needed.

        Args:
            tokens: (B, T) int64; with `prefixes`, the tokens of each example after its prefix.
            positions: (B, P) int64, each in [0, T): places in `tokens`.
            prefixes: of the examples, each computed once; only if `shares_prefixes`.

        Returns:
            (B, P, V).

        Raises:
            ValueError: the sequences are longer than the model has positions.
        """

    @property
    @abstractmethod
    def why_unshared(self) -> str | None:
        """Return why `forward` cannot share prefixes, or None if it can, with the same results as without."""

    @property
    def shares_prefixes(self) -> bool:
        return self.why_unshared is None

    def prepare(self, step: int) -> int:
        """Draw on the host the random choices of a training step, such as the number of loops; called before each step.

        Without it, training steps compute the same as evaluation.

        Returns:
            The same number for steps that launch the same kernels, so that a recorded step can be replayed.
        """
        return 0

    @abstractmethod
    def unembed(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of a residual stream (..., D) at any layer: the final norm, then the head."""

    @abstractmethod
    def residual_stream(self, hook: ResidualHook) -> AbstractContextManager[None]:
        """Call `hook` with the residual stream at every layer of every forward pass inside the block.

        Layer 0 is the input of the first block (embeddings, and positions if they are added), layer i the output of the
        i-th block that runs, before the final norm; a block that runs twice counts twice. A tensor that `hook` returns
        replaces the stream. (A token that has converged keeps its stream from before a round of several blocks, without
        replacements made within the round.)
        """

    def forward_from(self, streams: Sequence[Tensor], positions: Tensor) -> Tensor:
        """Return the logits of a forward pass in evaluation whose stream at some layer is given: only later blocks run.

        Hooks are not called.

        Args:
            streams: (..., T, D) of layers 0 to l, as `residual_stream` counts them. The last one is read on from, those
                before it are read by adaptive loops alone.
            positions: (B, P) int64, where B is the product of the leading dimensions.

        Returns:
            (B, P, V).

        Raises:
            ValueError: the implementation cannot begin within its blocks.
        """
        raise ValueError("implementation: transformers cannot begin within its blocks: load the model as fast")

    def mixers(self, hook: MixerHook) -> AbstractContextManager[None]:
        """Call `hook` with the input and output of every mixer of every forward pass inside the block.

        The token mixer mixes positions (attention, RWKV's time mixing, a state space), the channel mixer acts on each
        alone (the MLP; RWKV's looks one token back, too); Mamba and Mamba-2 have none. A block that runs twice counts
        twice, as in `residual_stream`: the block of number i reads the stream of layer i. A tensor that `hook` returns
        takes the place of the output.

        Raises:
            ValueError: the implementation has no such hook, or there is a hook already.
        """
        raise ValueError("implementation: transformers has no hook on its mixers: load the model as fast")

    def mix_tokens(self, number: int, x: Tensor) -> Tensor:
        """Return what the token mixer of the block of this number makes of a normalized input (B, T, D): (B, T, D).

        `x` is what the hook of `mixers` is given; changed, it tells which positions the mixer reads.

        Raises:
            ValueError: the implementation does not give its mixers out.
        """
        raise ValueError("implementation: transformers does not give its mixers out: load the model as fast")

    def attention_weights(self, number: int, x: Tensor) -> Tensor | None:
        """Return the weights A (B, H, T, T) that the block of this number gives, of query t, to position i.

        A head mixes its values by them, sum_i A_ti v_i, before it norms and gates the result. Rows of softmax and
        linear attention sum to 1; those of RetNet, GLA, DeltaNet, Mamba-2 and RWKV-6 need not, and may be negative.
        RWKV-4 and Mamba weigh each channel by itself; theirs are means over channels, for Mamba of their absolute
        values, as of one head.

        Args:
            x: (B, T, D), the normalized input of the token mixer, as the hook of `mixers` is given it.

        Returns:
            None for an implementation that does not give its weights out.
        """
        return None

    def head_outputs(self, number: int, x: Tensor) -> Tensor | None:
        """Return what each head of the token mixer of the block of this number adds to its output, (B, H, T, D).

        Their sum is what `mix_tokens` returns, less the bias of the output projection.

        Args:
            x: (B, T, D), the normalized input of the token mixer, as the hook of `mixers` is given it.

        Returns:
            None for a mixer without heads.
        """
        return None

    def whole_sequences(self) -> AbstractContextManager[None]:
        """Compute every token of every block inside the block of code, as readers of modules' outputs expect.

        Without it, and without a hook, the last block of a fast model computes the selected positions only: hooks of
        other tools on its modules would see (B * P, D) rows.
        """
        return nullcontext()

    @abstractmethod
    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        """Return for every parameter the names of the weights of transformers that it holds."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write config.json and model.safetensors, which `AutoModelForCausalLM.from_pretrained` reads.

        Raises:
            InputError: the directory cannot be written, or the disk is full.
        """
