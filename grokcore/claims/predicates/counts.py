"""Predicates decided by counting units, with a sign test: most runs grok, are unstable, or peak early.

Each unit answers yes, no, or is still open where its runs are too short.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check, Decision
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.grokking import DELAY, outcome_of
from grokcore.claims.predicates.results import CheckResult, p_text, seeds, units
from grokcore.claims.units import units_of
from grokcore.evaluation.behavior import behavior_of
from grokcore.evaluation.survival import Definition

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord


Answer = Literal["yes", "no", "mixed", "open"]


def combined_answer(answers: Sequence[Answer]) -> Answer:
    """Combine the answers of a unit's runs: theirs if all agree, open while one is open, else mixed."""
    if "open" in answers:
        return "open"
    return answers[0] if len(set(answers)) == 1 else "mixed"


def majority_test(answers: Sequence[Answer], what: str, alpha: float, wait: str) -> CheckResult:
    """Test whether more than half of all such units answer yes: supported if so, contradicted if half of them or fewer.

    By the sign test, one-sided at `alpha`: 5 of 5, 7 of 8 or 9 of 11 at .05. Only one of the two can be wrong, so that
    at most `alpha` of all decisions are. Units that are open count for nothing, mixed ones against either decision: a
    unit whose runs must all say yes says so no more often than a single run.

    Args:
        what: predicate of the sentence, after `4 of 5 seeds `.
        wait: the budget that open units need.
    """
    yes, no, mixed, open_ = (answers.count(answer) for answer in ("yes", "no", "mixed", "open"))
    answered = yes + no + mixed
    p_yes, p_no = upper_tail(yes, answered), upper_tail(no, answered)
    decision: Decision = "supported" if p_yes <= alpha else "contradicted" if p_no <= alpha else "undecided"
    chance = "" if no > yes else " if only half of all such runs would"
    sentence = f"{yes} of {units(answered)} {what} ({p_text(min(p_yes, p_no))}{chance})"
    if not answered:
        sentence = f"no run is long enough to tell whether such runs {what}"
    elif open_:
        sentence += f"; {units(open_)} too short to tell"
    needs: tuple[str, ...] = ()
    if decision == "undecided":
        more = more_units(yes, no, mixed, alpha)
        usable = min(open_, more)
        parts = [f"{wait} for {units(usable)}"] if usable else []
        parts += [f"{seeds(more - usable)}, if they answer as most do"] if more > usable else []
        needs = tuple(parts)
    numbers = {"yes": yes, "no": no, "open": open_} | ({"mixed": mixed} if mixed else {})
    decidable = upper_tail(len(answers), len(answers)) <= alpha
    return CheckResult(decision, sentence, numbers, p_yes if yes >= no else p_no, needs, decidable)


def upper_tail(successes: int, number: int) -> float:
    """P(X >= successes) for X ~ Binomial(number, 1/2)."""
    return float(sum(math.comb(number, count) for count in range(successes, number + 1)) / 2**number)


def more_units(yes: int, no: int, mixed: int, alpha: float) -> int:
    """Find the smallest number of further units that decide, if all answer as most did so far."""
    leading, number = max(yes, no), yes + no + mixed
    more = 0
    while upper_tail(leading + more, number + more) > alpha:
        more += 1
    return more


