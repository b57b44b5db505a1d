"""Combine comparisons in several settings, whose runs may share seeds and data, into one decision.

Each comparison is decided on its own; then

- a claim over *every* setting is supported if it is supported in each, at `alpha`: an intersection-union test (Berger,
  Technometrics 24, 295, 1982), whose level is `alpha` however the comparisons depend on one another. It is contradicted
  if it is in j of k settings at j `alpha` / k, for some j (Simes, Biometrika 73, 751, 1986): in one at `alpha` / k, or
  in all at `alpha`. That holds for independent comparisons and for positively dependent ones (Sarkar, Ann. Stat. 26,
  494, 1998), which those of the same seeds are;
- a claim that there is *some* such setting is its mirror image: supported if it is in j of k at j `alpha` / k,
  contradicted if it is in every one at `alpha`.

No p of different settings are multiplied, and no runs of them pooled: what several settings add is that the claim holds
in each, not more seeds. Settings with too few seeds to support the claim, whatever they came to, are left out, unless
they contradict it nevertheless, as a single run does that was never to grok. Nothing is left out for what it came to: a
setting whose reference does not grok leaves a claim over every setting undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from grokcore.claims.base import Decision, Stratum
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates import CheckResult, Predicate

_MOST_LISTED = 4
"""Settings that a sentence lists one by one."""


def decide(
    predicate: Predicate,
    factor: Factor,
    comparisons: Sequence[Stratum],
    alpha: float,
    over: Literal["every", "some"] = "every",
) -> CheckResult:
    """Decide a claim over at least one comparison."""
    found = [(one, predicate.judge(factor, one, alpha)) for one in comparisons]
    able = [(one, finding) for one, finding in found if finding.decidable or finding.decision == "contradicted"]
    compared = able or found
    if len(compared) == 1:
        ((_, finding),) = compared
        return _with_left_out(finding, len(found) - 1)
    by_one: Decision = "contradicted" if over == "every" else "supported"
    by_all: Decision = "supported" if over == "every" else "contradicted"
    against = [(one, finding) for one, finding in compared if finding.decision == by_one]

    def judge(one: Stratum, level: float) -> CheckResult:
        return predicate.judge(factor, one, level)

    if _simes([one for one, _ in against], len(compared), alpha, judge, by_one):
        combined = _finding(by_one, compared, _simes_p([finding.p for _, finding in against], len(compared)))
    else:
        decision = by_all if all(one.decision == by_all for _, one in compared) else "undecided"
        ps = [finding.p for _, finding in compared]
        known = [p for p in ps if p is not None]
        combined = _finding(decision, compared, max(known) if len(known) == len(ps) else None)
    return _with_left_out(combined, len(found) - len(compared))


def _simes(
    against: Sequence[Stratum],
    settings: int,
    alpha: float,
    judge: Callable[[Stratum, float], CheckResult],
    decision: Decision,
) -> bool:
    """Whether j of so many settings come to a decision at j `alpha` / k; only those that do at `alpha` are asked."""
    return any(
        sum(judge(one, alpha * number / settings).decision == decision for one in against) >= number
        for number in range(1, len(against) + 1)
    )


def _simes_p(ps: Sequence[float | None], settings: int) -> float | None:
    """The smallest k p / j over the j-th smallest p; None where a decision rests on no p."""
    known = sorted(p for p in ps if p is not None)
    if len(known) < len(ps):
        return None
    return min(1.0, min(settings * p / place for place, p in enumerate(known, 1)))


def _finding(decision: Decision, compared: Sequence[tuple[Stratum, CheckResult]], p: float | None) -> CheckResult:
    decisions = [finding.decision for _, finding in compared]
    counts = ", ".join(f"{word} in {decisions.count(one)}" for one, word in _WORDS.items() if one in decisions)
    shown = sorted(compared, key=lambda one: _ORDER[decision].index(one[1].decision))
    each = "; ".join(f"[{one.label or 'the other'}] {finding.sentence}" for one, finding in shown[:_MOST_LISTED])
    more = f"; and {len(shown) - _MOST_LISTED} more" if len(shown) > _MOST_LISTED else ""
    numbers = {
        f"{place}.{name}": value for place, (_, one) in enumerate(compared, 1) for name, value in one.numbers.items()
    }
    needs: tuple[str, ...] = ()
    if decision == "undecided":
        needs = tuple(dict.fromkeys(need for _, finding in compared for need in finding.needs))[:_MOST_LISTED]
        needs = needs or ("more seeds in each setting: they disagree, but not surely enough for so many",)
    return CheckResult(decision, f"of {len(compared)} settings it {counts}: {each}{more}", numbers, p, needs)


_WORDS: dict[Decision, str] = {
    "supported": "holds",
    "contradicted": "does not hold",
    "undecided": "is undecided",
}
_ORDER: dict[Decision, list[Decision]] = {
    "supported": ["supported", "undecided", "contradicted"],
    "contradicted": ["contradicted", "supported", "undecided"],
    "undecided": ["undecided", "contradicted", "supported"],
}


def _with_left_out(finding: CheckResult, number: int) -> CheckResult:
    if not number:
        return finding
    settings = "1 further setting is" if number == 1 else f"{number} further settings are"
    return CheckResult(
        finding.decision,
        f"{finding.sentence}; {settings} left out, for too few seeds",
        finding.numbers,
        finding.p,
        finding.needs,
        finding.decidable,
    )
