"""`implementation: transformers`: the classes of the Hugging Face library, behind the common interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.models.architecture import TransformersModel
from grokcore.models.files import save_model
from grokcore.models.sequence_model import ResidualHook, SequenceModel, SharedPrefixes


class HuggingFaceModel(SequenceModel):
    """The reference: the models of published studies, which the fast implementation is compared with.

    Attributes:
        network: the `PreTrainedModel`; its parameters are this module's.
        layout: where its parts are.
    """

    causal_mask: Tensor | None
    stores_transposed = True

    def __init__(self, network: Any, layout: TransformersModel[Any]) -> None:
        super().__init__()
        self.network, self.config = network, network.config
        self.layout = layout
        self.architecture, self.layers = network.config.model_type, len(self._blocks)
        self.vocabulary_size = network.config.vocab_size
        mask = _causal_mask(network.config.max_position_embeddings) if layout.needs_causal_mask else None
        self.register_buffer("causal_mask", mask, persistent=False)

    @property
    def why_unshared(self) -> str:
        return "implementation: transformers computes every sequence whole"

    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        if prefixes is not None:
            raise ValueError("implementation: transformers computes whole sequences and shares no prefixes")
        batch, length = tokens.shape
        hidden_btd = self._hidden(tokens)
        first_of_row = torch.arange(0, batch * length, length, device=positions.device)
        rows = (positions + first_of_row[:, None]).flatten()
        hidden_bpd = hidden_btd.flatten(0, 1).index_select(0, rows).view(*positions.shape, -1)
        return self._head(hidden_bpd)

    def unembed(self, hidden: Tensor) -> Tensor:
        norm = getattr(self.network.base_model, self.layout.final_norm)
        return self._head(norm(hidden))

    @contextmanager
    def residual_stream(self, hook: ResidualHook) -> Iterator[None]:
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

    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        return {name: (name.removeprefix("network."),) for name, _ in self.named_parameters()}

    def save(self, directory: Path) -> None:
        save_model(directory, self.network.config, dict(self.network.named_parameters()))

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
