"""Causal tracing by interchange (arXiv 2202.05262, 2309.16042): which site carries the information that decides.

A site is a layer l and one or more positions p. While the model reads a question x, the stream h[l, p] is replaced by
that of its counterfactual x', which has another answer y'. With LD = logit(y') - logit(y),

    recovered = (mean LD patched - mean LD of x) / (mean LD of x' - mean LD of x)
    flip      = share whose patched answer is y'
    broken    = share whose patched answer is no longer y

and while it reads x', by that of x:

    restored  = (mean LD of x' - mean LD patched) / (mean LD of x' - mean LD of x)

These are the two directions of arXiv 2404.15255, noising and denoising. They agree where one site carries the
information; where several carry it, each may suffice to spoil an answer and not to bring the other one along.

Only rows whose question and counterfactual are both answered rightly count; n says how many. A counterfactual with the
same answer must change nothing: there `specificity` = 1 - broken stands in the place of the others.

Streams of x and x' are equal before the first token that differs, and only one stream is read after the last block, so
that many sites are known without being run: nothing of what differs is replaced there, or all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case, Counterfactual
from grokcore.interpret.intervals import Bootstrap, Values
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Reading, Subject
from grokcore.models import SequenceModel

_TOKENS = 2**16
"""Tokens that are computed at once."""

Flags = npt.NDArray[np.bool_]
Place = tuple[int, int]
"""(layer, number of a site)."""


@dataclass(frozen=True)
class Site:
    """Where streams are replaced: one position, or several at once.

    Attributes:
        name: its roles, joined by +.
    """

    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Patched:
    """Results of replacing the streams of S sites in the M rows that are answered rightly with and without.

    Attributes:
        difference: (L + 1, S, M) the logit difference LD of x with streams of x'.
        reverse: (L + 1, S, M) that of x' with streams of x.
        own, other: (M,) those of x and of x'.
        flip, broken: (L + 1, S, M), 0 or 1, of x with streams of x'.
    """

    difference: Values
    reverse: Values
    own: Values
    other: Values
    flip: Values
    broken: Values


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the numbers of every counterfactual, layer and site, and of every case the headline `accuracy`.

    The headline of a kind is its largest flip, or its lowest specificity, over the layers between the first block and
    the last and the kind's `sites`: even rows choose the site, odd rows are counted. That of a specificity may be
    measured at the site of another kind (`specific_to`): where a bridge is not read, any may take its place. Layers 0
    and L are left out: to replace an input is to ask the other question, and to replace an output is to answer it.
    """
    for case in subject.cases:
        right = subject.read_case(case).logits.argmax(-1).cpu().numpy() == case.answers
        value, lower, upper = map(float, _bootstrap(subject, len(case)).mean(right))
        yield Number("accuracy", value, len(case), case.split, lower=lower, upper=upper)
        chosen: dict[str, Place] = {}
        for counterfactual in sorted(case.counterfactuals.values(), key=lambda one: bool(one.specific_to)):
            result = patched(subject, case, counterfactual)
            metric = "specificity" if _keeps_answers(case, counterfactual) else "flip"
            if len(result.own) < 2:
                yield Number(metric, float("nan"), len(result.own), case.split, counterfactual.kind)
                continue
            yield from _map(subject, case, counterfactual, result)
            places = _places(subject, case, counterfactual, chosen)
            if places:
                values = result.flip if metric == "flip" else 1 - result.broken
                chosen[counterfactual.kind], odd = _best(values, places, sign=1 if metric == "flip" else -1)
                value, lower, upper = map(float, _bootstrap(subject, len(odd)).mean(odd))
                layer, site = chosen[counterfactual.kind]
                where = f"layer {layer}, {sites_of(case)[site].name}"
                yield Number(metric, value, len(odd), case.split, counterfactual.kind, None, "", where, lower, upper)


def sites_of(case: Case) -> list[Site]:
    """Return every position of a case by itself, and its joint ones."""
    return [Site("+".join(roles), roles) for roles in (*((role,) for role in case.roles), *case.joint)]


@torch.no_grad()
def patched(subject: Subject, case: Case, counterfactual: Counterfactual) -> Patched:
    """Replace the streams of every site in the rows that the model answers rightly, many sites at once."""
    device, layers = subject.device, subject.model.layers
    answers = torch.from_numpy(np.stack([case.answers[counterfactual.rows], counterfactual.answers])).to(device)
    question = subject.read_case(case).of(torch.from_numpy(counterfactual.rows).to(device))
    donor = subject.read(torch.from_numpy(counterfactual.tokens).to(device))
    kept = (torch.stack([one.logits.argmax(-1) for one in (question, donor)]) == answers).all(0)
    question, donor, answers = question.of(kept), donor.of(kept), answers[:, kept]
    masks = np.array([[role in site.roles for role in case.roles] for site in sites_of(case)])
    rows = len(question.logits)
    difference, reverse, flip, broken = np.zeros((4, layers + 1, len(masks), rows))
    if not rows:
        return Patched(difference, reverse, np.zeros(0), np.zeros(0), flip, broken)
    own, other = (_difference(one.logits, answers) for one in (question, donor))
    changes = bool((answers[0] != answers[1]).any())
    changed = np.array([role in counterfactual.positions for role in case.roles])
    for layer in range(layers + 1):
        differs = _differing(changed, layer, layers)
        carried = masks & differs
        # Between first and last layer a token that has converged keeps its own stream, though all of it was replaced.
        whole = (carried == differs).all(1) & (layer in (0, layers))
        ran = carried.any(1) & ~whole
        difference[layer], reverse[layer] = own, other
        difference[layer, whole], reverse[layer, whole] = other, own
        flip[layer, whole], broken[layer, whole] = 1, changes
        if ran.any():
            logits = _interchanged(subject, question, donor, layer, masks[ran])
            predicted = logits.argmax(-1)
            difference[layer, ran] = _difference(logits, answers)
            flip[layer, ran] = (predicted == answers[1]).cpu().numpy()
            broken[layer, ran] = (predicted != answers[0]).cpu().numpy()
            if changes:
                logits = _interchanged(subject, donor, question, layer, masks[ran])
                reverse[layer, ran] = _difference(logits, answers)
    return Patched(difference, reverse, own, other, flip, broken)


