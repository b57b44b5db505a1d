"""What runs did on their way that a time to grok does not tell: early peaks, collapses, divergence, little hope."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grokcore.evaluation.behaviour import is_unstable, peak_and_dip, unlikely_to_grok
from grokcore.evaluation.watch import Behaviour, behaviour_of
from grokcore.reporting.comparison.study import Study
from grokcore.reporting.formatting import count, percent
from grokcore.runs.groups import Group, seed_text


@dataclass(frozen=True)
class Flag:
    """Seeds of a group that did the same; `split` is empty for what concerns the whole run."""

    badge: str
    group: str
    split: str
    sentence: str


def rules() -> list[tuple[str, str]]:
    """What each badge stands for, with the numbers of the rules themselves."""
    peak, unstable, unlikely = (_defaults(rule) for rule in (peak_and_dip, is_unstable, unlikely_to_grok))
    early = (
        f"no later than {peak['latest']:g} times the step of memorisation accuracy stood {peak['rise']:g} above the "
        f"majority baseline; then {peak['sustain']} evaluations in a row lay {peak['fall']:g} or more below that"
    )
    falls = f"after {unstable['level']:g} it lost {unstable['fall']:g} or more at least {unstable['times']} times"
    stuck = (
        f"trained {unlikely['patience']:g} times as long as memorising took; over the last doubling of steps accuracy "
        f"rose by less than {unlikely['rise']:g}, and at that rate {unlikely['reach']:g} times as many steps would not "
        "do; a warning, not a verdict"
    )
    return [
        ("early peak", early),
        ("collapsed", "a split that had been held fell below the threshold of stability for several evaluations"),
        ("unstable", falls),
        ("unlikely", stuck),
        ("diverged", "the loss was no finite number"),
    ]


def _defaults(rule: Callable[..., Any]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(rule).parameters.items()}


def flags(study: Study) -> list[Flag]:
    """All that was noticed, by group."""
    return [flag for group in study.groups for flag in _of_group(study, group)]


def _of_group(study: Study, group: Group) -> Iterator[Flag]:
    lost = [
        f"{seed_text(run.spec, len(group.draws))} at step {count(run.evaluation.step)}"
        for run in group.runs
        if run.evaluation.diverged
    ]
    if lost:
        yield Flag("diverged", group.label, "", _sentence(group, lost, "ended on a loss that was no finite number"))
    for split in study.splits[1:]:
        found = {
            seed_text(run.spec, len(group.draws)): behaviour_of(run, split.name)
            for run in group.runs
            if split.name in run.evaluation.splits
        }
        for badge, (words, tell) in _KINDS.items():
            told = [f"{seed}{detail}" for seed, one in found.items() if (detail := tell(one)) is not None]
            if told:
                yield Flag(badge, group.label, split.title, _sentence(group, told, words))


def _peak(one: Behaviour) -> str | None:
    if one.peak is None:
        return None
    back = f", back at {count(one.back_step)}" if one.back_step is not None else ", not back since"
    height, dip = percent(one.peak.height), percent(one.peak.height - one.peak.depth)
    return f" ({height} at step {count(one.peak_step)}, {dip} at {count(one.dip_step)}{back})"


_KINDS: Mapping[str, tuple[str, Callable[[Behaviour], str | None]]] = {
    "early peak": ("rose with the training set, then dipped", _peak),
    "collapsed": ("lost it after it had been held",
                  lambda one: None if one.collapsed is None else f" at step {count(one.collapsed)}"),
    "unstable": ("kept falling after it had been learnt", lambda one: "" if one.unstable else None),
    "unlikely": ("gives no sign that it will get there", lambda one: "" if one.unlikely else None),
}  # fmt: skip


def _sentence(group: Group, told: list[str], words: str) -> str:
    return f"{len(told)} of {len(group.runs)} {words}: {'; '.join(told)}."
