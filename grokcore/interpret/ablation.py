"""Ablation: what accuracy and logit difference lose when a head or a mixer no longer tells questions apart.

The output o of a head or a mixer in one block is replaced at all positions, for all questions of a split:

    mean        by its mean over questions, position by position: what all questions share stays
    resampled   by that of another question, which the following blocks have seen (arXiv 2301.05217, 2309.16042)
    random      by o plus a vector of random direction, as long as mean - o: a change of equal size which keeps o

The drop of the mean ablation is held against its control, `..._random`: a part whose random change costs as much is
fragile rather than informative. A head's output is its share of the mixer's, through its rows of the output projection;
the bias belongs to no head.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import Case
from grokcore.interpret.intervals import Bootstrap, Values
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models.sequence_model import MIXER_PARTS, MixerPart
from grokcore.spec.experiment import derived_seed
from grokcore.tasks.random import Stream

SUFFIXES = ("", "_resampled", "_random")
"""Of metrics: the ablation by the mean, and those beside it."""
_TOKENS = 2**16
"""Tokens that are computed at once."""


class Part(NamedTuple):
    """A head or a mixer of a block.

    Attributes:
        name: `token mixer`, `channel mixer` or `head 3`.
        mixer: which one it is a part of.
        output: (N, T, D), what it adds to the stream.
    """

    name: str
    mixer: MixerPart
    output: Tensor


def measure(subject: Subject) -> Iterator[Number]:
    """Yield `accuracy_drop` and `logit_difference_drop` of every part of every block, with `SUFFIXES`.

    The logit difference is that of the answer to the largest other logit. RWKV-4 and Mamba have no heads, Mamba and
    Mamba-2 no channel mixer. The normalization of Mamba-2 goes over all heads of a group: its heads are parts of a sum,
    though each depends on the others.
    """
    for case in subject.cases:
        bootstrap = Bootstrap(len(case), subject.analysis.draws, subject.analysis.seed)
        answers = torch.from_numpy(case.answers).to(subject.device)
        before = _judged(subject.logits(subject.tokens(case)), answers)  # (2, N)
        for number, parts in enumerate(parts_of(subject, case)):
            for part, logits in zip(parts, ablated(subject, case, number, parts), strict=True):
                drops = before[:, None] - _judged(logits, answers)  # (2, kinds, N)
                means = bootstrap.mean(drops)
                for metric, kind in np.ndindex(means.value.shape):
                    name = ("accuracy_drop", "logit_difference_drop")[metric] + SUFFIXES[kind]
                    value, lower, upper = (float(one[metric, kind]) for one in means)
                    yield Number(name, value, len(case), case.split, part.name, number, "", "", lower, upper)


@torch.no_grad()
def parts_of(subject: Subject, case: Case) -> list[list[Part]]:
    """Return the parts of every block that runs: mixers first, then heads."""
    blocks: list[list[Part]] = [[] for _ in range(subject.model.layers)]
    inputs: dict[int, Tensor] = {}

    def keep(number: int, mixer: MixerPart, x: Tensor, output: Tensor) -> None:
        blocks[number].append(Part(f"{mixer} mixer", mixer, output.clone()))
        if mixer == "token":
            inputs[number] = x.clone()

    with subject.model.mixers(keep):
        subject.logits(subject.tokens(case))
    for number, x in inputs.items():
        heads = subject.model.head_outputs(number, x)
        if heads is not None:
            blocks[number] += [Part(f"head {head}", "token", one) for head, one in enumerate(heads.unbind(1))]
    return blocks


@torch.no_grad()
def ablated(subject: Subject, case: Case, number: int, parts: list[Part]) -> list[Tensor]:
    """Return for each part of a block the logits (kinds, N, V) of its ablations, in the order of `SUFFIXES`."""
    found: dict[str, Tensor] = {}
    for mixer in MIXER_PARTS:
        own = [part for part in parts if part.mixer == mixer]
        tokens = subject.tokens(case)
        at_once = max(1, _TOKENS // (len(SUFFIXES) * tokens.numel()))
        for start in range(0, len(own), at_once):
            some = own[start : start + at_once]
            changes = torch.cat([_changes(part, case, number, subject.analysis.seed) for part in some])
            logits = _changed(subject, tokens, number, mixer, changes)
            found |= zip((part.name for part in some), logits.split(len(SUFFIXES)), strict=True)
    return [found[part.name] for part in parts]


def _changes(part: Part, case: Case, number: int, seed: int) -> Tensor:
    """Return what is added to a part's output in each ablation, (kinds, N, T, D)."""
    output = part.output
    to_mean = output.mean(0) - output
    words = Stream(seed, "interpret", "resampled", case.split).words(len(case))
    order = torch.from_numpy(np.argsort(words)).to(output.device)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    generator = torch.Generator().manual_seed(derived_seed(seed, f"ablation {case.split} {number} {part.name}"))
    direction = torch.randn(output.shape, generator=generator).to(output)
    direction = direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    return torch.stack(
        [to_mean, output[other] - output, direction * torch.linalg.vector_norm(to_mean, dim=-1, keepdim=True)]
    )


def _changed(subject: Subject, tokens: Tensor, number: int, mixer: MixerPart, changes: Tensor) -> Tensor:
    """Return the logits (C, N, V) with each of `changes` (C, N, T, D) added to the output of a mixer."""

    def add(seen: int, part: MixerPart, x: Tensor, output: Tensor) -> Tensor | None:
        return output + changes.flatten(0, 1) if (seen, part) == (number, mixer) else None

    with subject.model.mixers(add):
        logits: Tensor = subject.logits(tokens.repeat(len(changes), 1)).unflatten(0, changes.shape[:2])
    return logits


def _judged(logits: Tensor, answers: Tensor) -> Values:
    """Return whether logits (..., N, V) are right, and the logit of the answer less the largest other, (2, ..., N)."""
    at = answers.expand(logits.shape[:-1])[..., None]
    answer = logits.gather(-1, at)[..., 0]
    other = logits.scatter(-1, at, -torch.inf).amax(-1)
    right = logits.argmax(-1) == answers
    judged: Values = torch.stack([right.double(), (answer - other).double()]).cpu().numpy()
    return judged
