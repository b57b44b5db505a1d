"""Whether most units do something: each is one that does, one that does not, or one too short to tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from grokcore.claims.base import Decision
from grokcore.claims.predicates.finding import Finding, p_text, seeds, units

Answer = Literal["yes", "no", "mixed", "open"]


def together(answers: Sequence[Answer]) -> Answer:
    """The answer of a unit of several runs: theirs, if all agree; open while one is."""
    if "open" in answers:
        return "open"
    return answers[0] if len(set(answers)) == 1 else "mixed"


def most(answers: Sequence[Answer], what: str, alpha: float, wait: str) -> Finding:
    """Supported if surely more than half of all such units would say yes, contradicted if surely half of them or fewer.

    By the sign test, one-sided at `alpha`: 5 of 5, 7 of 8 or 9 of 11 at .05. Only one of the two can be wrong, so that
    at most `alpha` of all decisions are. Units that are open count for nothing, mixed ones against either decision: a
    unit whose runs must all say yes says so no more often than a single run.

    Args:
        what: that units do, after `4 of 5 seeds `.
        wait: what the open ones need.
    """
    yes, no, mixed, open_ = (answers.count(answer) for answer in ("yes", "no", "mixed", "open"))
    told_by = yes + no + mixed
    p_yes, p_no = upper_tail(yes, told_by), upper_tail(no, told_by)
    decision: Decision = "supported" if p_yes <= alpha else "contradicted" if p_no <= alpha else "undecided"
    chance = "" if no > yes else " if only half of all such runs would"
    told = f"{yes} of {units(told_by)} {what} ({p_text(min(p_yes, p_no))}{chance})"
    if not told_by:
        told = f"no run is long enough to tell whether such runs {what}"
    elif open_:
        told += f"; {units(open_)} too short to tell"
    needs: tuple[str, ...] = ()
    if decision == "undecided":
        more = more_units(yes, no, mixed, alpha)
        usable = min(open_, more)
        parts = [f"{wait} for {units(usable)}"] if usable else []
        parts += [f"{seeds(more - usable)}, if they answer as most do"] if more > usable else []
        needs = tuple(parts)
    numbers = {"yes": yes, "no": no, "open": open_} | ({"mixed": mixed} if mixed else {})
    decidable = upper_tail(len(answers), len(answers)) <= alpha
    return Finding(decision, told, numbers, p_yes if yes >= no else p_no, needs, decidable)


def upper_tail(successes: int, number: int) -> float:
    """P(X >= successes) of so many units of which half succeed."""
    return float(sum(math.comb(number, count) for count in range(successes, number + 1)) / 2**number)


def more_units(yes: int, no: int, mixed: int, alpha: float) -> int:
    """The smallest number of further units that decide, if all answer as most did so far."""
    leading, number = max(yes, no), yes + no + mixed
    more = 0
    while upper_tail(leading + more, number + more) > alpha:
        more += 1
    return more
