"""What runs a verdict is about: their scale, the rules by which they were judged, and whether these are the published.

A claim is judged once for each scope, and runs of different scopes are never pooled: a model of two layers says nothing
of one of eight, nor a threshold of .9 of one of .99.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grokcore.claims.claim import Claim
from grokcore.claims.conditions import in_words
from grokcore.claims.predicates import split_of
from grokcore.claims.result import Scope
from grokcore.claims.strata import FREE, Member, Stratum, constant_of, strata_of
from grokcore.claims.units import draw_of, seed_of
from grokcore.evaluation.survival import follow_up
from grokcore.runs.groups import grouped, text_of, value_text
from grokcore.runs.record import RunRecord
from grokcore.spec.experiment import fingerprint

_SIZES = ("model.layers", "model.width")
_TOLD = ("evaluation.threshold", "model.architecture", *_SIZES, "training.precision")


def scoped(claim: Claim, members: Sequence[Member]) -> Iterator[tuple[list[Member], list[Stratum], bool]]:
    """Per scope: the members of its scale, its strata, and whether these meet the published conditions."""
    for same in grouped(members, lambda member: tuple(sorted(_scale(claim, member).items()))):
        strata = strata_of(claim, same)
        for published in (True, False):
            chosen = [stratum for stratum in strata if meets(claim, stratum) is published]
            if chosen:
                yield same, chosen, published


def meets(claim: Claim, stratum: Stratum) -> bool:
    """Whether all runs of a stratum were made and judged under the published conditions."""
    return not _unmet(claim, stratum)


def scope_of(claim: Claim, strata: Sequence[Stratum], published: bool) -> Scope:
    """The scope that these strata share."""
    members = [member for stratum in strata for member in stratum.members]
    runs = [run for member in members for run in member.group.runs]
    rules = sorted(name for name in members[0].fields if name.startswith("evaluation.") and name not in FREE)
    tasks = sorted(name for name in members[0].fields if name.startswith("task.") and name not in FREE)
    fields = {name: _values(members, name) for name in (*_TOLD, *tasks, *rules)}
    budgets = [budget for run in runs if (budget := _budget(claim, run)) is not None]
    return Scope(
        published=published,
        unmet=list(dict.fromkeys(words for stratum in strata for words in _unmet(claim, stratum))),
        threshold=members[0].fields["evaluation.threshold"],
        fields=fields,
        budget=min(budgets, default=None),
        draws=len({draw_of(run) for run in runs}),
        seeds=len({seed_of(run) for run in runs}),
    )


def scope_hash(claim: Claim, scope: Scope) -> str:
    """Of the claim, and of what it was judged on but for the number of runs: their scale and the rules of judging."""
    about = {"published": scope.published, "fields": scope.fields}
    return fingerprint({"claim": claim.hash, "scope": about})


def in_short(scope: Scope) -> str:
    """The scope as the end of a sentence."""
    names = [name for name in scope.fields if not name.startswith("evaluation.") and name != "task.kind"]
    found = {name: [value for value in scope.fields[name] if value is not None] for name in names}
    shown = ", ".join(f"{name.split('.', 1)[1]} {_listed(values)}" for name, values in found.items() if values)
    kind = _listed(scope.fields.get("task.kind", []))
    budget = ""
    if scope.budget is not None:
        budget = f"; what did not grok trained {scope.budget:.3g} times as long as it took to memorize, or longer"
        budget = budget if scope.budget else "; some runs never memorized"
    draws = "1 draw of the data" if scope.draws == 1 else f"{scope.draws} draws of the data"
    seeds = "1 seed" if scope.seeds == 1 else f"{scope.seeds} seeds"
    told = f"Scope: threshold {value_text(scope.threshold)}, {kind} with {shown}"
    return f"{told}{budget}; {draws}, {seeds}."


def _scale(claim: Claim, member: Member) -> Mapping[str, str]:
    """What keeps scopes apart: rules of judging, the task, and the model's size, but for what the claim varies."""
    varied = claim.factor.fields | {*claim.carries} | FREE
    names = [name for name in member.fields if name.startswith(("evaluation.", "task.")) or name in _SIZES]
    scale = {name: text_of(member.fields, name) for name in names if name not in varied}
    return scale | {" x ".join(claim.constant): f"{constant_of(claim, member):g}"}


def _unmet(claim: Claim, stratum: Stratum) -> list[str]:
    """The published conditions that a stratum does not meet, in words."""
    published, found = claim.published, []
    for member in stratum.members:
        if member.fields["evaluation.threshold"] != published.threshold:
            threshold = value_text(member.fields["evaluation.threshold"])
            found.append(f"evaluation.threshold {threshold} (published {value_text(published.threshold)})")
        for condition in published.conditions:
            value = member.fields.get(condition.field)
            if condition.field in member.fields and not condition.holds(value):
                wanted = in_words([condition]).removeprefix(f"{condition.field} ")
                found.append(f"{condition.field} {value_text(value)} (published {wanted})")
        if published.product is not None and constant_of(claim, member) != published.product:
            told = f"{' x '.join(claim.constant)} {constant_of(claim, member):g} (published {published.product:g})"
            found.append(told)
        if published.budget is not None:
            budgets = [_budget(claim, run) for run in member.group.runs]
            least = min((budget for budget in budgets if budget is not None), default=None)
            if least is not None and least < published.budget:
                found.append(f"{least:.2g} times the steps to memorize (published {published.budget:g})")
    return list(dict.fromkeys(found))


def _budget(claim: Claim, run: RunRecord) -> float | None:
    """How long a run that did not reach the claim's split was followed, in times to memorize.

    None of a run that did, or that diverged; 0 of one that never memorized: the multiple is not known.
    """
    held_out = run.evaluation.held_out.get(split_of(claim.predicate))
    if run.evaluation.diverged or (held_out is not None and held_out.sustained is not None):
        return None
    trained = run.evaluation.memorized.sustained
    return follow_up(run) / max(trained.steps, 1) if trained is not None else 0.0


def _values(members: Sequence[Member], name: str) -> list[Any]:
    """The different values of a field, in order; numbers first."""
    found = {text_of(member.fields, name): member.fields[name] for member in members if name in member.fields}
    return sorted(found.values(), key=_order)


def _order(value: Any) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (math.inf, value_text(value))


def _listed(values: Sequence[Any]) -> str:
    texts = [value_text(value) for value in values]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)
