"""Logit lens: what the unembedding reads from the residual stream (nostalgebraist 2020; used in arXiv 2405.15071).

At every layer l and position p the logits z = unembed(h[l, p]) are read, and the rank of a target among them:
MRR = mean 1 / (1 + rank), where equal logits share their mean rank. `mrr` ranks the target in the whole vocabulary,
`mrr_candidates` among the tokens that it could be, such as all values. A lens finds frequent tokens anywhere, so that
each number stands beside its control: the same for the target of another row of equal form, `mrr_shuffled`; their
difference is `lens_gain`. At the last layer and the answer's position the logits are the model's output.

The headline of a target is its gain at its own position, in the layer where the gain is largest. One half of the
examples chooses the layer for the other, so that a choice among many layers finds no gain where there is none. The
stream after the last block is no choice: no later position reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grokcore.interpret.cases import Case, Target
from grokcore.interpret.intervals import Bootstrap, Interval
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.tasks.random import Indices, Stream

SETS = ("", "_candidates")
"""Suffixes of metrics: in the whole vocabulary, and within the candidates."""
_LOGITS = 2**24
"""Logits that are computed at once."""

Readings = npt.NDArray[np.float64]


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the numbers of every target, at every layer and position, and its headlines."""
    for case in subject.cases:
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        controls = [shuffled(case, target, subject.analysis.seed) for target in case.targets]
        readings = lens(subject, case, controls)
        for target, reading in zip(case.targets, readings, strict=True):
            yield from _map(case, target, reading, bootstrap)
            yield from _headlines(case, target, reading, bootstrap, subject.analysis.seed)


