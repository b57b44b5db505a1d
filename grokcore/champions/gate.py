"""The gate decides whether a candidate replaces the champion: a pure function of two challengers and the rules.

A gain is judged by its whole interval. It is *shown* where the interval lies at or above the minimum, *ruled out* where
it lies below, and open otherwise. Likewise a loss is *excluded* where the interval lies above minus the margin; and an
excess of failing seeds is excluded where the candidate's share of them is not larger than the champion's and cannot be
larger by more than a margin.

A candidate is promoted if it shows one gain and the other losses are excluded: faster at no cost in accuracy, or more
accurate at little cost in time. The champion is kept where both are ruled out; otherwise the result is inconclusive.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.champions.challenger import Challenger
from grokcore.champions.gains import Excess, Interval, excess_of, gains_of
from grokcore.documents import PlainText, parse_plain_yaml
from grokcore.errors import InputError
from grokcore.evaluation.survival import clopper_pearson
from grokcore.spec import ExperimentSpec, split_overrides, validate
from grokcore.spec.base import Spec


class GateRules(Spec):
    """Bounds that a candidate has to meet: times as shares of the champion's, accuracies as differences."""

    split: str = Field("", description="held-out split that is judged; empty is the task's last, the one it is about")
    minimum_time_gain: float = Field(
        0.1, ge=0, lt=1, description="share of the champion's steps that a faster candidate saves at least"
    )
    minimum_accuracy_gain: float = Field(
        0.02, ge=0, lt=1, description="final accuracy that a more accurate candidate has above the champion's at least"
    )
    time_margin: float = Field(
        0.1, ge=0, description="share of the champion's steps that a more accurate candidate may take longer"
    )
    accuracy_margin: float = Field(0.01, ge=0, lt=1, description="final accuracy that a faster candidate may lose")
    confidence: float = Field(0.95, ge=0.5, lt=1, description="of the intervals that have to lie beyond these bounds")
    minimum_seeds: int = Field(
        5,
        ge=5,
        description="seeds of each side, below which nothing is decided: 5 or more",
    )
    failing_margin: float = Field(
        0.6,
        gt=0,
        le=1,
        description="share by which more of the candidate's seeds may fail than of the champion's; 5 seeds exclude .53 "
        "at best, 10 seeds .31, 36 seeds .1",
    )
    minimum_reached: float = Field(
        0.8, gt=0, le=1, description="share of its seeds that have to grok for a candidate to be the first champion"
    )


def parse_rules(text: str) -> GateRules:
    """Parse rules from `confidence=0.99 minimum_seeds=8`, or from JSON; others keep their defaults.

    Raises:
        InputError: in one line, what is wrong and what is allowed.
    """
    if text.lstrip().startswith("{"):
        found: Any = parse_plain_yaml(text, "the gate")
    else:
        found = {}
        for part in split_overrides(text):
            name, _, value = part.partition("=")
            if name in found:
                raise InputError(f"the gate's {name} is given twice: keep one of them")
            found[name] = PlainText(value)
    rules: GateRules = validate(GateRules, found)
    return rules


def judged_split(rules: GateRules, spec: ExperimentSpec) -> str:
    """The split on which runs of a spec are compared.

    Raises:
        InputError: the task has no such held-out split.
    """
    splits = spec.task.held_out_splits
    if rules.split and rules.split not in splits:
        raise InputError(
            f"split={rules.split} is not a held-out split of {spec.task.kind}; allowed are {', '.join(splits)}"
        )
    return rules.split or splits[-1]


def rules_text(rules: GateRules) -> str:
    """Format the rules as JSON for `parse_rules`."""
    return json.dumps(rules.model_dump(mode="json"))


Verdict = Literal["promote", "keep", "inconclusive"]


