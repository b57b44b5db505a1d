"""Comparable groups: equal in everything that a claim does not speak of.

Groups of a *stratum* have the same task, model, training and rules of judging but for the claim's factor, what goes
with it (the heads of another architecture), and its open confounds. Where some of the compared groups agree in a
confound and others do not, the verdict rests on those that agree. A stratum of a factor with two sides falls into
*comparisons*, one of each variant of the second side with each of the first, since their runs share seeds. Each is
decided alone (`combining`); and so are the parts that a confound cuts strata into.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.conditions import all_hold
from grokcore.runs.groups import Group, distinguishing_fields, fields_of, grouped, labels_of, text_of, value_text

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
"""Fields that change no curve beyond rounding, or only where it is looked at: of groups that differ in nothing else,
which would count every seed twice, one is taken."""

PARTS = ("model.sharing.kind", "model.recurrence.kind", "model.memory.kind")
"""What makes another model of an architecture: a group that has one counts for the claims that name it alone."""

DROPOUT_PLACES: Mapping[str, str] = {"gpt2": "embeddings, attention, residual branches", "llama": "attention"}
"""Where `model.dropout` acts, by architecture: the same rate is not the same treatment of another one."""

NEUTRAL: Mapping[str, Any] = {"model.dropout": 0.0, **dict.fromkeys(PARTS, "none")}
"""What an architecture that lacks a field has in its stead."""


@dataclass(frozen=True)
class Member:
    """A group in a stratum; `level` is its setting of the claim's factor."""

    group: Group
    fields: Mapping[str, Any]
    level: float


@dataclass(frozen=True)
class Stratum:
    """Groups that differ in a claim's factor; of a claim without one, of a single setting.

    Attributes:
        label: what tells this stratum from the claim's others; empty where there is but one.
    """

    label: str
    members: tuple[Member, ...]

    @property
    def levels(self) -> list[float]:
        return sorted({member.level for member in self.members})


def members_of(claim: Claim, groups: Sequence[Group]) -> list[Member]:
    """The groups that a claim is about."""
    found = []
    named = claim.factor.fields | {condition.field for condition in claim.about}
    for group in groups:
        fields = {**NEUTRAL, **fields_of(group.spec)}
        if fields["model.dropout"]:
            fields["model.dropout of"] = DROPOUT_PLACES[fields["model.architecture"]]
        level = claim.factor.level(fields)
        plain = all(fields[part] == "none" for part in PARTS if part not in named)
        if level is not None and plain and all_hold(claim.about, fields):
            found.append(Member(group, fields, level))
    return [
        max(same, key=lambda member: len(member.group.runs)) for same in grouped(found, lambda one: _key(one, FREE))
    ]


def strata_of(claim: Claim, members: Sequence[Member], *, apart: Confound | None = None) -> list[Stratum]:
    """The strata that these groups make; those in which the factor does not vary are left out.

    Args:
        apart: a confound by whose equality groups are not yet to be chosen, since parts are to be made by it.
    """
    open_fields = {confound.field for confound in claim.confounds if confound.by != "stratum"}
    left_out = FREE
    if claim.factor.kind != "alone":
        left_out |= claim.factor.fields | {*claim.carries} | open_fields
    families = grouped(members, lambda member: (_key(member, left_out), constant_of(claim, member)))
    if claim.factor.kind != "alone":
        families = [family for family in families if _varies(family)]
    strata = _labelled(families, left_out)
    for confound in claim.confounds:
        if confound.by == "equality" and confound != apart:
            strata = [chosen for stratum in strata for chosen in _agreeing(confound.field, stratum)]
    return strata


def constant_of(claim: Claim, member: Member) -> float:
    """The product of the fields that a claim holds constant while it varies them."""
    return math.prod(float(member.fields[name]) for name in claim.constant if name in member.fields)