def _differing(changed: Flags, layer: int, layers: int) -> Flags:
    """Return the positions (T,) whose streams at a layer differ between question and counterfactual and are read."""
    if layer == 0:
        return changed
    only_last: Flags = np.arange(len(changed)) == len(changed) - 1
    from_first: Flags = np.maximum.accumulate(changed)
    return only_last if layer == layers else from_first


def _interchanged(subject: Subject, question: Reading, donor: Reading, layer: int, masks: Flags) -> Tensor:
    """Return the logits (S, M, V) of one copy of M questions for each of `masks` (S, T), those positions replaced.

    The blocks below the layer have run, and are not run again.
    """
    streams, donors = question.streams[: layer + 1], donor.streams[layer]
    chosen = torch.from_numpy(masks).to(donors.device)
    at_once = max(1, _TOKENS // donors[..., 0].numel())
    return torch.cat([_of_copies(subject.model, streams, donors, part) for part in chosen.split(at_once)])


def _of_copies(model: SequenceModel, streams: Tensor, donors: Tensor, masks: Tensor) -> Tensor:
    shape = len(masks), *donors.shape
    *earlier, stream = (one.expand(shape) for one in streams)
    replaced = torch.where(masks[:, None, :, None], donors, stream)
    copies, rows, length, _ = shape
    answer = torch.full((copies * rows, 1), length - 1, device=donors.device)
    logits: Tensor = model.forward_from([*earlier, replaced], answer)[:, 0].unflatten(0, (copies, rows))
    return logits


def _difference(logits: Tensor, answers: Tensor) -> Values:
    """Return LD (..., M) of logits (..., M, V) and the answers (2, M) of question and counterfactual."""
    own, other = (logits.gather(-1, one.expand(logits.shape[:-1])[..., None])[..., 0] for one in answers)
    difference: Values = (other - own).double().cpu().numpy()
    return difference


def _share(means: Values) -> Values:
    """Return (patched - from) / (to - from) of means (..., 3)."""
    share: Values = (means[..., 0] - means[..., 1]) / (means[..., 2] - means[..., 1])
    return share


def _keeps_answers(case: Case, counterfactual: Counterfactual) -> bool:
    return bool((counterfactual.answers == case.answers[counterfactual.rows]).all())


def _map(subject: Subject, case: Case, counterfactual: Counterfactual, result: Patched) -> Iterator[Number]:
    """Yield the numbers of every layer and site."""
    n = len(result.own)
    bootstrap = _bootstrap(subject, n)
    if _keeps_answers(case, counterfactual):
        measured = {"specificity": bootstrap.mean(1 - result.broken)}
    else:
        own, other = (np.broadcast_to(one, result.difference.shape) for one in (result.own, result.other))
        measured = {
            "recovered": bootstrap.of(_share, result.difference, own, other),
            "restored": bootstrap.of(_share, result.reverse, other, own),
            "flip": bootstrap.mean(result.flip),
            "broken": bootstrap.mean(result.broken),
        }
    sites = sites_of(case)
    for metric, means in measured.items():
        for layer, site in np.ndindex(means.value.shape):
            value, lower, upper = (float(part[layer, site]) for part in means)
            name = sites[site].name
            yield Number(metric, value, n, case.split, counterfactual.kind, layer, name, "", lower, upper)


def _places(subject: Subject, case: Case, counterfactual: Counterfactual, chosen: Mapping[str, Place]) -> list[Place]:
    """Return where the headline of a kind may be measured."""
    if counterfactual.specific_to:
        return [chosen[counterfactual.specific_to]] if counterfactual.specific_to in chosen else []
    allowed = {*(counterfactual.sites or case.roles)}
    sites = [number for number, site in enumerate(sites_of(case)) if {*site.roles} <= allowed]
    return [(layer, site) for layer in range(1, subject.model.layers) for site in sites]


def _best(values: Values, places: Sequence[Place], *, sign: int) -> tuple[Place, Values]:
    """Return the place of the largest sign * mean of values (L + 1, S, n) on even rows, and its values on odd rows."""
    means = [sign * values[place][::2].mean() for place in places]
    best = places[int(np.argmax(means))]
    return best, values[best][1::2]


def _bootstrap(subject: Subject, examples: int) -> Bootstrap:
    return Bootstrap(examples, subject.analysis.draws, subject.analysis.seed)
