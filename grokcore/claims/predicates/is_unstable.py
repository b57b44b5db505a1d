"""What has been learnt is lost again, more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding, runs
from grokcore.claims.predicates.shares import Answer, most
from grokcore.evaluation.watch import behaviour_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.evaluation.records import RunRecord


class IsUnstable(Part):
    """On the second side, accuracy on `split` falls again and again once it has been high (`is_unstable`).

    A run in which it does not, counts once it has trained `patience` times as long as it took to memorise. Where the
    first side does the same as often, it is nothing that the second side is to be blamed for: then it is refuted.
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["is_unstable"] = "is_unstable"
    split: str
    patience: float = Field(10.0, description="in times to memorise; in the thesis it lasted for 40")

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        sides: tuple[list[Answer], list[Answer]] = ([], [])
        for stratum in strata:
            for member in stratum.members:
                answers = [self._answer(run) for run in member.group.runs if self.split in run.evaluation.splits]
                sides[int(member.level == stratum.levels[-1])].extend(answers)
        second = most(
            sides[1],
            f"lose accuracy on {self.split} again and again",
            alpha,
            f"a budget of {self.patience:g} times the steps to memorise",
        )
        yes, told = sides[0].count("yes"), len(sides[0]) - sides[0].count("open")
        beside = f"; so do {yes} of {runs(told)} of the reference" if told else ""
        numbers = {**second.numbers, "reference_yes": yes, "reference_no": told - yes}
        if second.verdict == "reproduced" and most(sides[0], "", alpha, "").verdict == "reproduced":
            return Finding("refuted", second.sentence + beside, numbers, second.p)
        return Finding(second.verdict, second.sentence + beside, numbers, second.p, second.needs)

    def _answer(self, run: RunRecord) -> Answer:
        if behaviour_of(run, self.split).unstable:
            return "yes"
        trained = run.evaluation.memorized.sustained
        return "no" if trained is not None and run.evaluation.step >= self.patience * trained.steps else "open"
