"""Whether most runs do something: each run is one that does, one that does not, or one too short to tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from grokcore.claims.base import Verdict
from grokcore.claims.predicates.finding import Finding, p_text, runs, seeds

Answer = Literal["yes", "no", "open"]


def most(answers: Sequence[Answer], what: str, alpha: float, wait: str) -> Finding:
    """Reproduced if more than half of all such runs would say yes, refuted if more than half would say no.

    By the sign test, one-sided at `alpha`: 5 of 5, 7 of 8 or 9 of 11 at .05. Runs that are open count for nothing.

    Args:
        what: that runs do, after `4 of 5 runs `.
        wait: what the open ones need.
    """
    yes, no, open_ = (answers.count(answer) for answer in ("yes", "no", "open"))
    p_yes, p_no = upper_tail(yes, yes + no), upper_tail(no, yes + no)
    verdict: Verdict = "reproduced" if p_yes <= alpha else "refuted" if p_no <= alpha else "underpowered"
    chance = "" if no > yes else " if only half of all such runs would"
    told = f"{yes} of {yes + no} runs {what} ({p_text(min(p_yes, p_no))}{chance})"
    if not yes + no:
        told = f"no run is long enough to tell whether such runs {what}"
    elif open_:
        told += f"; {runs(open_)} too short to tell"
    needs: tuple[str, ...] = ()
    if verdict == "underpowered":
        more = more_runs(yes, no, alpha)
        usable = min(open_, more)
        parts = [f"{wait} for {runs(usable)}"] if usable else []
        parts += [f"{seeds(more - usable)}, if they answer as most do"] if more > usable else []
        needs = tuple(parts)
    return Finding(verdict, told, {"yes": yes, "no": no, "open": open_}, p_yes if yes >= no else p_no, needs)


def upper_tail(successes: int, number: int) -> float:
    """P(X >= successes) of so many runs of which half succeed."""
    return float(sum(math.comb(number, count) for count in range(successes, number + 1)) / 2**number)


def more_runs(yes: int, no: int, alpha: float) -> int:
    """The smallest number of further runs that decide, if all answer as most did so far."""
    leading, trailing = max(yes, no), min(yes, no)
    more = 0
    while upper_tail(leading + more, leading + trailing + more) > alpha:
        more += 1
    return more
