"""The one face all architectures show to training, evaluation and analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from grokcore.errors import InputError
from grokcore.models.architecture import TransformersModel
from grokcore.storage import clear_errors

ResidualHook = Callable[[int, Tensor], Tensor | None]
"""(layer, hidden (B, T, D)) -> what takes its place in the stream, or None to leave it."""


class SequenceModel(nn.Module):
    """A causal language model of the Hugging Face library that predicts at chosen positions only.

    Attributes:
        network: the `PreTrainedModel`; its parameters are this module's.
        layout: where its parts are and how its parameters are treated.
        layers: number of blocks.
        vocabulary_size: number of tokens V.
    """

    causal_mask: Tensor | None

    def __init__(self, network: Any, layout: TransformersModel[Any]) -> None:
        super().__init__()
        self.network = network
        self.layout = layout
        self.layers = len(self._blocks)
        self.vocabulary_size: int = network.config.vocab_size
        mask = _causal_mask(network.config.max_position_embeddings) if layout.needs_causal_mask else None
        self.register_buffer("causal_mask", mask, persistent=False)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Logits of the token that follows each of `positions`.

        Rows are left-aligned; padding after the last of the positions changes nothing, since every token sees only
        those before it, so no padding mask is needed.

        Args:
            tokens: (B, T) int64.
            positions: (B, P) int64, each in [0, T).

        Returns:
            (B, P, V).
        """
        batch, length = tokens.shape
        hidden_btd = self._hidden(tokens)
        first_of_row = torch.arange(0, batch * length, length, device=positions.device)
        rows = (positions + first_of_row[:, None]).flatten()
        hidden_bpd = hidden_btd.flatten(0, 1).index_select(0, rows).view(*positions.shape, -1)
        return self._head(hidden_bpd)

    def unembed(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) read off a residual stream (..., D) at any layer: the final norm, then the head."""
        norm = getattr(self.network.base_model, self.layout.final_norm)
        return self._head(norm(hidden))

    @contextmanager
    def residual_stream(self, hook: ResidualHook) -> Iterator[None]:
        """Call `hook` with the residual stream at every layer of every forward pass inside the block.

        Layer 0 is what enters the first block (embeddings, and positions where they are added to them), layer i the
        output of block i, before the final norm. A tensor that `hook` returns goes on in place of the stream.
        """

        def before_first_block(block: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
            replacement = hook(0, args[0])
            return None if replacement is None else (replacement, *args[1:])

        def after_block(layer: int) -> Callable[..., Any]:
            def call(block: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
                hidden, *rest = output if isinstance(output, tuple) else (output,)
                replacement = hook(layer, hidden)
                if replacement is None:
                    return None
                return (replacement, *rest) if isinstance(output, tuple) else replacement

            return call

        with ExitStack() as hooks:
            hooks.enter_context(self._blocks[0].register_forward_pre_hook(before_first_block))
            for layer, block in enumerate(self._blocks, start=1):
                hooks.enter_context(block.register_forward_hook(after_block(layer)))
            yield

    def save(self, directory: Path) -> None:
        """Write config.json and model.safetensors, which `AutoModelForCausalLM.from_pretrained` reads.

        Raises:
            InputError: the directory cannot be written, or the disk is full.
        """
        with clear_errors("write", directory), _without_progress_bars():
            directory.mkdir(parents=True, exist_ok=True)  # save_pretrained says nothing where a file is in the way
            try:
                self.network.save_pretrained(directory)
            except SafetensorError as error:
                raise InputError(
                    f"cannot write {directory}: {error}; free some space or choose another place"
                ) from None

    @property
    def _blocks(self) -> nn.ModuleList:
        blocks: nn.ModuleList = getattr(self.network.base_model, self.layout.blocks)
        return blocks

    def _hidden(self, tokens: Tensor) -> Tensor:
        """Final hidden states (B, T, D), after the last norm."""
        length = tokens.shape[1]
        inputs: dict[str, Any] = {"input_ids": tokens, "use_cache": False}
        if self.causal_mask is not None:
            if length > self.causal_mask.shape[-1]:
                raise ValueError(f"{length} tokens do not fit in {self.causal_mask.shape[-1]} positions")
            # A mask of its own would cost transformers a look at the device in every step, to find packed sequences.
            inputs["attention_mask"] = self.causal_mask[:, :, :length, :length]
        hidden: Tensor = self.network.base_model(**inputs).last_hidden_state
        return hidden

    def _head(self, hidden: Tensor) -> Tensor:
        head = self.network.get_output_embeddings()
        logits: Tensor = head(hidden.to(head.weight.dtype))
        return logits


def _causal_mask(length: int) -> Tensor:
    """(1, 1, T, T): added to the attention scores, 0 for a token and those before it."""
    return torch.full((1, 1, length, length), torch.finfo(torch.float32).min).triu(1)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
