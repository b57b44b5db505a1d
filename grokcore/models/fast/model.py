"""The backbone of `implementation: fast`: embedding, blocks, final norm, head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.fast.architecture import FastArchitecture
from grokcore.models.fast.conversion import from_transformers, to_transformers, transformers_names
from grokcore.models.fast.layout import Layout
from grokcore.models.files import save_model
from grokcore.models.sequence_model import ResidualHook, SequenceModel, SharedPrefixes


class FastModel(SequenceModel):
    """A model made for short sequences of which few tokens are supervised.

    All tokens of a batch are one flat list of rows (N, D), without padding them to a rectangle of sequences, so that a
    prefix that many examples share is there once; the last block computes the chosen positions only.

    Attributes:
        config: transformers' configuration of the same model.
    """

    def __init__(self, parts: FastArchitecture, config: Any) -> None:
        super().__init__()
        self.parts, self.config = parts, config
        self.architecture = config.model_type
        width = config.hidden_size
        self.vocabulary_size = config.vocab_size
        self.embedding = nn.Embedding(config.vocab_size, width)
        positions = parts.position_embeddings(config)
        self.position_embedding = nn.Embedding(positions, width) if positions is not None else None
        self.embedding_dropout = parts.embedding_dropout(config)
        self.blocks = nn.ModuleList(parts.block(config, number) for number in range(config.num_hidden_layers))
        self.final_norm = parts.final_norm(config)
        self.head = nn.Linear(width, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.head.weight = self.embedding.weight
        self.layers = len(self.blocks)
        self._hook: ResidualHook | None = None

    @property
    def why_unshared(self) -> str | None:
        """Dropout draws a prefix's hidden states anew in every example."""
        dropout = max(self.parts.dropouts(self.config), default=0.0)
        return f"dropout {dropout:g} makes a prefix differ from example to example" if dropout else None

    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        if self._hook is not None:
            return self._forward_with_hook(self._hook, tokens, positions, prefixes)
        hidden, layout = self._embed(tokens, prefixes)
        chosen = layout.choose(positions)
        *first, last = self.blocks
        for block in first:
            hidden = block(hidden, layout)
        hidden = last(hidden, layout, chosen)
        logits: Tensor = self.unembed(hidden).unflatten(0, chosen.shape)
        return logits

    def unembed(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(self.final_norm(hidden))
        return logits

    @contextmanager
    def residual_stream(self, hook: ResidualHook) -> Iterator[None]:
        if self._hook is not None:
            raise ValueError("a hook is on this model's residual stream already")
        self._hook = hook
        try:
            yield
        finally:
            self._hook = None

    def _forward_with_hook(
        self, hook: ResidualHook, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None
    ) -> Tensor:
        """Every token in every block, so that the hook sees all of them."""
        if prefixes is not None:
            raise ValueError("a hook on the residual stream needs whole sequences: do not share prefixes with it")
        hidden, layout = self._embed(tokens, None)

        def replaced(layer: int, hidden: Tensor) -> Tensor:
            replacement = hook(layer, hidden.unflatten(0, tokens.shape))
            return hidden if replacement is None else replacement.flatten(0, 1)

        hidden = replaced(0, hidden)
        for layer, block in enumerate(self.blocks, start=1):
            hidden = replaced(layer, block(hidden, layout))
        chosen = layout.choose(positions)
        logits: Tensor = self.unembed(chosen.of(hidden)).unflatten(0, chosen.shape)
        return logits

    def _embed(self, tokens: Tensor, prefixes: SharedPrefixes | None) -> tuple[Tensor, Layout]:
        """Hidden states (N, D) that enter the first block, and where they lie."""
        examples, own = tokens.shape
        if prefixes is None:
            layout, ids, length = Layout(examples, own, tokens.device), tokens.flatten(), own
        else:
            table = prefixes.table
            layout = Layout(examples, own, tokens.device, len(table), table.shape[1], prefixes.of)
            ids, length = torch.cat((table.flatten(), tokens.flatten())), own + table.shape[1]
        longest = self.parts.longest(self.config)
        if longest is not None and length > longest:
            raise ValueError(f"{length} tokens do not fit in {longest} positions")
        hidden = functional.embedding(ids, self.embedding.weight)
        if self.position_embedding is not None:
            hidden = hidden + functional.embedding(layout.position_ids, self.position_embedding.weight)
        return self.embedding_dropout(hidden), layout

    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        return {name: transformers_names(name, self.parts.names) for name, _ in self.named_parameters()}

    def load_transformers(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of a transformers model; tied ones stand under their first name.

        Raises:
            ValueError: a weight is missing, unknown, or has another shape.
        """
        ours = dict(self.named_parameters())
        with torch.no_grad():
            for name, weight in from_transformers(weights, ours, self.parts.names).items():
                ours[name].copy_(weight)

    def save(self, directory: Path) -> None:
        save_model(directory, self.config, to_transformers(dict(self.named_parameters()), self.parts.names))