class Gain(BaseModel):
    """The candidate's gain over the champion in one respect, better above 0, with the bounds of the rules."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    candidate: float = Field(description="median over the seeds")
    champion: float
    gain: float
    lower: float = Field(description="limit of the interval, by Wilcoxon's tests")
    upper: float
    minimum: float = Field(description="gain that counts")
    margin: float = Field(description="loss tolerated for the other gain")

    @classmethod
    def of(cls, interval: Interval, minimum: float, margin: float) -> Gain:
        return cls(minimum=minimum, margin=margin, **vars(interval))

    @property
    def shown(self) -> bool:
        return self.lower >= self.minimum and self.lower > 0

    @property
    def ruled_out(self) -> bool:
        return self.upper < self.minimum or self.upper <= 0

    @property
    def loss_excluded(self) -> bool:
        return self.lower >= -self.margin

    @property
    def loss_shown(self) -> bool:
        return self.upper < -self.margin


class Failures(BaseModel):
    """Seeds that never held the threshold, or ended below it by more than the margin of accuracy."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    candidate: int = Field(description="failing seeds")
    champion: int
    share: float = Field(description="of the candidate's seeds less that of the champion's, as seen")
    lower: float = Field(description="limit of the candidate's share above the champion's, by binomial limits of both")
    upper: float
    margin: float = Field(description="tolerated excess")

    @classmethod
    def of(cls, excess: Excess, margin: float) -> Failures:
        return cls(margin=margin, **vars(excess))

    @property
    def excluded(self) -> bool:
        return self.share <= 0 and self.upper <= self.margin

    @property
    def shown(self) -> bool:
        return self.lower > self.margin


class Judgment(BaseModel):
    """A verdict, its numbers, and a sentence with both."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    verdict: Verdict
    sentence: str
    time: Gain | None = Field(None, description="share of the champion's steps that is saved")
    accuracy: Gain | None = Field(None, description="difference of the final accuracies")
    failing: Failures | None = Field(None, description="how many more seeds of the candidate may fail")
    horizon: int | None = Field(None, description="steps up to which times are compared: none counts as longer")
    paired: bool | None = Field(None, description="whether the same seeds on the same data were compared in pairs")


def judge(candidate: Challenger, champion: Challenger | None, rules: GateRules) -> Judgment:
    """Judge a candidate; equal arguments give equal judgments.

    Candidates that are not finite, not ended, too few, or not comparable are never promoted.
    """
    unfit = _unfit("the candidate", candidate, rules)
    if unfit is None and champion is None:
        return _as_first(candidate, rules)
    if unfit is None and champion is not None:
        hindrance = _unfit("the champion", champion, rules) or _incomparable(candidate, champion)
        unfit = None if hindrance is None else ("inconclusive", hindrance[1])
    if unfit is not None or champion is None:
        verdict, why = unfit or ("inconclusive", "")
        return Judgment(verdict=verdict, sentence=f"{_VERBS[verdict]}: {why}.")
    gains = gains_of(candidate, champion, rules.confidence)
    time = Gain.of(gains.time, rules.minimum_time_gain, rules.time_margin)
    accuracy = Gain.of(gains.accuracy, rules.minimum_accuracy_gain, rules.accuracy_margin)
    failing = Failures.of(excess_of(candidate, champion, rules.accuracy_margin, rules.confidence), rules.failing_margin)
    verdict, why = _weigh(time, accuracy, failing)
    if candidate.experiment_id == champion.experiment_id:
        verdict, why = "keep", _as_repetition(candidate, champion, time, accuracy, failing)
    numbers = f"{_numbers(candidate, time, accuracy, rules)} {_failures(candidate, champion, failing)}"
    sentence = f"{_VERBS[verdict]}: {why}. {numbers}"
    return Judgment(
        verdict=verdict,
        sentence=sentence,
        time=time,
        accuracy=accuracy,
        failing=failing,
        horizon=gains.horizon,
        paired=gains.paired,
    )


def _as_repetition(candidate: Challenger, champion: Challenger, time: Gain, accuracy: Gain, failing: Failures) -> str:
    """Say what the champion's own experiment tells when it is trained again."""
    own = "it is the champion's own experiment"
    if set(candidate.run_ids) == set(champion.run_ids):
        return f"{own}, run again, so nothing is new"
    if time.loss_shown or accuracy.loss_shown or failing.shown:
        return f"{own}, and other seeds do worse: something besides the spec has changed, such as code or hardware"
    return f"{own}, with other seeds, which do not do worse"


_VERBS: dict[Verdict, str] = {"promote": "Promote", "keep": "Keep the champion", "inconclusive": "Inconclusive"}


