"""Mixers that compare what tokens ask with what earlier tokens give, over flat rows of which some are shared prefixes.

Of a prefix, its tokens' keys, values and summed decays are the state that examples go on from: at the few tokens of a
prefix that is less to gather for every example than the matrix (d x d) of each head that it adds up to.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from grokcore.models.fast.layout import Chosen, Layout

Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(asked (B, Q, C), given (B, T, E), invisible (1 or B, Q, T)) -> (B, Q, F): of B sequences, for Q tokens of each, what
they take from all T, whose last Q they are, or from among which they are chosen."""


def over_sequences(mix: Mix, asked: Tensor, given: Tensor, layout: Layout, chosen: Chosen | None) -> Tensor:
    """`mix` over every sequence: an example's own tokens, those of its prefix before them; and prefixes by themselves.

    Args:
        asked: (N, C) of all tokens, or (Q, C) of the chosen ones.
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
        if chosen is not None:
            return mix(asked.unflatten(0, chosen.shape), given_bte, chosen.invisible).flatten(0, 1)
        examples = mix(layout.of_examples(asked), given_bte, layout.invisible)
        if not layout.prefixes:
            return examples.flatten(0, 1)
        inside = mix(layout.of_prefixes(asked), of_prefixes, layout.prefix_layout.invisible)
        return layout.flatten(inside, examples)


def running_sum(x: Tensor, layout: Layout) -> Tensor:
    """Of every token, the sum of its own row and of all before it in its sequence: (N, C) -> (N, C)."""
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
