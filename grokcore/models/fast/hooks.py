"""Hooks on the residual stream and on the mixers of `implementation: fast`, for analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.models.fast.backbone import Backbone
from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.layout import Layout
from grokcore.models.sequence_model import MIXER_PARTS, MixerHook, MixerPart, ResidualHook, SharedPrefixes


class HookedBackbone(Backbone):
    """A backbone that computes every token in every block while somebody looks at it."""

    def __init__(self, parts: FastArchitecture, config: Any) -> None:
        super().__init__(parts, config)
        self._hook: ResidualHook | None = None
        self._mixer_hook: MixerHook | None = None
        self._whole = False

    def forward(self, tokens: Tensor, positions: Tensor, prefixes: SharedPrefixes | None = None) -> Tensor:
        if self._hook is not None or self._mixer_hook is not None or self._whole:
            return self._forward_whole(tokens, positions, prefixes)
        return super().forward(tokens, positions, prefixes)

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