def comparisons_of(claim: Claim, strata: Sequence[Stratum]) -> list[Stratum]:
    """Each variant of the second side with each of the first; strata of other factors as they are."""
    if claim.factor.kind != "sides":
        return list(strata)
    return [pair for stratum in strata for pair in _pairs(stratum)]


def _pairs(stratum: Stratum) -> list[Stratum]:
    sides = [
        grouped([member for member in stratum.members if member.level == level], lambda one: _key(one, FREE))
        for level in (stratum.levels[0], stratum.levels[-1])
    ]
    first, second = ([side[0].fields for side in variants] for variants in sides)
    names = [_tell(fields) for fields in (first, second)]
    return [
        Stratum(
            ", ".join(filter(None, [stratum.label, names[1][j], f"against {names[0][i]}" if names[0][i] else ""])),
            (*one, *other),
        )
        for j, other in enumerate(sides[1])
        for i, one in enumerate(sides[0])
    ]


def _tell(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells variants apart, in words; nothing of a single one."""
    if len(variants) == 1:
        return [""]
    names = distinguishing_fields(variants)
    return labels_of([{name: found[name] for name in names if name in found} for found in variants])


def _agreeing(field: str, stratum: Stratum) -> list[Stratum]:
    """The parts of a stratum in which groups agree; all of it where there are none."""
    return [part for value, part in _by_equality(field, stratum) if value == "equal"] or [stratum]


def _key(member: Member, left_out: Set[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text_of(member.fields, name)) for name in sorted(member.fields.keys() - left_out))


def _labelled(families: Sequence[Sequence[Member]], left_out: Set[str]) -> list[Stratum]:
    shared = [{name: value for name, value in one[0].fields.items() if name not in left_out} for one in families]
    names = distinguishing_fields(shared) if len(shared) > 1 else []
    labels = labels_of([{name: found[name] for name in names if name in found} for found in shared])
    return [
        Stratum(label, tuple(sorted(family, key=lambda member: member.level)))
        for label, family in zip(labels, families, strict=True)
    ]


def parts_by(confound: Confound, claim: Claim, members: Sequence[Member]) -> dict[str, list[Stratum]]:
    """The strata cut by a confound: by its value, or by whether the compared groups have the same."""
    parts: dict[str, list[Stratum]] = {}
    for stratum in strata_of(claim, members, apart=confound):
        for value, part in _CUTS[confound.by](confound.field, stratum):
            parts.setdefault(value, []).append(part)
    return parts


def _by_value(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    return [(_shown(stratum.members[0], field), stratum)]


def _by_second(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    """By the value that the field has where the factor is highest."""
    top = stratum.levels[-1]
    values = dict.fromkeys(_shown(member, field) for member in stratum.members if member.level == top)
    return [
        (
            value,
            Stratum(stratum.label, tuple(m for m in stratum.members if m.level != top or _shown(m, field) == value)),
        )
        for value in values
    ]


def _by_equality(field: str, stratum: Stratum) -> list[tuple[str, Stratum]]:
    """Groups with the same value, as strata of their own; and those at the highest setting that have no equal."""
    families = grouped(stratum.members, lambda one: text_of(one.fields, field))
    same = [Stratum(stratum.label, tuple(family)) for family in families if _varies(family)]
    if not same:
        return [("different", stratum)]
    top = stratum.levels[-1]
    alone = tuple(member for family in families if not _varies(family) for member in family if member.level == top)
    others = tuple(member for member in stratum.members if member.level != top)
    different = [("different", Stratum(stratum.label, (*others, *alone)))] if alone else []
    return [*(("equal", part) for part in same), *different]


_CUTS: Mapping[str, Callable[[str, Stratum], list[tuple[str, Stratum]]]] = {
    "stratum": _by_value,
    "second": _by_second,
    "equality": _by_equality,
}


def _varies(members: Sequence[Member]) -> bool:
    return len({member.level for member in members}) > 1


def _shown(member: Member, field: str) -> str:
    return value_text(member.fields[field]) if field in member.fields else "none"