@torch.no_grad()
def lens(subject: Subject, case: Case, controls: list[Indices]) -> Readings:
    """Read every target and its control from every stream.

    Args:
        controls: (N,) tokens of each target of the case.

    Returns:
        (targets, 2 [target, control], 2 [as `SETS`], 2 [reciprocal rank, probability], L + 1, T, N).
    """
    model, tokens = subject.model, subject.tokens(case)
    rows = max(1, _LOGITS // (model.vocabulary_size * tokens.shape[1]))
    sides = zip((target.ids for target in case.targets), controls, strict=True)
    every = torch.from_numpy(np.stack([ids for pair in sides for ids in pair])).to(subject.device)  # (2 targets, N)
    candidates = [torch.from_numpy(target.candidates).to(subject.device) for target in case.targets]
    by_chunk = []
    for start in range(0, len(tokens), rows):
        chunk = slice(start, start + rows)
        by_layer = []
        for stream in subject.streams(tokens[chunk]):
            logits = model.unembed(stream)  # (n, T, V)
            within = [read(logits, ids[:, chunk], among) for ids, among in zip(every.split(2), candidates, strict=True)]
            by_layer.append(torch.stack([read(logits, every[:, chunk]), torch.cat(within)], dim=1))
        by_chunk.append(torch.stack(by_layer, dim=3).unflatten(0, (-1, 2)))
    readings: Readings = torch.cat(by_chunk, dim=-1).cpu().numpy()
    return readings


def read(logits: Tensor, ids: Tensor, candidates: Tensor | None = None) -> Tensor:
    """Return reciprocal mid-ranks and probabilities of tokens among candidates, by default the whole vocabulary.

    Args:
        logits: (N, T, V).
        ids: (K, N), K tokens for each row, each among the candidates.
        candidates: (C,).

    Returns:
        (K, 2 [reciprocal rank, probability], T, N), fp64.
    """
    among = logits if candidates is None else logits[..., candidates]
    own = logits.gather(-1, ids.T[:, None].expand(-1, logits.shape[1], -1))  # (N, T, K)
    better = torch.stack([(among > one[..., None]).sum(-1) for one in own.unbind(-1)])
    equal = torch.stack([(among == one[..., None]).sum(-1) for one in own.unbind(-1)])
    rank = better + (equal - 1) / 2
    probability = (own - among.logsumexp(-1, keepdim=True)).exp().movedim(-1, 0)
    return torch.stack([1 / (1 + rank.double()), probability.double()], dim=1).mT


def shuffled(case: Case, target: Target, seed: int) -> Indices:
    """Return for each row the target of another row of its stratum, (N,)."""
    strata = np.zeros(len(case), np.int64) if target.strata is None else target.strata
    return exchanged(target.ids, strata, Stream(seed, "interpret", "shuffled", case.split, target.name))


def exchanged(ids: Indices, strata: Indices, stream: Stream) -> Indices:
    """Return for each place the id of another place of its stratum, (N,); those alone in theirs exchange with another.

    The places of a stratum are put in a random order, and each gets the id of the next.
    """
    _, stratum, size = np.unique(strata, return_inverse=True, return_counts=True)
    stratum = np.where(size[stratum] == 1, len(size), stratum)
    order = np.lexsort((stream.words(len(ids)), stratum))
    _, start, length = np.unique(stratum[order], return_index=True, return_counts=True)
    following = np.arange(1, len(ids) + 1)
    following[start + length - 1] = start
    control = np.empty(len(ids), np.int64)
    control[order] = ids[order[following]]
    return control


def _map(case: Case, target: Target, reading: Readings, bootstrap: Bootstrap) -> Iterator[Number]:
    """Yield the numbers of a target at every layer and position; its readings are (2, 2, 2, L + 1, T, N)."""
    for number, suffix in enumerate(SETS):
        (mrr, probability), (control, by_chance) = reading[:, number]
        metrics = {
            f"mrr{suffix}": mrr,
            f"mrr{suffix}_shuffled": control,
            f"lens_gain{suffix}": mrr - control,
            f"probability{suffix}": probability,
            f"probability{suffix}_shuffled": by_chance,
        }
        for metric, values in metrics.items():
            interval = bootstrap.mean(values)
            for layer, position in np.ndindex(values.shape[:2]):
                yield _number(case, target, metric, interval, (layer, position))


def _headlines(case: Case, target: Target, reading: Readings, bootstrap: Bootstrap, seed: int) -> Iterator[Number]:
    for number, suffix in enumerate(SETS):
        mrr, control = reading[:, number, 0, :, case.position(target.position)]  # (L + 1, N)
        layer = chosen_layers(mrr[:-1] - control[:-1], halves(case, seed))
        own, other = (values[layer, np.arange(len(case))] for values in (mrr, control))
        for metric, values in (("lens_gain", own - other), ("mrr", own), ("mrr_shuffled", other)):
            name = metric.replace("_shuffled", f"{suffix}_shuffled") if "shuffled" in metric else metric + suffix
            yield _number(case, target, name, bootstrap.mean(values))


def halves(case: Case, seed: int) -> npt.NDArray[np.bool_]:
    """Return a random half of the examples of a case, (N,)."""
    half = np.zeros(len(case), bool)
    half[Stream(seed, "interpret", "halves", case.split).sample(len(case), len(case) // 2)] = True
    return half


def chosen_layers(gain: Readings, half: npt.NDArray[np.bool_]) -> Indices:
    """Return for each example the layer with the largest mean gain on the other half, (N,).

    Args:
        gain: (layers, N).
        half: (N,), which examples are in the first half; with one example, both halves are it.
    """
    sides = (half, ~half) if half.any() else (~half, ~half)
    first, second = (int(gain[:, side].mean(axis=1).argmax()) for side in sides)
    layer: Indices = np.where(half, second, first)
    return layer


def _number(
    case: Case, target: Target, metric: str, interval: Interval, place: tuple[int, int] | None = None
) -> Number:
    at = () if place is None else place
    value, lower, upper = (float(numbers[at]) for numbers in interval)
    layer, position = (None, "") if place is None else (place[0], case.roles[place[1]])
    return Number(metric, value, len(case), case.split, "", layer, position, target.name, lower, upper)
