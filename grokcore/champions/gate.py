"""The gate: whether a candidate takes the champion's place. A pure function of two contenders and the rules.

A gain is judged by its whole interval. It is *shown* where the interval lies at or above the minimum, *ruled out* where
it lies below, and open where it holds the minimum. Likewise a loss is *excluded* where the interval lies above minus
the margin, and so are failing seeds where no larger share of the candidate's fails than of the champion's, and none
larger by more than a margin may. A
candidate is promoted if it shows one gain and the other losses are excluded: faster at no cost in accuracy, or more
accurate at little cost in time. It is not (keep) where both of these are ruled out; else the seeds at hand do not say
(inconclusive).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.champions.contender import Contender
from grokcore.champions.gains import Excess, Interval, excess_of, gains_of
from grokcore.champions.rules import GateRules
from grokcore.evaluation.survival import clopper_pearson

Verdict = Literal["promote", "keep", "inconclusive"]


class Gain(BaseModel):
    """What the candidate gains over the champion in one respect, better above 0, and what the rules ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    candidate: float = Field(description="median over the seeds")
    champion: float
    gain: float
    lower: float = Field(description="limit of the interval, by Wilcoxon's tests")
    upper: float
    minimum: float = Field(description="gain that counts")
    margin: float = Field(description="loss that is put up with for the other gain")

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
    margin: float = Field(description="excess that is put up with")

    @classmethod
    def of(cls, excess: Excess, margin: float) -> Failures:
        return cls(margin=margin, **vars(excess))

    @property
    def excluded(self) -> bool:
        return self.share <= 0 and self.upper <= self.margin

    @property
    def shown(self) -> bool:
        return self.lower > self.margin


class Judgement(BaseModel):
    """A verdict, the numbers that it rests on, and one sentence that says both."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    verdict: Verdict
    sentence: str
    time: Gain | None = Field(None, description="share of the champion's steps that is saved")
    accuracy: Gain | None = Field(None, description="difference of the final accuracies")
    failing: Failures | None = Field(None, description="how many more seeds of the candidate may fail")
    horizon: int | None = Field(None, description="steps up to which times are compared: none counts as longer")
    paired: bool | None = Field(None, description="whether the same seeds on the same data were compared in pairs")


def judge(candidate: Contender, champion: Contender | None, rules: GateRules) -> Judgement:
    """Judge a candidate; equal arguments give equal judgements.

    What is not finite, has not ended, is too little, or cannot be compared is never promoted.
    """
    unfit = _unfit("the candidate", candidate, rules)
    if unfit is None and champion is None:
        return _as_first(candidate, rules)
    if unfit is None and champion is not None:
        hindrance = _unfit("the champion", champion, rules) or _incomparable(candidate, champion)
        unfit = None if hindrance is None else ("inconclusive", hindrance[1])
    if unfit is not None or champion is None:
        verdict, why = unfit or ("inconclusive", "")
        return Judgement(verdict=verdict, sentence=f"{_VERBS[verdict]}: {why}.")
    gains = gains_of(candidate, champion, rules.confidence)
    time = Gain.of(gains.time, rules.minimum_time_gain, rules.time_margin)
    accuracy = Gain.of(gains.accuracy, rules.minimum_accuracy_gain, rules.accuracy_margin)
    failing = Failures.of(excess_of(candidate, champion, rules.accuracy_margin, rules.confidence), rules.failing_margin)
    verdict, why = _weigh(time, accuracy, failing)
    if candidate.experiment_id == champion.experiment_id:
        verdict = "keep"
        same = set(candidate.run_ids) == set(champion.run_ids)
        why = f"it is the champion's own experiment, {'run again' if same else 'with other seeds'}, so nothing is new"
    numbers = f"{_numbers(candidate, time, accuracy, rules)} {_failures(candidate, champion, failing)}"
    sentence = f"{_VERBS[verdict]}: {why}. {numbers}"
    return Judgement(
        verdict=verdict,
        sentence=sentence,
        time=time,
        accuracy=accuracy,
        failing=failing,
        horizon=gains.horizon,
        paired=gains.paired,
    )


_VERBS: dict[Verdict, str] = {"promote": "Promote", "keep": "Keep the champion", "inconclusive": "Inconclusive"}


def _unfit(who: str, contender: Contender, rules: GateRules) -> tuple[Verdict, str] | None:
    """Why nothing can be said of this contender, if so."""
    lost = [seed.seed for seed in contender.seeds if not seed.ended]
    broken = [seed.seed for seed in contender.seeds if not seed.finite or seed.accuracy is None]
    number = len(contender.seeds)
    if broken:
        return "keep", f"{len(broken)} of {number} seeds of {who} ({_listed(broken)}) diverged or ended with no number"
    if lost:
        return "inconclusive", f"{len(lost)} of {number} seeds of {who} ({_listed(lost)}) did not train to their end"
    if number < rules.minimum_seeds:
        return "inconclusive", f"{who} has {number} seeds, and the gate asks for {rules.minimum_seeds}"
    return None


def _as_first(candidate: Contender, rules: GateRules) -> Judgement:
    """Of a candidate that has nobody to beat but the rules."""
    number = len(candidate.seeds)
    share = clopper_pearson(candidate.reached, number, rules.confidence)[0]
    held = (
        f"{candidate.reached} of its {number} seeds hold {candidate.threshold:g} on {candidate.split} "
        f"(of all such seeds at least {share:.0%}, as far as so few tell)"
    )
    asked = f"the gate asks for {rules.minimum_reached:.0%}"
    if candidate.reached >= rules.minimum_reached * number - 1e-9:
        return Judgement(verdict="promote", sentence=f"Promote: there is no champion yet, and {held}; {asked}.")
    return Judgement(verdict="keep", sentence=f"Keep no champion: there is none yet, and only {held}; {asked}.")


def _incomparable(candidate: Contender, champion: Contender) -> tuple[Verdict, str] | None:
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
    return "inconclusive", "the candidate may gain on the champion or not; more seeds would tell"


def _numbers(candidate: Contender, time: Gain, accuracy: Gain, rules: GateRules) -> str:
    confidence = f"{rules.confidence:.0%} interval"
    return (
        f"It saves {time.gain:.1%} of the champion's steps to hold {candidate.threshold:g} on {candidate.split} "
        f"({confidence} {time.lower:.1%} to {time.upper:.1%}, at least {time.minimum:.0%} asked) and changes the final "
        f"accuracy by {accuracy.gain:+.4f} ({accuracy.lower:+.4f} to {accuracy.upper:+.4f}, at least "
        f"{accuracy.minimum:+g} asked)."
    )


def _failures(candidate: Contender, champion: Contender, failing: Failures) -> str:
    return (
        f"{failing.candidate} of its {len(candidate.seeds)} seeds fail, and {failing.champion} of the champion's "
        f"{len(champion.seeds)}: of so few, a share larger by up to {max(failing.upper, 0):.0%} is not excluded "
        f"({failing.margin:.0%} allowed)."
    )


def _listed(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:5]))
    return f"{shown}, ..." if len(seeds) > 5 else shown
