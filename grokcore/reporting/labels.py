"""Names that tell the runs of one report apart, and the seeds of one spec from other specs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from grokcore.reporting.formatting import setting
from grokcore.runs.groups import grouped

if TYPE_CHECKING:
    from grokcore.reporting.read import RunView

_MOST_CHOICES = 3
"""Runs that differ in more choices than this are told apart by their ids."""


def labelled(runs: list[RunView]) -> list[RunView]:
    """The runs with labels that differ: of their spec, and of themselves among its seeds."""
    groups = grouped(range(len(runs)), lambda place: runs[place].family)
    names = Counter(runs[group[0]].manifest.name for group in groups)
    labels, specs = [""] * len(runs), [""] * len(runs)
    for name in names:
        same = [group for group in groups if runs[group[0]].manifest.name == name]
        suffixes = [f" · {suffix}" for suffix in _of_specs(runs, same)] if len(same) > 1 else [""]
        for group, suffix in zip(same, suffixes, strict=True):
            members = _of_seeds([runs[place] for place in group])
            for place, member in zip(group, members, strict=True):
                specs[place] = f"{name}{suffix}"
                labels[place] = f"{name}{suffix}{member}"
    return [replace(run, label=label, spec=spec) for run, label, spec in zip(runs, labels, specs, strict=True)]


def _of_specs(runs: Sequence[RunView], groups: Sequence[Sequence[int]]) -> list[str]:
    """What tells specs of one name apart; their seeds do so only where each has but one run."""
    seeds_tell = all(len(group) == 1 for group in groups)
    first = [runs[group[0]] for group in groups]
    keys = [
        key
        for key in first[0].manifest.choices
        if (key != "seed" or seeds_tell) and len({repr(run.manifest.choices.get(key)) for run in first}) > 1
    ]
    if 0 < len(keys) <= _MOST_CHOICES:
        told = [", ".join(f"{key} {setting(run.manifest.choices.get(key), key)}" for key in keys) for run in first]
        if len(set(told)) == len(told):
            return told
    return _ids(first)


def _of_seeds(runs: Sequence[RunView]) -> list[str]:
    if len(runs) == 1:
        return [""]
    seeds = [f" · seed {run.manifest.choices.get('seed')}" for run in runs]
    return seeds if len(set(seeds)) == len(seeds) else [f" · {identity}" for identity in _ids(runs)]


def _ids(runs: Sequence[RunView]) -> list[str]:
    ids = [run.manifest.run_id[:8] for run in runs]
    return ids if len(set(ids)) == len(ids) else [f"{identity} ({number})" for number, identity in enumerate(ids, 1)]
