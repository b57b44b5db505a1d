"""Plan the measurements of a benchmark run and estimate their duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.benchmarks.cases import Case
from ci.benchmarks.rounds import Effort, Entry
from ci.benchmarks.variants import VARIANTS
from grokcore.data import generate_dataset
from grokcore.data.supervision import input_length, supervised_tokens
from grokcore.models import step_flops

_START_UP_SECONDS = 5.0
"""Of one worker, about."""


@dataclass(frozen=True)
class Planned:
    """A case, who takes part in it, and what one of its steps is."""

    case: Case
    entries: tuple[Entry, ...]
    data: Path
    batch_size: int
    plain_flops: float
    """Algorithmic operations of one step of the plain model."""
    seconds: float
    """Estimated duration."""


def plan(
    cases: Sequence[Case],
    variants: Sequence[str],
    precisions: Sequence[str],
    *,
    folder: Path,
    peaks: Mapping[str, float],
    effort: Effort,
) -> list[Planned]:
    """Generate the datasets in `folder` and plan every case that one of `variants` trains.

    Args:
        peaks: FLOP/s of a large matrix product, by number format.
    """
    planned = []
    for case in cases:
        takers = [name for name in variants if case.architecture in VARIANTS[name].architectures]
        if not takers:
            continue
        spec = case.spec()
        data = folder / case.model
        info = generate_dataset(spec.task, data)
        flops = step_flops(
            spec.model,
            vocabulary_size=info.vocabulary_size,
            tokens=input_length(info.sequence_length, spec.training.loss_on),
            supervised=supervised_tokens(info.supervised, spec.training.loss_on),
            batch_size=spec.training.batch_size,
        )
        entries = tuple(Entry(name, precision) for precision in precisions for name in takers)
        seconds = sum(
            _START_UP_SECONDS + effort.expected(VARIANTS[entry.variant].estimate(spec, flops, peaks[entry.precision]))
            for entry in entries
        )
        planned.append(Planned(case, entries, data, spec.training.batch_size, flops, seconds))
    return planned
