"""The one face all models show to training, evaluation and analysis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

ResidualHook = Callable[[int, Tensor], Tensor | None]
"""(layer, hidden (B, T, D)) -> what takes its place in the stream, or None to leave it."""


class SharedPrefixes(NamedTuple):
    """The beginnings of a batch's examples, where few are shared by many.

    Attributes:
        table: (A, L) int64, the token ids of each prefix.
        of: (B,) int64, the prefix of each example, or A for one that begins in its own way.
    """

    table: Tensor
    of: Tensor


class SequenceModel(nn.Module, ABC):
    """A causal language model that predicts at chosen positions only.

    Attributes:
        architecture: its name in the registry.
        layers: how many blocks the stream runs through in evaluation; one that runs twice counts twice.
        vocabulary_size: number of tokens V.
    """

    architecture: str
    layers: int
    vocabulary_size: int

    @abstractmethod
    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        """Logits of the token that follows each of `positions`.

        Rows are left-aligned; padding after the last of the positions changes nothing, since every token sees only
        those before it, so no padding mask is needed.

        Args:
            tokens: (B, T) int64; with `prefixes`, of each example what follows its prefix.
            positions: (B, P) int64, each in [0, T): places in `tokens`.
            prefixes: the beginnings of the examples, computed once each; only where `shares_prefixes`.

        Returns:
            (B, P, V).

        Raises:
            ValueError: the sequences are longer than the model has positions.
        """

    @property
    @abstractmethod
    def why_unshared(self) -> str | None:
        """Why `forward` cannot take prefixes, or None where it can and computes the same with them as without."""

    @property
    def shares_prefixes(self) -> bool:
        return self.why_unshared is None

    def prepare(self, step: int) -> int:
        """Draw on the host what a training step depends on beside its examples; before each, in training mode.

        Without it, training steps compute what evaluation does.

        Returns:
            The same number for steps that launch the same work: what a recorded step is known by.
        """
        return 0

    @abstractmethod
    def unembed(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) read off a residual stream (..., D) at any layer: the final norm, then the head."""

    @abstractmethod
    def residual_stream(self, hook: ResidualHook) -> AbstractContextManager[None]:
        """Call `hook` with the residual stream at every layer of every forward pass inside the block.

        Layer 0 is what enters the first block (embeddings, and positions where they are added to them), layer i what
        the i-th block that runs puts out, before the final norm; a block that runs twice counts twice. A tensor that
        `hook` returns goes on in place of the stream. (Where a token that has settled keeps what it had before a round
        of several blocks, that is what it had, not what replaced the stream within the round.)
        """

    @abstractmethod
    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        """Of every parameter, the names of the weights of transformers that it holds."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write config.json and model.safetensors, which `AutoModelForCausalLM.from_pretrained` reads.

        Raises:
            InputError: the directory cannot be written, or the disk is full.
        """
