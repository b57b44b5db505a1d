"""Causal tracing by interchange (arXiv 2202.05262, 2309.16042): which site carries the information that decides.

A site is a layer l and a position p. While the model reads a question x, the stream h[l, p] is replaced by that of its
counterfactual x', which has another answer y'. With LD = logit(y') - logit(y),

    recovered = (mean LD patched - mean LD of x) / (mean LD of x' - mean LD of x)
    flip      = share whose patched answer is y'
    broken    = share whose patched answer is no longer y

Only rows whose question and counterfactual are both answered rightly count; n says how many. A counterfactual with the
same value must change nothing: there y' = y, and `specificity` = 1 - broken stands in the place of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case, Counterfactual
from grokcore.interpret.intervals import Bootstrap, Values
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject

_TOKENS = 2**16
"""Tokens that are computed at once."""


@dataclass(frozen=True)
class Patched:
    """What patching every site does to the M rows that are answered rightly with and without.

    Attributes:
        difference: (L + 1, T, M) the logit difference LD of patched runs; own, other: (M,) those of x and of x'.
        flip, broken: (L + 1, T, M), 0 or 1.
    """

    difference: Values
    own: Values
    other: Values
    flip: Values
    broken: Values


def measure(subject: Subject) -> Iterator[Number]:
    """Yield `recovered`, `flip` and `broken`, or `specificity`, of every counterfactual, layer and position.

    The headline is the largest flip of a kind over the layers between the first block and the last, at the site that is
    best on the even rows, measured on the odd ones; of the same value the lowest specificity, alike. Layers 0 and L are
    left out: to replace an input is to ask the other question, and to replace an output is to answer it.
    """
    for case in subject.cases:
        for counterfactual in case.counterfactuals.values():
            yield from _of_kind(subject, case, counterfactual)


@torch.no_grad()
def patched(subject: Subject, case: Case, counterfactual: Counterfactual) -> Patched:
    """Patch every site of the rows that the model answers rightly, layer by layer, many positions at once."""
    device = subject.device
    tokens = torch.from_numpy(case.tokens[counterfactual.rows]).to(device)
    others = torch.from_numpy(counterfactual.tokens).to(device)
    answers = torch.from_numpy(case.answers[counterfactual.rows]).to(device)
    right = torch.from_numpy(counterfactual.answers).to(device)
    wanted = torch.from_numpy(counterfactual.expected).to(device)
    kept = (subject.logits(tokens).argmax(-1) == answers) & (subject.logits(others).argmax(-1) == right)
    tokens, others, answers, wanted = tokens[kept], others[kept], answers[kept], wanted[kept]
    own, other = (_difference(subject.logits(one), wanted, answers) for one in (tokens, others))
    rows, length = tokens.shape
    if not rows:
        empty = np.zeros((subject.model.layers + 1, length, 0))
        return Patched(empty, np.zeros(0), np.zeros(0), empty, empty)
    streams = subject.streams(others)
    at_once = max(1, _TOKENS // (rows * length))
    measured = []
    for layer in range(subject.model.layers + 1):
        parts = [_logits(subject, tokens, streams[layer], layer, part) for part in torch.arange(length).split(at_once)]
        logits = torch.cat(parts)
        predicted = logits.argmax(-1)
        change = _difference(logits, wanted.expand(length, -1), answers.expand(length, -1))
        measured.append(torch.stack([change.double(), (predicted == wanted).double(), (predicted != answers).double()]))
    difference, flip, broken = torch.stack(measured, 1).cpu().numpy()
    return Patched(difference, own.double().cpu().numpy(), other.double().cpu().numpy(), flip, broken)


def _logits(subject: Subject, tokens: Tensor, streams: Tensor, layer: int, positions: Tensor) -> Tensor:
    """Return the logits (P, M, V) of questions (M, T), one copy for each of `positions` (P,), that one patched.

    Args:
        streams: (M, T, D) of the counterfactuals at the layer.
    """
    shape, copy = (len(positions), len(tokens)), torch.arange(len(positions))

    def replace(seen: int, hidden: Tensor) -> Tensor | None:
        if seen != layer:
            return None
        changed = hidden.unflatten(0, shape).clone()
        changed[copy, :, positions] = streams.transpose(0, 1)[positions]
        replaced: Tensor = changed.flatten(0, 1)
        return replaced

    with subject.model.residual_stream(replace):
        logits: Tensor = subject.logits(tokens.repeat(len(positions), 1)).unflatten(0, shape)
    return logits


def _difference(logits: Tensor, wanted: Tensor, answers: Tensor) -> Tensor:
    """Return the logit of `wanted` (..., M) less that of `answers`, of logits (..., M, V)."""
    return (logits.gather(-1, wanted[..., None]) - logits.gather(-1, answers[..., None]))[..., 0]


def _share(means: Values) -> Values:
    """Return (patched - own) / (other - own) of means (..., 3)."""
    share: Values = (means[..., 0] - means[..., 1]) / (means[..., 2] - means[..., 1])
    return share


def _of_kind(subject: Subject, case: Case, counterfactual: Counterfactual) -> Iterator[Number]:
    kind = counterfactual.kind
    specific = bool((counterfactual.expected == case.answers[counterfactual.rows]).all())
    result = patched(subject, case, counterfactual)
    n = len(result.own)
    headline = "specificity" if specific else "flip"
    if n < 2:
        yield Number(headline, float("nan"), n, case.split, kind)
        return
    bootstrap = Bootstrap(n, subject.analysis.draws, subject.analysis.seed)
    if specific:
        measured = {"specificity": bootstrap.mean(1 - result.broken)}
    else:
        own, other = (np.broadcast_to(one, result.difference.shape) for one in (result.own, result.other))
        recovered = bootstrap.of(_share, result.difference, own, other)
        measured = {
            "recovered": recovered,
            "flip": bootstrap.mean(result.flip),
            "broken": bootstrap.mean(result.broken),
        }
    for metric, means in measured.items():
        for layer, position in np.ndindex(means.value.shape):
            value, lower, upper = (float(part[layer, position]) for part in means)
            yield Number(metric, value, n, case.split, kind, layer, case.roles[position], "", lower, upper)
    if subject.model.layers > 1:
        values = 1 - result.broken if specific else result.flip
        yield _headline(subject, case, kind, headline, values[1:-1].reshape(-1, n), sign=-1 if specific else 1)


def _headline(subject: Subject, case: Case, kind: str, metric: str, values: Values, *, sign: int) -> Number:
    """Choose among sites (S, n), from layer 1 on, that of the largest sign * mean on even rows; measure on odd."""
    site = int((sign * values[:, ::2].mean(1)).argmax())
    odd = values[site, 1::2]
    value, lower, upper = map(float, Bootstrap(len(odd), subject.analysis.draws, subject.analysis.seed).mean(odd))
    layer, position = divmod(site, len(case.roles))
    where = f"layer {layer + 1}, {case.roles[position]}"
    return Number(metric, value, len(odd), case.split, kind, target=where, lower=lower, upper=upper)
