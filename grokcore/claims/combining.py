"""One decision from comparisons in several settings, whose runs may share seeds and data.

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

from grokcore.claims.base import Decision
from grokcore.claims.factors import Factor
from grokcore.claims.predicates import Finding, Predicate
from grokcore.claims.strata import Stratum

_MOST_TOLD = 4
"""Settings that a sentence tells of one by one."""


def decide(
    predicate: Predicate,
    factor: Factor,
    comparisons: Sequence[Stratum],
    alpha: float,
    over: Literal["every", "some"] = "every",
) -> Finding:
    """The decision over at least one comparison."""
    found = [(one, predicate.judge(factor, one, alpha)) for one in comparisons]
    able = [(one, finding) for one, finding in found if finding.decidable or finding.decision == "contradicted"]
    told = able or found
    if len(told) == 1:
        ((_, finding),) = told
        return _with_left_out(finding, len(found) - 1)
    by_one: Decision = "contradicted" if over == "every" else "supported"
    by_all: Decision = "supported" if over == "every" else "contradicted"
    against = [(one, finding) for one, finding in told if finding.decision == by_one]

    def judge(one: Stratum, level: float) -> Finding:
        return predicate.judge(factor, one, level)

    if _simes([one for one, _ in against], len(told), alpha, judge, by_one):
        combined = _finding(by_one, told, _simes_p([finding.p for _, finding in against], len(told)))
    else:
        decision = by_all if all(one.decision == by_all for _, one in told) else "undecided"
        ps = [finding.p for _, finding in told]
        known = [p for p in ps if p is not None]
        combined = _finding(decision, told, max(known) if len(known) == len(ps) else None)
    return _with_left_out(combined, len(found) - len(told))


def _simes(
    against: Sequence[Stratum],
    settings: int,
    alpha: float,
    judge: Callable[[Stratum, float], Finding],
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


def _finding(decision: Decision, told: Sequence[tuple[Stratum, Finding]], p: float | None) -> Finding:
    decisions = [finding.decision for _, finding in told]
    counts = ", ".join(f"{word} in {decisions.count(one)}" for one, word in _WORDS.items() if one in decisions)
    shown = sorted(told, key=lambda one: _ORDER[decision].index(one[1].decision))
    each = "; ".join(f"[{one.label or 'the other'}] {finding.sentence}" for one, finding in shown[:_MOST_TOLD])
    more = f"; and {len(shown) - _MOST_TOLD} more" if len(shown) > _MOST_TOLD else ""
    numbers = {
        f"{place}.{name}": value for place, (_, one) in enumerate(told, 1) for name, value in one.numbers.items()
    }
    needs: tuple[str, ...] = ()
    if decision == "undecided":
        needs = tuple(dict.fromkeys(need for _, finding in told for need in finding.needs))[:_MOST_TOLD]
        needs = needs or ("more seeds in each setting: they disagree, but not surely enough for so many",)
    return Finding(decision, f"of {len(told)} settings it {counts}: {each}{more}", numbers, p, needs)


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


def _with_left_out(finding: Finding, number: int) -> Finding:
    if not number:
        return finding
    settings = "1 further setting is" if number == 1 else f"{number} further settings are"
    return Finding(
        finding.decision,
        f"{finding.sentence}; {settings} left out, for too few seeds",
        finding.numbers,
        finding.p,
        finding.needs,
        finding.decidable,
    )
