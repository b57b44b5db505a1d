"""The layout of a batch as flat token rows: first each shared prefix once, then every example's own tokens.

A causal model without dropout computes the same hidden states for the same beginning of a sequence. A task whose
questions begin in few ways (`<attr> <q>`) declares them; they are computed once per step, and examples attend to, or
go on from, the one they begin with. All of it is one flat list of token rows, so that whatever acts on single tokens
(norms, projections, MLPs) runs once over prefixes and examples alike; only token mixers look at the layout.

`over_sequences` applies a mixer that compares queries with earlier tokens' keys to such rows. The state that examples
continue from are the keys, values and summed decays of their prefix's tokens: for the few tokens of a prefix, that is
less to gather for every example than the matrix (d x d) of each head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Layout:
    """A rows of L prefix tokens, then B rows of S tokens, laid flat: N = A * L + B * S token rows.

    Attributes:
        examples: B.
        tokens: S, the tokens of an example that are its own.
        prefixes: A, 0 where nothing is shared.
        prefix_tokens: L.
        prefix_of: (B,) int64, A for an example without a prefix; None where nothing is shared.
        device: of all tensors.
    """

    examples: int
    tokens: int
    device: torch.device
    prefixes: int = 0
    prefix_tokens: int = 0
    prefix_of: Tensor | None = None

    @property
    def shared_rows(self) -> int:
        """A * L: flat rows that belong to prefixes."""
        return self.prefixes * self.prefix_tokens

    def of_prefixes(self, flat: Tensor) -> Tensor:
        """The prefixes' part (A, L, C) of flat rows (N, C)."""
        prefixes_alc: Tensor = flat[: self.shared_rows].unflatten(0, (self.prefixes, self.prefix_tokens))
        return prefixes_alc

    def of_examples(self, flat: Tensor) -> Tensor:
        """The examples' own part (B, S, C) of flat rows (N, C)."""
        examples_bsc: Tensor = flat[self.shared_rows :].unflatten(0, (self.examples, self.tokens))
        return examples_bsc

    def flatten(self, prefixes_alc: Tensor, examples_bsc: Tensor) -> Tensor:
        """Flat rows (N, C) of the two parts: the inverse of taking them apart."""
        return torch.cat((prefixes_alc.flatten(0, 1), examples_bsc.flatten(0, 1)))

    def per_example(self, prefixes_ac: Tensor) -> Tensor:
        """Return for every example the row (C,) of its prefix, zeros for those without one: (A, C) -> (B, C)."""
        if self.prefix_of is None:
            raise ValueError("this layout shares no prefixes")
        # An embedding's backward pass adds rows up faster, and in a fixed order, than an index's.
        return functional.embedding(self.prefix_of, functional.pad(prefixes_ac, (0, 0, 0, 1)))

    @cached_property
    def position_ids(self) -> Tensor:
        """(N,) int64: where in its whole sequence each token stands."""
        own = torch.arange(self.tokens, device=self.device).expand(self.examples, -1)
        if self.prefix_of is None:
            return own.flatten()
        own = own + self.prefix_tokens * (self.prefix_of < self.prefixes)[:, None]
        shared = torch.arange(self.prefix_tokens, device=self.device).expand(self.prefixes, -1)
        return torch.cat((shared.flatten(), own.flatten()))

    @cached_property
    def masked(self) -> Tensor:
        """(1 or B, S, L + S) bool: which of its prefix's and its own tokens each token of an example cannot see."""
        causal = torch.ones(self.tokens, self.tokens, dtype=torch.bool, device=self.device).triu(1)[None]
        if self.prefix_of is None:
            return causal
        without_prefix = (self.prefix_of == self.prefixes)[:, None, None]
        return torch.cat(
            (
                without_prefix.expand(-1, self.tokens, self.prefix_tokens),
                causal.expand(self.examples, -1, -1),
            ),
            dim=2,
        )

    @cached_property
    def visible_rows(self) -> Tensor:
        """(N, L + S) int32: the flat rows that each token sees, its own included, in order; -1 for none."""
        own = torch.arange(self.examples * self.tokens, dtype=torch.int32, device=self.device)
        own = own.view(self.examples, 1, self.tokens) + self.shared_rows
        rows = own.expand(-1, self.tokens, -1)
        if self.prefix_of is None:
            return rows.masked_fill(self.masked, -1).flatten(0, 1)
        begins = torch.arange(self.prefix_tokens, dtype=torch.int32, device=self.device)
        begins = self.prefix_of.to(torch.int32)[:, None, None] * self.prefix_tokens + begins
        rows = torch.cat((begins.expand(-1, self.tokens, -1), rows), dim=2).masked_fill(self.masked, -1)
        inner = functional.pad(self.prefix_layout.visible_rows, (0, self.tokens), value=-1)
        return torch.cat((inner, rows.flatten(0, 1)))

    @cached_property
    def prefix_layout(self) -> Layout:
        """The layout of the prefixes alone."""
        return Layout(self.prefixes, self.prefix_tokens, self.device)

    def select(self, positions: Tensor) -> Selection:
        """Select the tokens at `positions` (B, P) of each example, counted from its first own token."""
        end = self.shared_rows + self.examples * self.tokens
        # Made where it is used: a copy from the host would wait for the device, and no CUDA graph could hold it.
        first = torch.arange(self.shared_rows, end, self.tokens, device=self.device)
        return Selection(self, positions, (first[:, None] + positions).flatten())


