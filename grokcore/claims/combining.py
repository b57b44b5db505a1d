"""One decision from comparisons in several settings, whose runs may share seeds and data.

Each comparison is decided on its own; then

- a claim over *every* setting is supported if it is supported in each, at `alpha`: an intersection-union test (Berger,
  Technometrics 24, 295, 1982), whose level is `alpha` however the comparisons depend on one another. It is contradicted
  if it is in one of k settings at `alpha` / k (Bonferroni), which holds under any dependence, too;
- a claim that there is *some* such setting is its mirror image: supported if it is in one at `alpha` / k, contradicted
  if it is in every one at `alpha`.

No p of different settings are multiplied, and no runs of them pooled: what several settings add is that the claim holds
in each, not more seeds. Settings that cannot support the claim, whatever the second side came to, are left out (too few
seeds, or a reference that sets no budget), unless they contradict it nevertheless, as a single run does that was never
to grok.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    strict = [predicate.judge(factor, one, alpha / len(told)) for one, _ in told]
    decision = _combined([finding.decision for _, finding in told], [finding.decision for finding in strict], over)
    return _with_left_out(_finding(decision, told, strict), len(found) - len(told))


def _combined(level: Sequence[Decision], strict: Sequence[Decision], over: Literal["every", "some"]) -> Decision:
    """Of decisions at `alpha` and at `alpha` / k."""
    by_one: Decision = "contradicted" if over == "every" else "supported"
    by_all: Decision = "supported" if over == "every" else "contradicted"
    if by_one in strict:
        return by_one
    return by_all if all(decision == by_all for decision in level) else "undecided"


def _finding(decision: Decision, told: Sequence[tuple[Stratum, Finding]], strict: Sequence[Finding]) -> Finding:
    decisions = [finding.decision for _, finding in told]
    counts = ", ".join(f"{word} in {decisions.count(one)}" for one, word in _WORDS.items() if one in decisions)
    shown = sorted(told, key=lambda one: _ORDER[decision].index(one[1].decision))
    each = "; ".join(f"[{one.label or 'the other'}] {finding.sentence}" for one, finding in shown[:_MOST_TOLD])
    more = f"; and {len(shown) - _MOST_TOLD} more" if len(shown) > _MOST_TOLD else ""
    numbers = {
        f"{place}.{name}": value for place, (_, one) in enumerate(told, 1) for name, value in one.numbers.items()
    }
    p = _p(decision, [finding for _, finding in told], strict)
    needs: tuple[str, ...] = ()
    if decision == "undecided":
        needs = tuple(dict.fromkeys(need for _, finding in told for need in finding.needs))[:_MOST_TOLD]
        needs = needs or ("more seeds in each setting: they disagree, but not surely enough for so many",)
    return Finding(decision, f"of {len(told)} settings it {counts}: {each}{more}", numbers, p, needs)


def _p(decision: Decision, level: Sequence[Finding], strict: Sequence[Finding]) -> float | None:
    """The largest p, as of an intersection-union test; or, where one setting decides, k times its p."""
    if decision != "undecided" and any(finding.decision != decision for finding in level):
        ps = [finding.p for finding in strict if finding.decision == decision]
        known = [p for p in ps if p is not None]
        return min(1.0, len(level) * min(known)) if len(known) == len(ps) else None
    ps = [finding.p for finding in level]
    known = [p for p in ps if p is not None]
    return max(known) if len(known) == len(ps) else None


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
        f"{finding.sentence}; {settings} left out, for too few seeds or a reference that does not grok",
        finding.numbers,
        finding.p,
        finding.needs,
        finding.decidable,
    )
