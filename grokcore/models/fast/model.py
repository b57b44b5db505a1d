"""The backbone of `implementation: fast`: embedding, blocks, final norm, head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models.composition import Composition
from grokcore.models.fast.block import FastArchitecture, Memory, hold_converged, reenter
from grokcore.models.fast.conversion import from_transformers, to_transformers, transformers_names
from grokcore.models.fast.factorized import FactorizedEmbedding
from grokcore.models.fast.layout import Layout, Selection
from grokcore.models.files import save_composed, save_model
from grokcore.models.sequence_model import (
    MIXER_PARTS,
    MixerHook,
    MixerPart,
    ResidualHook,
    SequenceModel,
    SharedPrefixes,
)


class FastModel(SequenceModel):
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
        self._hook: ResidualHook | None = None
        self._mixer_hook: MixerHook | None = None
        self._whole = False

    @property
    def why_unshared(self) -> str | None:
        """Return that dropout draws a prefix's hidden states anew in every example, or None without dropout."""
        dropout = max(self.parts.dropouts(self.config), default=0.0)
        return f"dropout {dropout:g} makes a prefix differ from example to example" if dropout else None

    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        if self._hook is not None or self._mixer_hook is not None or self._whole:
            return self._forward_whole(tokens, positions, prefixes)
        hidden, layout = self._embed(tokens, prefixes)
        selected = layout.select(positions)
        hidden = self._through_blocks(hidden, layout, selected)
        logits: Tensor = self.unembed(hidden).unflatten(0, selected.shape)
        return logits

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

    @contextmanager
    def residual_stream(self, hook: ResidualHook) -> Iterator[None]:
        if self._hook is not None:
            raise ValueError("a hook is on this model's residual stream already")
        self._hook = hook
        try:
            yield
        finally:
            self._hook = None

    @contextmanager
    def mixers(self, hook: MixerHook) -> Iterator[None]:
        if self._mixer_hook is not None:
            raise ValueError("a hook is on this model's mixers already")
        self._mixer_hook = hook
        try:
            yield
        finally:
            self._mixer_hook = None

    def mix_tokens(self, number: int, x: Tensor) -> Tensor:
        layout = Layout(x.shape[0], x.shape[1], x.device)
        mixed: Tensor = self._token_mixer(number)(x.flatten(0, 1), layout, None)
        unflattened: Tensor = mixed.unflatten(0, x.shape[:2])
        return unflattened

    def attention_weights(self, number: int, x: Tensor) -> Tensor | None:
        weights = getattr(self._token_mixer(number), "weights", None)
        return None if weights is None else weights(x.flatten(0, 1), Layout(x.shape[0], x.shape[1], x.device))

    def head_outputs(self, number: int, x: Tensor) -> Tensor | None:
        mixer = self._token_mixer(number)
        heads = getattr(mixer, "heads", None)
        if heads is None:
            return None
        # Every mixer with heads joins them before its output projection, one head's channels after another's.
        projection: Any = mixer.output
        joined: list[Tensor] = []
        with projection.register_forward_pre_hook(lambda module, args: joined.append(args[0])):
            mixer(x.flatten(0, 1), Layout(x.shape[0], x.shape[1], x.device), None)
        channels, weight = joined[0].unflatten(1, (heads, -1)), projection.weight.unflatten(1, (heads, -1))
        outputs: Tensor = torch.einsum("nhc,dhc->nhd", channels, weight).unflatten(0, x.shape[:2]).transpose(1, 2)
        return outputs

    def _token_mixer(self, number: int) -> nn.Module:
        """Return the token mixer of the block that runs in this place."""
        mixer: nn.Module = getattr(self.blocks[self._schedule[number]], self._mixer_names[0])
        return mixer

    @property
    def _mixer_names(self) -> list[str]:
        """The names of a block's mixers, in the order of `MIXER_PARTS`."""
        return [output.partition(".")[0] for output in self.parts.outputs]

    @contextmanager
    def whole_sequences(self) -> Iterator[None]:
        before, self._whole = self._whole, True
        try:
            yield
        finally:
            self._whole = before

    def _forward_whole(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None) -> Tensor:
        """Compute every token in every block, so that hooks see all of them."""
        if prefixes is not None:
            raise ValueError("hooks and analyses need whole sequences: do not share prefixes with them")
        hidden, layout = self._embed(tokens, None)
        hook, place = self._hook, 0

        def replaced(layer: int, hidden: Tensor) -> Tensor:
            nonlocal place
            place = layer
            replacement = None if hook is None else hook(layer, hidden.unflatten(0, tokens.shape))
            return hidden if replacement is None else replacement.flatten(0, 1)

        with self._watched_mixers(lambda: place, tokens.shape):
            hidden = self._through_blocks(replaced(0, hidden), layout, None, replaced)
        selected = layout.select(positions)
        logits: Tensor = self.unembed(selected.of(hidden)).unflatten(0, selected.shape)
        return logits

    @contextmanager
    def _watched_mixers(self, place: Callable[[], int], shape: torch.Size) -> Iterator[None]:
        """Call the hook on mixers, if there is one, behind each of them.

        Args:
            place: returns how many blocks have run: modules cannot tell, since blocks loop and MLPs are shared.
            shape: of the tokens (B, T).
        """
        hook = self._mixer_hook
        parts: dict[nn.Module, MixerPart] = {}
        if hook is not None:
            for block in self.blocks:
                named = zip(self._mixer_names, MIXER_PARTS, strict=False)
                parts |= {getattr(block, name): part for name, part in named}

        def behind(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            x, mixed = args[0].unflatten(0, shape), output.unflatten(0, shape)
            replacement = None if hook is None else hook(place(), parts[module], x, mixed)
            return None if replacement is None else replacement.flatten(0, 1)

        with ExitStack() as handles:
            for module in parts:
                handles.enter_context(module.register_forward_hook(behind))
            yield

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

    @property
    def _schedule(self) -> tuple[int, ...]:
        """The numbers of the blocks that run in evaluation, in order."""
        rounds = self.composition.rounds(len(self.blocks), self.composition.loops)
        return tuple(block for blocks in rounds for block in blocks)

    @property
    def _known(self) -> bool:
        """Return whether transformers has these blocks."""
        from transformers import PretrainedConfig

        return isinstance(self.config, PretrainedConfig)

    @property
    def _unrolled(self) -> bool:
        """Return whether the files hold a deeper stack of plain blocks, as transformers can load it."""
        return self.composition.unrolls and self._known

    def _places(self, schedule: Sequence[int]) -> Callable[[str], Sequence[int]]:
        """Return (name of a block's weight) -> its positions in a plain stack that runs our blocks in this order."""

        def places(name: str) -> Sequence[int]:
            _, number, part, *_ = name.split(".")
            if part == self.parts.entrance:
                return (0,)
            if self.composition.shares_mlp and part in self.parts.mlp:
                return range(len(schedule))
            return [place for place, block in enumerate(schedule) if block == int(number)]

        return places

    @property
    def _places_in_files(self) -> Callable[[str], Sequence[int]]:
        return self._places(self._schedule if self._unrolled else range(len(self.blocks)))

    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        names, places = self.parts.names, self._places_in_files
        found = {}
        for name, _ in self.named_parameters():
            stored = "embedding.weight" if name.startswith("embedding.") else name  # both factors, if it is a product
            found[name] = transformers_names(stored, names, places)
        return found

    def load_transformers(self, weights: Mapping[str, Tensor], *, drawn: bool = False) -> None:
        """Load weights by the names of transformers; tied ones are stored under their first name.

        Args:
            drawn: they are new, of a plain model without memory that has as many layers as this has blocks; else they
                are from files, in which what runs several times may stand several times.

        Raises:
            ValueError: a weight is missing, unknown, has another shape, or its copies differ.
        """
        ours = dict(self.named_parameters())
        if drawn:
            ours = {name: weight for name, weight in ours.items() if not name.startswith("memory.")}
        places = self._places(range(len(self.blocks))) if drawn else self._places_in_files
        with torch.no_grad():
            for name, weight in from_transformers(weights, ours, self.parts.names, places, drawn=drawn).items():
                ours[name].copy_(weight)

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

    def save(self, directory: Path) -> None:
        ours: dict[str, Tensor] = {"embedding.weight": self.embedding.weight}
        ours |= {name: weight for name, weight in self.named_parameters() if not name.startswith("embedding.")}
        weights = to_transformers(ours, self.parts.names, self._places_in_files)
        if not self._known or not self.composition.written():
            save_model(directory, self.config, weights)
        elif self._unrolled:
            config = deepcopy(self.config)
            config.num_hidden_layers = self.layers
            save_model(directory, config, weights)
        else:
            save_composed(directory, self.config, weights)


def composition_of(config: Any) -> tuple[int, Composition]:
    """Return the number of blocks that a configuration describes, and how they are composed.

    Raises:
        ValueError: its `composition` is invalid.
    """
    written = dict(getattr(config, "composition", None) or {})
    return written.pop("blocks", config.num_hidden_layers), Composition.read(written)
