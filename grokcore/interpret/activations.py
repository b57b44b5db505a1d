"""What residual streams are like at every layer and position: their size, their rank, and what they tell of targets.

    norm            mean |h|
    effective_rank  exp(H(s / sum s)) of the singular values s of the centered streams of all examples
    probe           accuracy of a linear probe for a target, on entities that it was not fitted on (`probes.py`)
    cohesion        mean cosine of h to the centroid of the training questions with the same target, such as the same
                    bridge or value (`centroids.py`); of questions that are not of that split it is `alignment`

Controls: `effective_rank_random`, of as many normal vectors, equal where questions are equal up to the position;
`probe_shuffled`, fitted to and read as targets of other facts of equal form (`donors`); `cohesion_other` and
`alignment_other`, the centroid of such another target. `..._gain` is the difference to the control.

Targets are read from their own position on: a causal model cannot have looked them up before. Their headlines are those
of that position, in the layer where the gain is largest, chosen as the lens chooses it; the headline of the rank is
that of the answer's stream after the last block. Intervals resample entities, whose rows are alike; where a target
follows from several, the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases import Case, Target
from grokcore.interpret.cases.base import ANSWER
from grokcore.interpret.centroids import to_centroids
from grokcore.interpret.intervals import Bootstrap, Interval, Values
from grokcore.interpret.lens import chosen_layers, exchanged, halves
from grokcore.interpret.number import Number
from grokcore.interpret.probes import Labeled, probed
from grokcore.interpret.subject import Subject
from grokcore.spec.experiment import derived_seed
from grokcore.tasks.random import Indices, Stream

LEAST = 10
"""Examples, of fewer of which nothing is told."""
ROUNDING = 1e-6
"""Singular values below this share of the uncentered streams' norm are rounding of fp32."""


@dataclass(frozen=True)
class _Streams:
    """The streams (L + 1, T, N, D) of a case, fp64, on the CPU."""

    case: Case
    hidden: Tensor

    def labeled(self, name: str, seed: int) -> Labeled:
        """Return the streams from the position of a target on, with the target."""
        target = next(one for one in self.case.targets if one.name == name)
        groups = list(self.case.groups.values()) if target.entity is None else [target.entity]
        hidden = self.hidden[:, self.case.position(target.position) :].flatten(0, 1)
        entities, donor = np.stack(groups, axis=1), donors(self.case, target, seed)
        return Labeled(hidden, np.stack([target.ids, target.ids[donor]]), entities, entities[donor])


def donors(case: Case, target: Target, seed: int) -> Indices:
    """Return for each row another, (N,), whose target is its control: one row for all rows of a fact, of equal form.

    So the control is as consistent as the target is, and a probe could remember it as well (arXiv 1909.03368). Where a
    target follows from several entities, rows are facts.
    """
    stream = Stream(seed, "interpret", "other facts", case.split, target.name)
    strata = np.zeros(len(case), np.int64) if target.strata is None else target.strata
    if target.entity is None:
        return exchanged(np.arange(len(case)), strata, stream)
    pairs = np.stack([target.entity, strata], axis=1)
    facts, row, fact = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    return exchanged(row, facts[:, 1], stream)[fact.reshape(-1)]


def measure(subject: Subject) -> Iterator[Number]:
    """Yield norms and ranks of every case, then probes and cosines of every target."""
    trained = subject.dataset.train_splits()
    references: dict[tuple[str, ...], _Streams] = {}
    for case in sorted(subject.cases, key=lambda case: case.split not in trained):
        streams = _Streams(case, subject.streams(subject.tokens(case)).transpose(1, 2).cpu().double())
        if len(case) < LEAST:
            continue
        reference = references.setdefault(case.roles, streams)
        yield from _shapes(subject, streams)
        for target in case.targets:
            yield from _of_target(subject, streams, reference, target)


def _shapes(subject: Subject, streams: _Streams) -> Iterator[Number]:
    case, hidden = streams.case, streams.hidden
    layers, length, n, width = hidden.shape
    norms = Bootstrap(n, subject.analysis.draws, subject.analysis.seed).mean(hidden.norm(dim=-1).numpy())
    ranks = effective_ranks(hidden.flatten(0, 1)).unflatten(0, (layers, length))
    control = effective_ranks(_random(case, width, subject.analysis.seed))
    for layer, position in np.ndindex(layers, length):
        value, lower, upper = (float(part[layer, position]) for part in norms)
        role = case.roles[position]
        yield Number("norm", value, n, case.split, "", layer, role, lower=lower, upper=upper)
        yield Number("effective_rank", float(ranks[layer, position]), n, case.split, "", layer, role)
        yield Number("effective_rank_random", float(control[position]), n, case.split, "", layer, role)
    yield Number("effective_rank", float(ranks[-1, -1]), n, case.split, target=ANSWER)
    yield Number("effective_rank_random", float(control[-1]), n, case.split, target=ANSWER)


