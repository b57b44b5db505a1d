"""Comparable groups: equal in everything that a claim does not vary.

The arms of a *stratum* have the same task, model, training and rules of evaluation, except for the claim's factor, the
fields that change with it (the heads of another architecture), and its open confounds. Where some of the compared
groups agree in a confound and others do not, the verdict rests on those that agree. A stratum of a two-level factor is
divided into *comparisons*, one of each variant of the second level with each of the first, since their runs share
seeds. Each is decided alone (`combining`), and so are the parts into which a confound divides strata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from grokcore.claims.base import Arm, Stratum
from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import all_hold
from grokcore.runs.fields import distinguishing_fields, fields_of, text_of, value_text
from grokcore.runs.groups import Group, grouped, labels_of

FREE = frozenset(
    {
        "model.implementation",
        "training.engine",
        "task.probe_size",
        "evaluation.interval",
        "evaluation.growth",
        "evaluation.batch_size",
    }
)
"""Fields that change a curve by rounding at most, or only the steps at which it is sampled. Of groups that differ in
these alone one is used, since every seed would count twice."""

PARTS = ("model.sharing.kind", "model.recurrence.kind", "model.memory.kind")
"""Fields that compose another model of an architecture: a group that sets one is used only by claims that name it."""

DROPOUT_PLACES: Mapping[str, str] = {"gpt2": "embeddings, attention, residual branches", "llama": "attention"}
"""Where `model.dropout` acts, by architecture: the same rate is not the same treatment of another one."""

NEUTRAL: Mapping[str, Any] = {"model.dropout": 0.0, **dict.fromkeys(PARTS, "none")}
"""Values assumed for fields that an architecture does not have."""


def arms_of(claim: Claim, groups: Sequence[Group]) -> list[Arm]:
    """Select the groups that a claim is about."""
    found = []
    named = claim.factor.fields | {condition.field for condition in claim.about}
    for group in groups:
        fields = {**NEUTRAL, **fields_of(group.spec)}
        if fields["model.dropout"]:
            fields["model.dropout of"] = DROPOUT_PLACES[fields["model.architecture"]]
        level = claim.factor.level(fields)
        plain = all(fields[part] == "none" for part in PARTS if part not in named)
        if level is not None and plain and all_hold(claim.about, fields):
            found.append(Arm(group, fields, level))
    return [max(same, key=lambda arm: len(arm.group.runs)) for same in grouped(found, lambda one: _key(one, FREE))]


def strata_of(claim: Claim, arms: Sequence[Arm], *, apart: Confound | None = None) -> list[Stratum]:
    """Group arms into strata; strata in which the factor does not vary are left out.

    Args:
        apart: a confound by whose equality arms are not selected here, because `parts_by` divides them by it.
    """
    open_fields = {confound.field for confound in claim.confounds if confound.by != "stratum"}
    left_out = FREE
    if claim.factor.kind != "none":
        left_out |= claim.factor.fields | {*claim.carries} | open_fields
    families = grouped(arms, lambda arm: (_key(arm, left_out), constant_of(claim, arm)))
    if claim.factor.kind != "none":
        families = [family for family in families if _varies(family)]
    strata = _labelled(families, left_out)
    for confound in claim.confounds:
        if confound.by == "equality" and confound != apart:
            strata = [chosen for stratum in strata for chosen in _agreeing(confound.field, stratum)]
    return strata


def constant_of(claim: Claim, arm: Arm) -> float:
    """Multiply the fields whose product the claim holds constant."""
    return math.prod(float(arm.fields[name]) for name in claim.constant if name in arm.fields)


def comparisons_of(claim: Claim, strata: Sequence[Stratum]) -> list[Stratum]:
    """Pair each variant of the second level with each of the first; strata of other factors stay as they are."""
    if claim.factor.kind != "two_levels":
        return list(strata)
    return [pair for stratum in strata for pair in _pairs(stratum)]


def _pairs(stratum: Stratum) -> list[Stratum]:
    sides = [
        grouped([arm for arm in stratum.arms if arm.level == level], lambda one: _key(one, FREE))
        for level in (stratum.levels[0], stratum.levels[-1])
    ]
    first, second = ([side[0].fields for side in variants] for variants in sides)
    names = [_variant_labels(fields) for fields in (first, second)]
    return [
        Stratum(
            ", ".join(filter(None, [stratum.label, names[1][j], f"against {names[0][i]}" if names[0][i] else ""])),
            (*one, *other),
        )
        for j, other in enumerate(sides[1])
        for i, one in enumerate(sides[0])
    ]


def _variant_labels(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Label variants by the fields in which they differ; a single one has an empty label."""
    if len(variants) == 1:
        return [""]
    names = distinguishing_fields(variants)
    return labels_of([{name: found[name] for name in names if name in found} for found in variants])


def _agreeing(field: str, stratum: Stratum) -> list[Stratum]:
    """Select the parts of a stratum whose arms agree in a field; the whole stratum if there are none."""
    return [part for value, part in _by_equality(field, stratum) if value == "equal"] or [stratum]


def _key(arm: Arm, left_out: Set[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text_of(arm.fields, name)) for name in sorted(arm.fields.keys() - left_out))


def _labelled(families: Sequence[Sequence[Arm]], left_out: Set[str]) -> list[Stratum]:
    shared = [{name: value for name, value in one[0].fields.items() if name not in left_out} for one in families]
    names = distinguishing_fields(shared) if len(shared) > 1 else []
    labels = labels_of([{name: found[name] for name in names if name in found} for found in shared])
    return [
        Stratum(label, tuple(sorted(family, key=lambda arm: arm.level)))
        for label, family in zip(labels, families, strict=True)
    ]


def parts_by(confound: Confound, claim: Claim, arms: Sequence[Arm]) -> dict[str, list[Stratum]]:
    """Divide strata by a confound: by its value, or by whether the compared arms have the same one."""
    parts: dict[str, list[Stratum]] = {}
    for stratum in strata_of(claim, arms, apart=confound):
        for value, part in _PARTITIONS[confound.by](confound.field, stratum):
            parts.setdefault(value, []).append(part)
    return parts


def _by_value(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    return [(_shown(stratum.arms[0], field), stratum)]


def _by_second(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    """Divide by the value that the field has at the highest level of the factor."""
    top = stratum.levels[-1]
    values = dict.fromkeys(_shown(arm, field) for arm in stratum.arms if arm.level == top)
    return [
        (
            value,
            Stratum(stratum.label, tuple(m for m in stratum.arms if m.level != top or _shown(m, field) == value)),
        )
        for value in values
    ]


def _by_equality(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    """Divide into arms of the same value, a stratum each, and arms of the highest level without an equal."""
    families = grouped(stratum.arms, lambda one: text_of(one.fields, field))
    same = [Stratum(stratum.label, tuple(family)) for family in families if _varies(family)]
    if not same:
        return [("different", stratum)]
    top = stratum.levels[-1]
    alone = tuple(arm for family in families if not _varies(family) for arm in family if arm.level == top)
    others = tuple(arm for arm in stratum.arms if arm.level != top)
    different = [("different", Stratum(stratum.label, (*others, *alone)))] if alone else []
    return [*(("equal", part) for part in same), *different]


_PARTITIONS: Mapping[str, Callable[[str, Stratum], list[tuple[str, Stratum]]]] = {
    "stratum": _by_value,
    "second": _by_second,
    "equality": _by_equality,
}


def _varies(arms: Sequence[Arm]) -> bool:
    return len({arm.level for arm in arms}) > 1


def _shown(arm: Arm, field: str) -> str:
    return value_text(arm.fields[field]) if field in arm.fields else "none"
