"""The fields of specs that decide results, and as few of them as tell experiments apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from grokcore.spec import ExperimentSpec
from grokcore.spec.base import Spec, identity_rule

SEEDS = frozenset({"seed", "model.seed", "training.seed", "task.seed"})
"""Fields that runs of one group may differ in. Another `task.seed` draws other data of the same kind: a repetition."""
_CHOOSERS = ("task.kind", "model.architecture")
_TUNED = ("training.learning_rate", "training.weight_decay", "training.schedule_steps")
"""Fields that are usually searched anew for whatever else differs, and so are the last to name anything."""
MOST_TRIED = 3
"""Fields beyond the choosers of which every combination is tried, to find the shortest."""


def fields_of(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what decides a run's result, without seeds: `model.architecture` -> `gpt2`, `task.phi` -> 12.6, ...

    Values are plain JSON values; a field at its default is included. Budgets, names and places are left out.
    """
    found: dict[str, Any] = {}
    spec = with_pooled_source(spec)
    for section in ("task", "model", "training", "evaluation"):
        _collect(getattr(spec, section), f"{section}.", found)
    return {name: value for name, value in found.items() if name not in SEEDS}


def _collect(part: Spec, prefix: str, found: dict[str, Any]) -> None:
    plain = part.model_dump(mode="json")
    found.update({f"{prefix}{name}": plain[name] for name in part.model_extra or ()})
    for name, field in type(part).model_fields.items():
        if identity_rule(field) is False:
            continue
        value = getattr(part, name)
        if isinstance(value, Spec):
            _collect(value, f"{prefix}{name}.", found)
        else:
            found[f"{prefix}{name}"] = plain[name]


def differing_fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names in which these differ: those that choose a task or an architecture, then in a spec's order.

    A field that one of them does not have at all (`model.heads` of a Mamba) differs, too.
    """
    names = dict.fromkeys([*_CHOOSERS, *(name for found in fields for name in found)])
    return [name for name in names if len({text_of(found, name) for found in fields}) > 1]


def distinguishing_fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return as few names as tell these apart; what chooses a task or an architecture always, where it differs.

    Of specs that differ in `model.architecture` and so in `model.heads` and what was tuned, the architecture alone; of
    optimizers with a learning rate each, the optimizer.
    """
    names = differing_fields(fields)
    kept = [name for name in names if name in _CHOOSERS]
    rest = [name for name in names if name not in _CHOOSERS]
    wanted = _kinds(fields, names)
    if _kinds(fields, kept) == wanted:
        return kept
    for pool in ([name for name in rest if name not in _TUNED], rest):
        for size in range(1, MOST_TRIED + 1):
            for more in combinations(pool, size):
                if _kinds(fields, [*kept, *more]) == wanted:
                    return [*kept, *more]
        if _kinds(fields, [*kept, *pool]) == wanted:
            break
    for name in pool:
        if _kinds(fields, [*kept, name]) > _kinds(fields, kept):
            kept.append(name)
    return kept


def distinguishing_settings(specs: Sequence[ExperimentSpec]) -> list[dict[str, Any]]:
    """Return, for each spec, its values of the fields that tell the specs apart."""
    fields = [fields_of(spec) for spec in specs]
    names = distinguishing_fields(fields)
    return [{name: found[name] for name in names if name in found} for found in fields]


def _kinds(fields: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """Count the different combinations of values."""
    return len({tuple(text_of(found, name) for name in names) for found in fields})


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a value as text that is equal for equal values; an absent value differs from null."""
    return repr(fields[name]) if name in fields else ""


def value_text(value: Any) -> str:
    """Write a setting: 0.001, 1e-05, true, none, [0.9, 0.98]."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value)


def with_pooled_source(spec: ExperimentSpec) -> ExperimentSpec:
    start = spec.model.start_from
    if start is None or start.group is None:
        return spec
    return spec.model_copy(update={"model": spec.model.model_copy(update={"start_from": start.pooled})})
