"""The results of a study in sentences: outcomes by group, differences from the reference, and conspicuous behavior."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokcore.evaluation.behavior import Behavior, behavior_of, is_unstable, peak_and_dip, unlikely_to_grok
from grokcore.evaluation.remarks import has_changing_rate, rate_left
from grokcore.evaluation.samples import Sample, samples_of
from grokcore.reporting.formatting import NARROW, OUTCOMES, count, duration, listed, percent, threshold
from grokcore.reporting.outcomes import Outcome, Outcomes, are_comparable, delay_text, limits_text, median_text, p_text
from grokcore.reporting.study import POOLED, Axis, Split, Study
from grokcore.runs.evaluation import TRAINING_SET, Verdict
from grokcore.runs.fields import value_text
from grokcore.runs.groups import Group, grouped, seed_text

_MOST_VALUES = 6
_LEVEL = 0.05
"""Of p that are corrected: below it a difference is told."""


@dataclass(frozen=True)
class Statement:
    """A sentence about one split; `badge` is the verdict that all seeds share, or `mixed`."""

    badge: str
    split: str
    sentence: str


def title(study: Study) -> str:
    """The axes and their values; the name of the experiment where there is but one group."""
    if not study.axes:
        return study.groups[0].label
    return "; ".join(f"{axis.name}: {values_text(axis)}" for axis in study.axes)


def values_text(axis: Axis) -> str:
    """The values of an axis, or their number and range where they are many."""
    texts = [value_text(value) for value in axis.values]
    if len(texts) <= _MOST_VALUES:
        return ", ".join(texts)
    return f"{len(texts)} values, {texts[0]} to {texts[-1]}" if axis.is_numeric else f"{len(texts)} kinds"


def facts(study: Study) -> list[tuple[str, str]]:
    """The size of the comparison at a glance."""
    numbers = sorted({len(group.runs) for group in study.groups})
    runs = [run for group in study.groups for run in group.runs]
    steps = sorted({run.evaluation.step for run in runs})
    tasks = sorted({run.spec.task.kind for run in runs})
    draws = sorted({len(group.draws) for group in study.groups})
    repeated = "Runs per group" if draws[-1] > 1 else "Seeds per group"
    return [
        ("Groups", count(len(study.groups))),
        ("Runs", count(study.runs)),
        (repeated, " to ".join(count(number) for number in dict.fromkeys((numbers[0], numbers[-1])))),
        ("Draws of the data", " to ".join(count(number) for number in dict.fromkeys((draws[0], draws[-1])))),
        ("Architecture", _listed_few(architectures_of(study))),
        ("Task", ", ".join(tasks)),
        ("Steps", " to ".join(count(step) for step in dict.fromkeys((steps[0], steps[-1])))),
        ("Training time in all", duration(sum(run.journal[-1]["clock"]["elapsed_seconds"] for run in runs))),
    ]


def overview(study: Study, outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    """Per held-out split: how the runs ended, and which groups were soonest and latest."""
    for split in study.held_out:
        found = {
            number: outcome
            for number in range(len(study.groups))
            if (outcome := outcomes.get(number, split, "sustained")) is not None
        }
        verdicts: Counter[Verdict] = sum((outcome.verdicts for outcome in found.values()), Counter())
        parts = [f"{verdicts[name]} {words}" for name, words in OUTCOMES.items() if verdicts[name]]
        pooled = architectures_of(study)
        names = f" of {_listed_few(pooled)}" if len(pooled) > 1 else ""
        sentence = f"of {_counted(verdicts.total(), 'run')}{names}, {listed(parts)}."
        apart = [number for number in found if not are_comparable(study.groups[0], study.groups[number])]
        ranked = [number for number in found if number not in apart]
        known = [number for number in ranked if not found[number].median.censored]
        if len(study.groups) > 1 and known:
            sentence += _first_and_last(study, found, known)
            if beyond := len(ranked) - len(known):
                sentence += f" In {_counted(beyond, 'group')} fewer than half the seeds got there."
        if apart:
            labels = _listed_few([study.groups[number].label for number in apart])
            sentence += f" Held-out data decided how some were trained, which are not ranked with the others: {labels}."
        yield split.title, sentence + differences(study, outcomes, split)


def architectures_of(study: Study) -> list[str]:
    """Those of all groups, in their order."""
    return list(dict.fromkeys(group.spec.model.architecture for group in study.groups))


def differences(study: Study, outcomes: Outcomes, split: Split) -> str:
    """Which groups differ from the reference in when they sustained a split, by p corrected for all on the page."""
    corrected = {number: p for (number, name), p in outcomes.corrected.items() if name == split.name}
    if not corrected:
        return ""
    number_of, reference = len(outcomes.corrected), study.groups[0].label
    holm = f"p corrected for {_counted(number_of, 'comparison')} (Holm)"
    shown = [f"{study.groups[number].label} (p{NARROW}{p_text(p)})" for number, p in corrected.items() if p <= _LEVEL]
    if shown:
        return f" Times that differ from {reference}'s by more than chance, {holm}: {listed(shown)}."
    least = min(
        against.contrast.effect.least
        for (_, name), against in outcomes.against.items()
        if name == split.name and against.contrast is not None
    )
    few = ", and so few seeds could show none" if least * number_of > _LEVEL else ""
    least_found = f"is at least {p_text(smallest)}" if (smallest := min(corrected.values())) < 1 else "is 1"
    return f" No difference from {reference} is beyond chance: {holm} {least_found}{few}."


def draws_sentence(study: Study) -> str:
    """State whether the seeds repeat the draw of the data, too, or share one draw."""
    draws = sorted({draw for group in study.groups for draw in group.draws})
    if len(draws) == 1:
        return (
            f"All seeds share one draw of the data (task.seed {draws[0]}): limits and p are about this draw, and say "
            "nothing of others. A sweep repeats it over draws by data_seeds."
        )
    if all(len(group.draws) == len(group.runs) for group in study.groups):
        return f"Each run of a group has a draw of the data of its own, of {len(draws)} in all."
    named = _listed_few([str(draw) for draw in draws])
    return (
        f"The runs lie on {len(draws)} draws of the data (task.seed {named}); groups are compared within draws, and "
        "limits and p are about these draws."
    )


def _listed_few(names: list[str]) -> str:
    shown = (
        names if len(names) <= _MOST_VALUES else [*names[: _MOST_VALUES - 1], f"{len(names) - _MOST_VALUES + 1} more"]
    )
    return listed(shown)


def findings(study: Study, outcomes: Outcomes, number: int) -> list[Statement]:
    """State the outcome of a group: the training set first, then each held-out split."""
    group = study.groups[number]
    samples = samples_of([run.evaluation for run in group.runs])
    return [
        _finding(group, split, outcome, samples[TRAINING_SET if split.name == POOLED else split.name])
        for split in study.timed
        if (outcome := outcomes.get(number, split, "sustained")) is not None
    ]


def _finding(group: Group, split: Split, outcome: Outcome, sample: Sample) -> Statement:
    limit = threshold(group.spec.evaluation.threshold)
    runs = len(outcome.times)
    spread = sample.accuracy
    final = f"; median final accuracy {percent(spread.median)}" if spread is not None else ""
    if not outcome.reached:
        last = count(outcome.median.step)
        who = "the only seed did not hold" if runs == 1 else f"none of {runs} seeds held"
        return Statement(_badge(outcome), split.title, f"{who} {limit} within {last} steps{final}.")
    limits = limits_text(outcome.limits)
    around = f" (95{NARROW}%: {limits})" if limits else ""
    median = f"{'median ' if runs > 1 else ''}step {median_text(outcome)}{around}"
    who = f"{outcome.reached} of {runs} held {limit}"
    late = delay_text(outcome)
    delay = f", {late} as late as the training set" if outcome.delay and outcome.delay.median is not None else ""
    return Statement(_badge(outcome), split.title, f"{who}; {median}{delay}{_rate_left(group, split)}{final}.")


def _rate_left(group: Group, split: Split) -> str:
    """State how much of a changing learning rate was left when the seeds sustained a split; the end of a sentence."""
    found = [
        time
        for run in group.runs
        for times in [run.evaluation.memorized if split.name == POOLED else run.evaluation.held_out.get(split.name)]
        if times is not None and (time := times.sustained) is not None and has_changing_rate(run.evaluation, time)
    ]
    return f"; {rate_left(found)} of the peak learning rate left" if found else ""


def _badge(outcome: Outcome) -> str:
    if not outcome.verdicts:
        return "memorized" if outcome.reached == len(outcome.times) else "mixed" if outcome.reached else "not memorized"
    return next(iter(outcome.verdicts)) if len(outcome.verdicts) == 1 else "mixed"


def _first_and_last(study: Study, found: dict[int, Outcome], known: Sequence[int]) -> str:
    """The groups with the lowest and with the highest median; all that share it, since a tie has no winner."""
    by_step = sorted(
        grouped(known, lambda number: found[number].median.step), key=lambda tie: found[tie[0]].median.step
    )
    if len(by_step) == 1 and len(known) > 1:
        return f" At the same time: {_of(study, found, by_step[0])}."
    last = f"; latest known: {_of(study, found, by_step[-1])}" if len(by_step) > 1 else ""
    return f" Soonest: {_of(study, found, by_step[0])}{last}."


def _of(study: Study, found: dict[int, Outcome], numbers: Sequence[int]) -> str:
    labels = listed([study.groups[number].label for number in numbers])
    each = " each" if len(numbers) > 1 else ""
    return f"{labels} (median step {median_text(found[numbers[0]])}{each})"


def _counted(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Flag:
    """Seeds of a group that did the same; `split` is empty for what concerns the whole run."""

    badge: str
    group: str
    split: str
    sentence: str


def rules() -> list[tuple[str, str]]:
    """Return the rule behind each badge, with its thresholds."""
    peak, unstable, unlikely = (_defaults(rule) for rule in (peak_and_dip, is_unstable, unlikely_to_grok))
    early = (
        f"no later than {peak['latest']:g} times the step of memorization accuracy stood {peak['rise']:g} above the "
        f"majority baseline; then {peak['sustain']} evaluations in a row lay {peak['fall']:g} or more below that"
    )
    falls = f"after {unstable['level']:g} it lost {unstable['fall']:g} or more at least {unstable['times']} times"
    stuck = (
        f"trained {unlikely['patience']:g} times as long as memorizing took; over the last doubling of steps accuracy "
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
    """Return conspicuous behavior, by group."""
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
            seed_text(run.spec, len(group.draws)): behavior_of(run, split.name)
            for run in group.runs
            if split.name in run.evaluation.splits
        }
        for badge, (words, tell) in _KINDS.items():
            told = [f"{seed}{detail}" for seed, one in found.items() if (detail := tell(one)) is not None]
            if told:
                yield Flag(badge, group.label, split.title, _sentence(group, told, words))


def _peak(one: Behavior) -> str | None:
    if one.peak is None:
        return None
    back = f", back at {count(one.back_step)}" if one.back_step is not None else ", not back since"
    height, dip = percent(one.peak.height), percent(one.peak.height - one.peak.depth)
    return f" ({height} at step {count(one.peak_step)}, {dip} at {count(one.dip_step)}{back})"


_KINDS: Mapping[str, tuple[str, Callable[[Behavior], str | None]]] = {
    "early peak": ("rose with the training set, then dipped", _peak),
    "collapsed": ("lost it after it had been held",
                  lambda one: None if one.collapsed is None else f" at step {count(one.collapsed)}"),
    "unstable": ("kept falling after it had been learned", lambda one: "" if one.unstable else None),
    "unlikely": ("gives no sign that it will get there", lambda one: "" if one.unlikely else None),
}  # fmt: skip


def _sentence(group: Group, told: list[str], words: str) -> str:
    return f"{len(told)} of {len(group.runs)} {words}: {'; '.join(told)}."
