"""The fields of a spec that can tell two groups of runs apart, under one dotted name each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from grokcore.spec import ExperimentSpec
from grokcore.spec.base import Spec, identity_rule

SEEDS = frozenset({"seed", "model.seed", "training.seed", "task.seed"})
"""Fields that runs of one group may differ in. Another `task.seed` draws other data of the same kind: a repetition."""

_CHOOSERS = ("task.kind", "model.architecture")
_MOST_TRIED = 3
"""Names beyond the choosers of which every combination is tried, for the shortest to be found."""


def fields_of(spec: ExperimentSpec) -> dict[str, Any]:
    """What decides a run's result, seeds left out: `model.architecture` -> `gpt2`, `task.phi` -> 12.6, ...

    Values are plain JSON values; a field at its default is listed too. Budgets, names and places are left out.
    """
    found: dict[str, Any] = {}
    for section in ("task", "model", "training", "evaluation"):
        _collect(getattr(spec, section), f"{section}.", found)
    return {name: value for name, value in found.items() if name not in SEEDS}


def _collect(part: Spec, prefix: str, found: dict[str, Any]) -> None:
    plain = part.model_dump(mode="json")
    for name, field in type(part).model_fields.items():
        if identity_rule(field) is False:
            continue
        value = getattr(part, name)
        if isinstance(value, Spec):
            _collect(value, f"{prefix}{name}.", found)
        else:
            found[f"{prefix}{name}"] = plain[name]


def differing(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names in which these differ, those that choose a task or an architecture first, then in a spec's order.

    A field that one of them does not have at all (`model.heads` of a Mamba) differs, too.
    """
    names = dict.fromkeys([*_CHOOSERS, *(name for found in fields for name in found)])
    return [name for name in names if len({text_of(found, name) for found in fields}) > 1]


def telling(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """As few names as tell these apart; what chooses a task or an architecture always, where it differs.

    Of specs that differ in `model.architecture` and so in `model.heads` and what was tuned, the architecture alone.
    """
    names = differing(fields)
    chosen = [name for name in names if name in _CHOOSERS]
    rest = [name for name in names if name not in _CHOOSERS]
    wanted = _parts(fields, names)
    if _parts(fields, chosen) == wanted:
        return chosen
    for size in range(1, _MOST_TRIED + 1):
        for more in combinations(rest, size):
            if _parts(fields, [*chosen, *more]) == wanted:
                return [*chosen, *more]
    for name in rest:
        if _parts(fields, [*chosen, name]) > _parts(fields, chosen):
            chosen.append(name)
    return chosen


def _parts(fields: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    return len({tuple(text_of(found, name) for name in names) for found in fields})


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A value as text that is equal for equal values; no value is not the value null."""
    return repr(fields[name]) if name in fields else ""
