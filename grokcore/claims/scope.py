"""The scope of a verdict: the scale of its runs, the rules of evaluation, and whether these are the published ones.

A claim is tested once for each scope, and runs of different scopes are never pooled: a model of two layers is not
evidence for one of eight, nor a threshold of .9 for one of .99.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grokcore.claims.base import Arm, Stratum
from grokcore.claims.claim import Claim
from grokcore.claims.conditions import describe_all
from grokcore.claims.predicates import split_of
from grokcore.claims.result import Scope
from grokcore.claims.strata import FREE, constant_of, strata_of
from grokcore.claims.units import draw_of, seed_of
from grokcore.evaluation.survival import follow_up
from grokcore.runs.fields import text_of, value_text
from grokcore.runs.groups import grouped
from grokcore.runs.record import RunRecord
from grokcore.spec.experiment import fingerprint

_SIZES = ("model.layers", "model.width")
_SHOWN_FIELDS = ("evaluation.threshold", "model.architecture", *_SIZES, "training.precision")


def scoped(claim: Claim, arms: Sequence[Arm]) -> Iterator[tuple[list[Arm], list[Stratum], bool]]:
    """Yield, per scope, the arms of its scale, its strata, and whether these meet the published conditions."""
    for same in grouped(arms, lambda arm: tuple(sorted(_scale(claim, arm).items()))):
        strata = strata_of(claim, same)
        for published in (True, False):
            chosen = [stratum for stratum in strata if meets(claim, stratum) is published]
            if chosen:
                yield same, chosen, published


def meets(claim: Claim, stratum: Stratum) -> bool:
    """Whether all runs of a stratum were made and judged under the published conditions."""
    return not _unmet(claim, stratum)


def scope_of(claim: Claim, strata: Sequence[Stratum], published: bool) -> Scope:
    """Describe the scope that these strata share."""
    arms = [arm for stratum in strata for arm in stratum.arms]
    runs = [run for arm in arms for run in arm.group.runs]
    rules = sorted(name for name in arms[0].fields if name.startswith("evaluation.") and name not in FREE)
    tasks = sorted(name for name in arms[0].fields if name.startswith("task.") and name not in FREE)
    fields = {name: _values(arms, name) for name in (*_SHOWN_FIELDS, *tasks, *rules)}
    budgets = [budget for run in runs if (budget := _budget(claim, run)) is not None]
    return Scope(
        published=published,
        unmet=list(dict.fromkeys(words for stratum in strata for words in _unmet(claim, stratum))),
        threshold=arms[0].fields["evaluation.threshold"],
        fields=fields,
        budget=min(budgets, default=None),
        draws=len({draw_of(run) for run in runs}),
        seeds=len({seed_of(run) for run in runs}),
    )


def scope_hash(claim: Claim, scope: Scope) -> str:
    """Hash the claim with its scope: scale of the runs and rules of evaluation, but not the number of runs."""
    about = {"published": scope.published, "fields": scope.fields}
    return fingerprint({"claim": claim.hash, "scope": about})


def describe_scope(scope: Scope) -> str:
    """Describe the scope in one sentence."""
    names = [name for name in scope.fields if not name.startswith("evaluation.") and name != "task.kind"]
    found = {name: [value for value in scope.fields[name] if value is not None] for name in names}
    shown = ", ".join(f"{name.split('.', 1)[1]} {_listed(values)}" for name, values in found.items() if values)
    kind = _listed(scope.fields.get("task.kind", []))
    budget = ""
    if scope.budget is not None:
        budget = f"; runs without a sustained split trained {scope.budget:.3g} times the steps to memorize, or longer"
        budget = budget if scope.budget else "; some runs never memorized"
    draws = "1 draw of the data" if scope.draws == 1 else f"{scope.draws} draws of the data"
    seeds = "1 seed" if scope.seeds == 1 else f"{scope.seeds} seeds"
    sentence = f"Scope: threshold {value_text(scope.threshold)}, {kind} with {shown}"
    return f"{sentence}{budget}; {draws}, {seeds}."


def _scale(claim: Claim, arm: Arm) -> Mapping[str, str]:
    """The fields that separate scopes: rules of evaluation, task and model size, except those that the claim varies."""
    varied = claim.factor.fields | {*claim.carries} | FREE
    names = [name for name in arm.fields if name.startswith(("evaluation.", "task.")) or name in _SIZES]
    scale = {name: text_of(arm.fields, name) for name in names if name not in varied}
    return scale | {" x ".join(claim.constant): f"{constant_of(claim, arm):g}"}


def _unmet(claim: Claim, stratum: Stratum) -> list[str]:
    """Describe the published conditions that a stratum does not meet."""
    published, found = claim.published, []
    for arm in stratum.arms:
        if arm.fields["evaluation.threshold"] != published.threshold:
            threshold = value_text(arm.fields["evaluation.threshold"])
            found.append(f"evaluation.threshold {threshold} (published {value_text(published.threshold)})")
        for condition in published.conditions:
            value = arm.fields.get(condition.field)
            if condition.field in arm.fields and not condition.holds(value):
                wanted = describe_all([condition]).removeprefix(f"{condition.field} ")
                found.append(f"{condition.field} {value_text(value)} (published {wanted})")
        if published.product is not None and constant_of(claim, arm) != published.product:
            sentence = f"{' x '.join(claim.constant)} {constant_of(claim, arm):g} (published {published.product:g})"
            found.append(sentence)
        if published.budget is not None:
            budgets = [_budget(claim, run) for run in arm.group.runs]
            least = min((budget for budget in budgets if budget is not None), default=None)
            if least is not None and least < published.budget:
                found.append(f"{least:.2g} times the steps to memorize (published {published.budget:g})")
    return list(dict.fromkeys(found))


def _budget(claim: Claim, run: RunRecord) -> float | None:
    """Follow-up of a run in which the claim's split was not sustained, in multiples of its steps to memorize.

    None if the split was sustained or the run diverged; 0 if it never memorized, since the multiple is not known.
    """
    held_out = run.evaluation.held_out.get(split_of(claim.predicate))
    if run.evaluation.diverged or (held_out is not None and held_out.sustained is not None):
        return None
    trained = run.evaluation.memorized.sustained
    return follow_up(run) / max(trained.steps, 1) if trained is not None else 0.0


def _values(arms: Sequence[Arm], name: str) -> list[Any]:
    """List the different values of a field in order, numbers first."""
    found = {text_of(arm.fields, name): arm.fields[name] for arm in arms if name in arm.fields}
    return sorted(found.values(), key=_order)


def _order(value: Any) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (math.inf, value_text(value))


def _listed(values: Sequence[Any]) -> str:
    texts = [value_text(value) for value in values]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else "".join(texts)
