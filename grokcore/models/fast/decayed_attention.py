"""Linear attention whose memory decays: what a gated recurrence adds up, written as a sum over the tokens seen.

The state of a head is a matrix that forgets by a factor a_t and takes in an outer product with every token,
  S_t = a_t S_(t-1) + k_t^T v_t,  o_t = q_t S_t,
where a_t is one number for the whole head or one for each channel of its keys. Unrolled, with the summed logarithms
b_t = log a_1 + ... + log a_t,
  o_t = sum_(i <= t) (q_t * exp(b_t - b_i)) . k_i  v_i.
Every exponent is at most 0, so that nothing overflows, however fast a gate forgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from grokcore.models.fast.flash_linear_attention import has_library, library_attend_decaying
from grokcore.models.fast.layout import Layout, Selection, by_heads, in_full, joined, over_sequences, running_sum

LONG = 32
"""Tokens beyond which decays are summed in fp64. In fp32 the sum over the tokens between two others is a difference of
sums from the beginning, so that strong gates early on cost it digits: at 1,000 tokens up to 1e-3 of a weight."""
BLOCK = 16
"""Keys from which decays of channels are taken in blocks, so that no tensor has tokens x tokens x channels numbers."""


FORGOTTEN = -50.0
"""Log of a decay beyond which nothing remains: what is left weighs less than fp64 can tell beside the token's own. Sums
of decays stay small enough in this way for the differences between them to be exact."""


def attend_decaying(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor,
    heads: int,
    layout: Layout,
    selected: Selection | None,
    *,
    groups: int | None = None,
    itself: bool = True,
) -> Tensor:
    """sum_i (q_t * exp(b_t - b_i)) . k_i v_i for every token t, or for the selected ones only, in fp32 at least.

    Args:
        query: (N, K), or (Q, K) of the selected tokens; the channels of one head after those of another.
        key: (N, K).
        value: (N, V).
        log_decay: log a_t of all tokens, (N, H) if heads decay as a whole, (N, K) if channels do.
        groups: number G of groups of heads that share queries and keys, which are as wide as G heads then; None if
            each head has its own.
        itself: whether o_t = q_t S_t, or q_t S_(t-1): what there was before the token.

    Returns:
        (N, V) or (Q, V).
    """
    if has_library(key, layout, selected):
        return library_attend_decaying(query, key, value, log_decay, heads, layout, groups=groups, itself=itself)
    query, key, value, log_decay = in_full(query, key, value, log_decay)
    log_decay = log_decay.clamp_min(FORGOTTEN)
    query_decays, decays = _summed(log_decay, layout, itself=itself)
    if selected is not None:
        query_decays = [selected.of(part) for part in query_decays]
    given = [key, *decays, value]
    widths, by_channel = [part.shape[1] for part in given], log_decay.shape[1] != heads

    def mix(asked_bqc: Tensor, given_btc: Tensor, masked_bqt: Tensor) -> Tensor:
        q, *parts_q = asked_bqc.split(widths[:-1], dim=2)
        k, *parts_k, v = given_btc.split(widths, dim=2)
        hidden = (masked_bqt if itself else _not_before(masked_bqt))[:, None]
        q, k = (by_heads(x, groups or heads) for x in (q, k))
        b_q, b_k = ([by_heads(part, heads) for part in parts] for parts in (parts_q, parts_k))
        if by_channel:
            weigh = _weights_at_once if selected is not None else _weights_in_blocks
            weights_bhqt = weigh(q, b_q, k, b_k, hidden)
        else:
            passed = _passed(b_q, [part.transpose(2, 3) for part in b_k]).masked_fill(hidden, -torch.inf).exp()
            scores = q @ k.transpose(2, 3)
            if groups is not None:
                scores = scores.repeat_interleave(heads // groups, dim=1)
            weights_bhqt = scores * passed
        return joined(weights_bhqt @ by_heads(v, heads))

    return over_sequences(mix, torch.cat((query, *query_decays), dim=1), torch.cat(given, dim=1), layout, selected)


Parts = Sequence[Tensor]
"""A sum of decays as one number, or as two of the same precision that add up to it: the rounded one and the rest."""


def _summed(log_decay: Tensor, layout: Layout, *, itself: bool) -> tuple[Parts, Parts]:
    """b of every token as a query, without its own decay unless `itself`, and as a key; (N, C) each part."""
    long = layout.prefix_tokens + layout.tokens > LONG
    each = log_decay.double() if long else log_decay
    of_keys = running_sum(each, layout)
    of_queries = of_keys if itself else of_keys - each
    if each.dtype == log_decay.dtype:
        return [of_queries], [of_keys]
    key_parts = _in_two(of_keys, log_decay.dtype)
    return key_parts if itself else _in_two(of_queries, log_decay.dtype), key_parts


def _in_two(exact: Tensor, dtype: torch.dtype) -> Parts:
    rounded = exact.to(dtype)
    return [rounded, (exact - rounded).detach().to(dtype)]


def _passed(b_t: Parts, b_i: Parts) -> Tensor:
    """b_t - b_i. Of rounded sums it is as exact as their rests, which are of the order of their rounding, make it."""
    difference = b_t[0] - b_i[0]
    for later, earlier in zip(b_t[1:], b_i[1:], strict=True):
        difference = difference + (later - earlier)
    return difference


def _not_before(masked_bqt: Tensor) -> Tensor:
    """Return the mask of what a token cannot see, with the token itself masked as well."""
    following = torch.nn.functional.pad(masked_bqt[..., 1:], (0, 1), value=True)
    return masked_bqt | following


def _weights_at_once(q: Tensor, b_q: Parts, k: Tensor, b_k: Parts, hidden: Tensor) -> Tensor:
    """sum_c q_tc k_ic exp(b_tc - b_ic), (B, H, Q, T), 0 where hidden (1 or B, 1, Q, T); q and b_q are (B, H, Q, C)."""
    passed = _passed([part[:, :, :, None] for part in b_q], [part[:, :, None] for part in b_k])
    passed_bhqtc = passed.masked_fill(hidden[..., None], -torch.inf).exp()
    return (q[:, :, :, None] * k[:, :, None] * passed_bhqtc).sum(-1)


def _weights_in_blocks(q: Tensor, b_q: Parts, k: Tensor, b_k: Parts, hidden: Tensor) -> Tensor:
    """The same of the last Q tokens, in a row.

    Queries after a block of keys take the decay in two: from the key to the block's end, from there to the query.
    """
    queries, tokens = q.shape[2], k.shape[2]
    if tokens <= BLOCK:
        return _weights_at_once(q, b_q, k, b_k, hidden)
    columns, first = [], tokens - queries
    for begin in range(0, tokens, BLOCK):
        end = min(begin + BLOCK, tokens)
        near, far = max(begin - first, 0), max(end - first, 0)
        keys, decays, unseen = k[:, :, begin:end], [part[:, :, begin:end] for part in b_k], hidden[..., begin:end]
        parts = [q.new_zeros(*q.shape[:2], near, end - begin)]
        if far > near:
            here = (slice(None), slice(None), slice(near, far))
            parts.append(_weights_at_once(q[here], [part[here] for part in b_q], keys, decays, unseen[:, :, near:far]))
        if queries > far:
            last = [part[:, :, -1:] for part in decays]
            later = q[:, :, far:] * _passed([part[:, :, far:] for part in b_q], last).clamp_max(0).exp()
            kept = keys * _passed(last, decays).exp()
            parts.append((later @ kept.transpose(2, 3)).masked_fill(unseen[:, :, far:], 0))
        columns.append(torch.cat(parts, dim=2))
    return torch.cat(columns, dim=3)