def _unfit(who: str, challenger: Challenger, rules: GateRules) -> tuple[Verdict, str] | None:
    """Say why this challenger cannot be judged; None if it can."""
    lost = [seed.seed for seed in challenger.seeds if not seed.ended]
    broken = [seed.seed for seed in challenger.seeds if not seed.finite or seed.accuracy is None]
    number = len(challenger.seeds)
    if broken:
        return (
            "keep",
            f"{len(broken)} of {number} seeds of {who} ({_listed(broken)}) diverged or ended not finite",
        )
    if lost:
        return "inconclusive", f"{len(lost)} of {number} seeds of {who} ({_listed(lost)}) did not train to their end"
    if number < rules.minimum_seeds:
        return "inconclusive", f"{who} has {number} seeds, and the gate asks for {rules.minimum_seeds}"
    return None


def _as_first(candidate: Challenger, rules: GateRules) -> Judgment:
    """Judge a candidate where there is no champion yet, by the rules alone."""
    number = len(candidate.seeds)
    share = clopper_pearson(candidate.reached, number, rules.confidence)[0]
    held = (
        f"{candidate.reached} of its {number} seeds hold {candidate.threshold:g} on {candidate.split} "
        f"(of all such seeds at least {share:.0%}, as far as so few tell)"
    )
    asked = f"the gate asks for {rules.minimum_reached:.0%}"
    if candidate.reached >= rules.minimum_reached * number - 1e-9:
        return Judgment(verdict="promote", sentence=f"Promote: there is no champion yet, and {held}; {asked}.")
    return Judgment(verdict="keep", sentence=f"Keep no champion: there is none yet, and only {held}; {asked}.")


def _incomparable(candidate: Challenger, champion: Challenger) -> tuple[Verdict, str] | None:
    asked = {
        "another task": (candidate.task_id, champion.task_id),
        "another split": (candidate.split, champion.split),
        "other rules of evaluation, such as another threshold": (
            (candidate.evaluation_id, candidate.threshold),
            (champion.evaluation_id, champion.threshold),
        ),
    }
    other = next((what for what, (ours, theirs) in asked.items() if ours != theirs), None)
    if other is None:
        return None
    return "inconclusive", f"the champion was judged by {other}, so the two cannot be compared: {ELSEWHERE}"


ELSEWHERE = "name another champion for this candidate"


def _weigh(time: Gain, accuracy: Gain, failing: Failures) -> tuple[Verdict, str]:
    faster, better = time.shown and accuracy.loss_excluded, accuracy.shown and time.loss_excluded
    if (faster or better) and not failing.excluded:
        gained = "faster" if faster else "more accurate"
        if failing.shown:
            return "keep", f"the candidate is {gained}, but more of its seeds fail"
        return "inconclusive", f"the candidate is {gained}, but more of its seeds may fail"
    if faster and better:
        return "promote", "the candidate is faster and more accurate"
    if faster:
        return "promote", "the candidate is faster, and no less accurate"
    if better:
        return "promote", "the candidate is more accurate, and not much slower"
    if time.shown and accuracy.loss_shown:
        return "keep", "the candidate is faster, but less accurate"
    if accuracy.shown and time.loss_shown:
        return "keep", "the candidate is more accurate, but slower"
    if (time.ruled_out or accuracy.loss_shown) and (accuracy.ruled_out or time.loss_shown):
        return "keep", "the candidate gains too little on the champion"
    if time.shown:
        return "inconclusive", "the candidate is faster, but may be less accurate"
    if accuracy.shown:
        return "inconclusive", "the candidate is more accurate, but may be slower"
    return "inconclusive", "the candidate may gain on the champion or not; more seeds would decide"


def _numbers(candidate: Challenger, time: Gain, accuracy: Gain, rules: GateRules) -> str:
    confidence = f"{rules.confidence:.0%} interval"
    return (
        f"It saves {time.gain:.1%} of the champion's steps to hold {candidate.threshold:g} on {candidate.split} "
        f"({confidence} {time.lower:.1%} to {time.upper:.1%}, at least {time.minimum:.0%} asked) and changes the final "
        f"accuracy by {accuracy.gain:+.4f} ({accuracy.lower:+.4f} to {accuracy.upper:+.4f}, at least "
        f"{accuracy.minimum:+g} asked)."
    )


def _failures(candidate: Challenger, champion: Challenger, failing: Failures) -> str:
    return (
        f"{failing.candidate} of its {len(candidate.seeds)} seeds fail, and {failing.champion} of the champion's "
        f"{len(champion.seeds)}: of so few, a share larger by up to {max(failing.upper, 0):.0%} is not excluded "
        f"({failing.margin:.0%} allowed)."
    )


def _listed(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:5]))
    return f"{shown}, ..." if len(seeds) > 5 else shown