def effective_ranks(streams: Tensor) -> Tensor:
    """Return exp(H(s / sum s)) of the singular values s of centered streams (S, N, D); NaN where all are equal."""
    centered = streams - streams.mean(1, keepdim=True)
    gram = centered.mT @ centered if centered.shape[1] > centered.shape[2] else centered @ centered.mT
    values = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    values = torch.where(values > ROUNDING * streams.flatten(1).norm(dim=1, keepdim=True), values, 0)
    ranks: Tensor = torch.special.entr(values / values.sum(1, keepdim=True)).sum(1).exp()
    return ranks


def _random(case: Case, width: int, seed: int) -> Tensor:
    """Return normal vectors (T, N, D), the same in rows whose questions are the same up to a position."""
    generator = torch.Generator().manual_seed(derived_seed(seed, f"random streams of {case.split}"))
    drawn = torch.randn(*case.tokens.T.shape, width, generator=generator, dtype=torch.float64)
    for position in range(len(case.roles)):
        _, beginning = np.unique(case.tokens[:, : position + 1], axis=0, return_inverse=True)
        drawn[position] = drawn[position][torch.from_numpy(beginning.reshape(-1))]
    return drawn


def _of_target(subject: Subject, streams: _Streams, reference: _Streams, target: Target) -> Iterator[Number]:
    seed = subject.analysis.seed
    own = streams.labeled(target.name, seed)
    known = own if reference is streams else reference.labeled(target.name, seed)
    readings = {
        ("probe", "shuffled"): probed(own, known, seed, target.name),
        ("cohesion" if known is own else "alignment", "other"): to_centroids(own, known),
    }
    for names, (values, rows) in readings.items():
        yield from _compared(subject, streams.case, target, values, rows, own.entities[rows, 0], names)


def _compared(
    subject: Subject,
    case: Case,
    target: Target,
    values: Values,
    rows: Indices,
    clusters: Indices,
    names: tuple[str, str],
) -> Iterator[Number]:
    """Yield a metric, its control and their difference, at every site and as headlines.

    Args:
        values: (2, S, n), the metric and its control.
        rows: (n,), which examples.
        clusters: (n,), equal for those that are resampled together.
        names: of the metric, and what its control's name ends with.
    """
    metric, suffix = names
    n, position = len(rows), case.position(target.position)
    if n < LEAST:
        yield Number(f"{metric}_gain", float("nan"), n, case.split, target=target.name)
        return
    roles = case.roles[position:]
    values = values.reshape(2, -1, len(roles), n)
    half = halves(case, subject.analysis.seed)[rows]
    layer = chosen_layers(values[0, :-1, 0] - values[1, :-1, 0], half)
    bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
    sites = differences(values, clusters, len(case), bootstrap)
    chosen = differences(values[:, layer, 0, np.arange(n)], clusters, len(case), bootstrap)
    for number, name in enumerate((metric, f"{metric}_{suffix}", f"{metric}_gain")):
        for place, at in np.ndindex(values.shape[1:3]):
            value, lower, upper = (float(part[place, at, number]) for part in sites)
            yield Number(name, value, n, case.split, "", place, roles[at], target.name, lower, upper)
        value, lower, upper = (float(part[number]) for part in chosen)
        yield Number(name, value, n, case.split, target=target.name, lower=lower, upper=upper)


def differences(values: Values, clusters: Indices, examples: int, bootstrap: Bootstrap) -> Interval:
    """Return the means of a metric and its control, and their difference, (..., 3).

    Rows of one cluster, such as an entity, are alike, so that they are resampled together: their sums stand in one of
    the places of the bootstrap, which are as many as there are examples so that all analyses draw the same.

    Args:
        values: (2, ..., n), of the metric and of its control.
        clusters: (n,).
        examples: of `bootstrap`, n at least.
    """
    _, place = np.unique(clusters, return_inverse=True)
    member = np.zeros((len(clusters), examples))
    member[np.arange(len(clusters)), place] = 1
    sums = np.stack([*(values @ member), np.broadcast_to(member.sum(0), (*values.shape[1:-1], examples))])

    def compared(means: Values) -> Values:
        own, control = means[..., 0] / means[..., 2], means[..., 1] / means[..., 2]
        return np.stack([own, control, own - control], axis=-1)

    return bootstrap.of(compared, *sums)
