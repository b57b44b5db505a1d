"""The computation of `implementation: fast`: embedding, composed blocks, final norm, head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.composition import Composition
from grokcore.models.fast.block import FastArchitecture, Memory, hold_converged, reenter
from grokcore.models.fast.factorized import FactorizedEmbedding
from grokcore.models.fast.layout import Layout, Selection
from grokcore.models.sequence_model import SequenceModel, SharedPrefixes


class Backbone(SequenceModel):
    """A model made for short sequences of which few tokens are supervised.

    All tokens of a batch are one flat list of rows (N, D), without padding them to a rectangle of sequences, so that a
    prefix that many examples share is there once; the last block computes the selected positions only.

    Attributes:
        config: transformers' configuration of the same blocks; where they are composed to something that it does not
            describe, its `composition` says so (`composition_of`).
        composition: the model's sharing, recurrence and memory.
        memory: what blocks read beside their MLPs.
    """

    def __init__(self, parts: FastArchitecture, config: Any) -> None:
        super().__init__()
        self.parts, self.config = parts, config
        self.architecture = config.model_type
        width = config.hidden_size
        self.vocabulary_size = config.vocab_size
        self.embedding: nn.Embedding | FactorizedEmbedding = nn.Embedding(config.vocab_size, width)
        positions = parts.position_embeddings(config)
        self.position_embedding = nn.Embedding(positions, width) if positions is not None else None
        self.embedding_dropout = parts.embedding_dropout(config)
        blocks, self.composition = composition_of(config)
        self.blocks = nn.ModuleList(parts.block(config, number) for number in range(blocks))
        if self.composition.shares_mlp:
            # Registered in the first block alone: torch.func would exchange the weights of a module that is registered
            # twice twice, and put the wrong ones back.
            for block in self.blocks[1:]:
                for name in parts.mlp:
                    delattr(block, name)
                    vars(block)[name] = getattr(self.blocks[0], name)
        self.final_norm = parts.final_norm(config)
        self.head: nn.Linear | None = nn.Linear(width, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.head.weight = self.embedding.weight
        # Last, so that whatever draws weights in their order draws the same without it.
        kind = self.composition.memory
        self.memory = (
            nn.ModuleList() if kind is None else nn.ModuleList(Memory(kind, width) for _ in range(kind.places(blocks)))
        )
        self._loops = self.composition.loops
        self.layers = len(self._schedule)

    @property
    def why_unshared(self) -> str | None:
        """Return that dropout draws a prefix's hidden states anew in every example, or None without dropout."""
        dropout = max(self.parts.dropouts(self.config), default=0.0)
        return f"dropout {dropout:g} makes a prefix differ from example to example" if dropout else None

    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        hidden, layout = self._embed(tokens, prefixes)
        selected = layout.select(positions)
        hidden = self._through_blocks(hidden, layout, selected)
        logits: Tensor = self.unembed(hidden).unflatten(0, selected.shape)
        return logits

    def _embed(self, tokens: Tensor, prefixes: SharedPrefixes | None) -> tuple[Tensor, Layout]:
        """Return the hidden states (N, D) that enter the first block, and their layout."""
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

    def prepare(self, step: int) -> int:
        """Draw the number of loops of this training step, and return it."""
        self._loops = self.composition.loops_at(step)
        return self._loops

    def forward_from(self, streams: Sequence[Tensor], positions: Tensor) -> Tensor:
        layer, length = len(streams) - 1, streams[-1].shape[-2]
        layout = Layout(len(positions), length, positions.device)
        selected = layout.select(positions)
        hidden = streams[layer].flatten(0, -2)
        if layer == self.layers:
            hidden = selected.of(hidden)
        else:
            hidden = self._through_blocks(hidden, layout, selected, done=layer, before=self._round_start(streams))
        logits: Tensor = self.unembed(hidden).unflatten(0, selected.shape)
        return logits

    def _round_start(self, streams: Sequence[Tensor]) -> Tensor | None:
        """Return the stream (N, D) before the round that the last of `streams` lies within, if loops read it."""
        layer, (blocks, *_) = len(streams) - 1, self.composition.rounds(len(self.blocks), self.composition.loops)
        if self.composition.tolerance is None or layer % len(blocks) == 0:
            return None
        first = layer - layer % len(blocks)
        start = streams[first].flatten(0, -2)
        return start if first else self._entered(start)

    def _entered(self, hidden: Tensor) -> Tensor:
        """Return what the first block is given of the embeddings (N, D)."""
        entrance = self.parts.entrance
        return hidden if entrance is None else getattr(self.blocks[0], entrance)(hidden)

    def _through_blocks(
        self,
        hidden: Tensor,
        layout: Layout,
        selected: Selection | None,
        seen: Callable[[int, Tensor], Tensor] = lambda layer, hidden: hidden,
        *,
        done: int = 0,
        before: Tensor | None = None,
    ) -> Tensor:
        """Return the stream (N, D) after the last block, or (B * P, D) for `selected` tokens alone.

        Args:
            seen: called with the stream after every block, which its result replaces.
            done: blocks that have run before.
            before: if they ended within a round, the stream before that round.
        """
        composition = self.composition
        rounds = composition.rounds(len(self.blocks), self._loops if self.training else composition.loops)
        last = sum(map(len, rounds))
        hidden = hidden if done else self._entered(hidden)
        before, layer = hidden if before is None else before, 0
        for number, blocks in enumerate(rounds, start=1):
            for place, block in enumerate(blocks, start=1):
                layer += 1
                if layer <= done:
                    continue
                if place == 1:
                    before = hidden
                    if composition.reentry is not None and number > 1:
                        hidden = reenter(hidden, self.embedding.weight, composition.reentry)
                asked = selected if layer == last else None
                hidden = self.blocks[block](hidden, layout, asked, *self._memory_of(block))
                if place == len(blocks) and composition.tolerance is not None:
                    hidden = hold_converged(
                        before if asked is None else asked.of(before), hidden, composition.tolerance
                    )
                hidden = seen(layer, hidden)
        return hidden

    def _memory_of(self, block: int) -> tuple[nn.Module, ...]:
        """Return the memory that a block reads beside its MLP, if any."""
        kind = self.composition.memory
        return () if kind is None else (self.memory[kind.place(block, len(self.blocks))],)

    def unembed(self, hidden: Tensor) -> Tensor:
        hidden = self.final_norm(hidden)
        if self.head is None:  # tied to a product of two matrices, which no module holds
            return functional.linear(hidden, self.embedding.weight)
        logits: Tensor = self.head(hidden)
        return logits

    def factorize_embedding(self, rank: int) -> None:
        """Replace the token embedding, and a head that is tied to it, by a product whose second factor is drawn."""
        vocabulary_size, width = self.embedding.weight.shape
        self.embedding = FactorizedEmbedding(vocabulary_size, rank, width)
        self.embedding.initialize()
        if self.config.tie_word_embeddings:
            self.head = None

    @torch.no_grad()
    def initialize_composed(self) -> None:
        """Draw the weights of memory from torch's generator, and start loops as identity if the spec says so."""
        for memory in self.memory:
            memory.initialize(len(self.blocks))  # type: ignore[operator]
        if self.composition.zero_init:
            for block in self.blocks:
                for name in self.parts.outputs:
                    for parameter in block.get_submodule(name).parameters():
                        parameter.zero_()

    @property
    def _schedule(self) -> tuple[int, ...]:
        """The numbers of the blocks that run in evaluation, in order."""
        rounds = self.composition.rounds(len(self.blocks), self.composition.loops)
        return tuple(block for blocks in rounds for block in blocks)


def composition_of(config: Any) -> tuple[int, Composition]:
    """Return the number of blocks that a configuration describes, and how they are composed.

    Raises:
        ValueError: its `composition` is invalid.
    """
    written = dict(getattr(config, "composition", None) or {})
    return written.pop("blocks", config.num_hidden_layers), Composition.read(written)