@dataclass(frozen=True)
class Selection:
    """Selected tokens of every example: the supervised positions.

    Attributes:
        layout: of all tokens.
        positions: (B, P) int64, each in [0, S).
        rows: (B * P,) int64, their flat rows.
    """

    layout: Layout
    positions: Tensor
    rows: Tensor

    @property
    def shape(self) -> torch.Size:
        """(B, P)."""
        return self.positions.shape

    def of(self, flat: Tensor) -> Tensor:
        """The selected rows of flat rows: (N, C) -> (B * P, C)."""
        return functional.embedding(self.rows, flat)

    @cached_property
    def masked(self) -> Tensor:
        """(B, P, L + S) bool, as `Layout.masked`."""
        of_all = self.layout.masked.expand(self.layout.examples, -1, -1)
        return of_all.gather(1, self.positions[..., None].expand(-1, -1, of_all.shape[2]))

    @cached_property
    def visible_rows(self) -> Tensor:
        """(B * P, L + S) int32, as `Layout.visible_rows`."""
        return self.layout.visible_rows.index_select(0, self.rows)


Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(asked (B, Q, C), given (B, T, E), masked (1 or B, Q, T)) -> (B, Q, F): of B sequences, for Q tokens of each, what
they take from all T, whose last Q they are, or from among which they are selected."""


def over_sequences(mix: Mix, asked: Tensor, given: Tensor, layout: Layout, selected: Selection | None) -> Tensor:
    """`mix` over every sequence: an example's own tokens, those of its prefix before them; and prefixes by themselves.

    Args:
        asked: (N, C) of all tokens, or (Q, C) of the selected ones.
        given: (N, E), of all tokens.

    Returns:
        (N, F) or (Q, F), computed without the low precision of autocast.
    """
    with torch.autocast(given.device.type, enabled=False):
        given_bte = layout.of_examples(given)
        if layout.prefixes:
            of_prefixes = layout.of_prefixes(given)
            shared_bte = layout.per_example(of_prefixes.flatten(1)).unflatten(1, of_prefixes.shape[1:])
            given_bte = torch.cat((shared_bte, given_bte), dim=1)
        if selected is not None:
            return mix(asked.unflatten(0, selected.shape), given_bte, selected.masked).flatten(0, 1)
        examples = mix(layout.of_examples(asked), given_bte, layout.masked)
        if not layout.prefixes:
            return examples.flatten(0, 1)
        inside = mix(layout.of_prefixes(asked), of_prefixes, layout.prefix_layout.masked)
        return layout.flatten(inside, examples)


def weights_of(mix: Callable[[Tensor], Tensor], like: Tensor, heads: int, layout: Layout) -> Tensor:
    """Return A, (B, H, T, T), of a mixer that is linear in its values: what it takes from each position, of every head.

    Each position's value is a unit vector of its own, so that mix(values)_t = sum_i A_ti value_i is a row of A: the
    mixer's own code computes its weights. Without shared prefixes.

    Args:
        mix: (N, H * C) -> (N, H * C) for any C.
        like: a tensor of the precision and on the device of the values.
    """
    units = torch.eye(layout.tokens, dtype=like.dtype, device=like.device).repeat(layout.examples, heads)
    return by_heads(layout.of_examples(mix(units)), heads)


def running_sum(x: Tensor, layout: Layout) -> Tensor:
    """Return for every token the sum of its own row and of all before it in its sequence: (N, C) -> (N, C)."""
    examples = layout.of_examples(x).cumsum(1)
    if not layout.prefixes:
        return examples.flatten(0, 1)
    prefixes = layout.of_prefixes(x).cumsum(1)
    return layout.flatten(prefixes, layout.per_example(prefixes[:, -1])[:, None] + examples)


def in_full(*tensors: Tensor) -> list[Tensor]:
    """The same in fp32 at least."""
    return [tensor.to(torch.promote_types(tensor.dtype, torch.float32)) for tensor in tensors]


def by_heads(x_btc: Tensor, heads: int) -> Tensor:
    """(B, T, H * C) -> (B, H, T, C)."""
    x_bhtc: Tensor = x_btc.unflatten(2, (heads, -1)).transpose(1, 2)
    return x_bhtc


def joined(x_bhtc: Tensor) -> Tensor:
    """(B, H, T, C) -> (B, T, H * C)."""
    return x_bhtc.transpose(1, 2).flatten(2)