class Groks(Check):
    """Most units grok every split named: they reach the threshold, each a factor `delay` later than the training set.

    A run that has not, counts as one that does not grok once it has trained `patience` times as long as it took to
    memorize; before, it tells nothing.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["groks"] = "groks"
    splits: tuple[str, ...]
    side: Literal["all", "second"] = Field("all", description="the groups that it is about")
    definition: Definition = "sustained"
    delay: float = Field(DELAY, ge=1, description="least T_split / T_train")
    patience: float = Field(50.0, description="in times to memorize; GPT-2 took 33 in the thesis, LLaMA 150 to 300")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        level = stratum.levels[-1] if self.side == "second" else None
        answers = [
            combined_answer([self._answer(run) for run in unit.runs])
            for unit in units_of(stratum, self.splits[-1], level=level)
        ]
        what = f"grok {' and '.join(self.splits)}, {self.delay:g} times as late as the training set or later"
        return majority_test(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorize")

    def _answer(self, run: RunRecord) -> Answer:
        outcomes = {outcome_of(run, split, self.definition, self.delay) for split in self.splits}
        if "generalized" in outcomes:
            return "no"  # it has risen along with the training set, or before: nothing can make it late now
        if outcomes == {"grokked"}:
            return "yes"
        trained = getattr(run.evaluation.memorized, self.definition)
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"


class IsUnstable(Check):
    """On the second side, accuracy on `split` falls again and again once it has been high (`is_unstable`).

    Supported if most units of the second side do so, and more of them than of the reference, by Fisher's exact test
    (both at `alpha`: an intersection-union test). Contradicted if most do not; or if most of the reference do the same,
    which is then not particular to the second side. A run in which it does not, counts once it has
    trained `patience` times as long as it took to memorize.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["is_unstable"] = "is_unstable"
    split: str
    patience: float = Field(10.0, description="in times to memorize; in the thesis it lasted for 40")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        first, second = (
            [
                combined_answer([self._answer(run) for run in unit.runs])
                for unit in units_of(stratum, self.split, level=level)
            ]
            for level in (stratum.levels[0], stratum.levels[-1])
        )
        wait = f"a budget of {self.patience:g} times the steps to memorize"
        found = majority_test(second, f"lose accuracy on {self.split} again and again", alpha, wait)
        reference = majority_test(first, "", alpha, "")
        yes = [side.count("yes") for side in (first, second)]
        answered = [len(side) - side.count("open") for side in (first, second)]
        p_more = fisher(yes[1], answered[1], yes[0], answered[0])
        beside = f"; so do {yes[0]} of {units(answered[0])} of the reference" if answered[0] else ""
        numbers = {**found.numbers, "reference_yes": yes[0], "reference_no": answered[0] - yes[0], "p_more": p_more}
        sentence = found.sentence + beside
        p = max(found.p or 0.0, p_more)
        decidable = found.decidable and fisher(len(second), len(second), 0, len(first)) <= alpha
        if found.decision != "supported":
            return CheckResult(found.decision, sentence, numbers, found.p, found.needs, decidable)
        if reference.decision == "supported":
            return CheckResult("contradicted", sentence, numbers, found.p)
        if p_more <= alpha:
            return CheckResult("supported", sentence, numbers, p)
        missing = _missing(yes[1], answered[1], yes[0], answered[0], alpha)
        need = f"{seeds(missing)} of the reference, if they answer as it does"
        return CheckResult("undecided", sentence, numbers, p, (need,), decidable)

    def _answer(self, run: RunRecord) -> Answer:
        if behavior_of(run, self.split).unstable:
            return "yes"
        trained = run.evaluation.memorized.sustained
        return "no" if trained is not None and run.evaluation.step >= self.patience * trained.steps else "open"


def fisher(yes: int, number: int, other_yes: int, other: int) -> float:
    """One-sided p of Fisher's exact test (1935): at least `yes` of `number`, against `other_yes` of `other`."""
    total, all_yes = number + other, yes + other_yes
    ways = sum(
        math.comb(all_yes, count) * math.comb(total - all_yes, number - count)
        for count in range(yes, min(number, all_yes) + 1)
    )
    return ways / math.comb(total, number)


def _missing(yes: int, number: int, other_yes: int, other: int, alpha: float) -> int:
    """Count further units of the reference that decide, if the share of yes stays; at most 99, for equal shares."""
    share = other_yes / other if other else 0.0
    for more in range(1, 99):
        if fisher(yes, number, round(share * (other + more)), other + more) <= alpha:
            return more
    return 99


class PeaksEarly(Check):
    """Most units have an early peak and a dip on `split` (`peak_and_dip`), and grok after the dip.

    A run without such a peak counts as one that does not once it has reached the threshold, or has trained `patience`
    times as long as it took to memorize; one that has peaked and dipped tells nothing until it groks or that time is
    over.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["peaks_early"] = "peaks_early"
    split: str
    patience: float = Field(50.0, description="in times to memorize")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        answers = [combined_answer([self._answer(run) for run in unit.runs]) for unit in units_of(stratum, self.split)]
        what = f"peak early on {self.split}, dip, and then grok"
        return majority_test(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorize")

    def _answer(self, run: RunRecord) -> Answer:
        trained, reached = run.evaluation.memorized.sustained, run.evaluation.held_out[self.split].sustained
        if reached is not None:
            dip = behavior_of(run, self.split).dip_step
            late = outcome_of(run, self.split) == "grokked"
            return "yes" if late and dip is not None and reached.steps > dip else "no"
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"
