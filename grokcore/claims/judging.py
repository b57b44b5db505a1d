"""Test the claims of the ledger on runs.

A claim is tested once for each scope (`scope`), at its own alpha; its comparisons there are decided one by one and
combined by the rule of `combining`. Tests on the parts that a confound makes are reported beside the verdict and do not
change it. Each verdict is about its claim alone. Of twenty verdicts one is expected to come out by chance: `p_holm` is
the p of each after Holm's correction (Scand. J. Stat. 6, 65, 1979) over all claims that were tested on the same runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress

from grokcore.claims.base import Arm, Stratum, verdict_of
from grokcore.claims.claim import Claim, Confound
from grokcore.claims.combining import decide
from grokcore.claims.ledger import LEDGER
from grokcore.claims.predicates import CheckResult, split_of
from grokcore.claims.result import ClaimResult, Claims, ConfoundResult, GroupEvidence, PartResult, StratumEvidence
from grokcore.claims.scope import describe_scope, meets, scope_hash, scope_of, scoped
from grokcore.claims.strata import arms_of, comparisons_of, parts_by
from grokcore.evaluation.survival import follow_up, median_time, times_of
from grokcore.runs.groups import Group, groups_of
from grokcore.runs.record import RunRecord
from grokcore.spec.experiment import fingerprint


def judge(records: Sequence[RunRecord], claims: Sequence[Claim] = LEDGER) -> list[ClaimResult]:
    """Test every claim in every scope, in the ledger's order; claims without runs to compare are `not tested`.

    Each is tested on the runs that its predicate concerns.
    """
    groups: dict[tuple[bool, ...], list[Group]] = {}
    results: list[ClaimResult] = []
    for claim in claims:
        chosen = tuple(claim.predicate.concerns(record) for record in records)
        if chosen not in groups:
            groups[chosen] = groups_of(list(compress(records, chosen)))
        results += _judge(claim, groups[chosen])
    return [
        result.model_copy(update={"p_holm": p})
        for result, p in zip(results, holm([result.p for result in results]), strict=True)
    ]


def document(records: Sequence[RunRecord], claims: Sequence[Claim] = LEDGER) -> Claims:
    """Make claims.json of these runs."""
    ledger = fingerprint([claim.hash for claim in claims])
    return Claims(ledger=ledger, runs=len(records), claims=judge(records, claims))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Correct p values by Holm's step-down method, over those that are not None."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        corrected[place] = highest
    return corrected


def _judge(claim: Claim, groups: Sequence[Group]) -> Iterator[ClaimResult]:
    arms = arms_of(claim, groups)
    tested = False
    for same, strata, published in scoped(claim, arms):
        tested = True
        yield _tested(claim, same, strata, published)
    if not tested:
        yield _not_tested(claim, arms)


def _tested(claim: Claim, arms: Sequence[Arm], strata: Sequence[Stratum], published: bool) -> ClaimResult:
    """Test a claim in one scope.

    Args:
        arms: of the scope's scale, whether in `strata` or not.
    """
    finding = _decide(claim, strata)
    known = {_runs_of(strata): finding}
    confounds = [_confound(claim, confound, arms, known, published) for confound in claim.confounds]
    scope = scope_of(claim, strata, published)
    sentence = _capital(finding.sentence)
    for result in confounds:
        if result.decides:
            found = ", ".join(f"{part.verdict} with {part.value}" for part in result.parts)
            sentence += f" It depends on {result.field}: {found}."
    return ClaimResult(
        number=claim.number,
        id=claim.id,
        statement=claim.statement,
        source=claim.source,
        claim_hash=claim.hash,
        hash=scope_hash(claim, scope),
        verdict=verdict_of(finding.decision, published=published),
        sentence=f"{sentence} {describe_scope(scope)}",
        scope=scope,
        alpha=claim.alpha,
        p=finding.p,
        p_holm=None,
        numbers=dict(finding.numbers),
        runs=_runs(strata),
        strata=[_evidence(claim, stratum) for stratum in comparisons_of(claim, strata)],
        confounds=confounds,
        needs=list(finding.needs),
        note=claim.note,
    )


def _not_tested(claim: Claim, arms: Sequence[Arm]) -> ClaimResult:
    sentence, needs = _missing(claim, arms)
    return ClaimResult(
        number=claim.number,
        id=claim.id,
        statement=claim.statement,
        source=claim.source,
        claim_hash=claim.hash,
        hash=claim.hash,
        verdict="not tested",
        sentence=_capital(sentence),
        scope=None,
        alpha=claim.alpha,
        p=None,
        p_holm=None,
        numbers={},
        runs=0,
        strata=[],
        confounds=[],
        needs=[needs],
        note=claim.note,
    )


def _decide(claim: Claim, strata: Sequence[Stratum]) -> CheckResult:
    return decide(claim.predicate, claim.factor, comparisons_of(claim, strata), claim.alpha, claim.over)


def _capital(sentence: str) -> str:
    return f"{sentence[0].upper()}{sentence[1:]}."


def _missing(claim: Claim, arms: Sequence[Arm]) -> tuple[str, str]:
    """Say why there is nothing to test, and which runs would be needed."""
    none = f"there is no such {claim.predicate.RUNS}"
    if claim.factor.kind == "none":
        return none, claim.predicate.NEEDS
    if not arms:
        return none, "groups to compare, 4 seeds or more each"
    if claim.factor.kind == "two_levels":
        present = {arm.level for arm in arms}
        missing = [name for level, name in enumerate(claim.factor.names) if float(level) not in present]
        if missing:
            return f"there are no runs of {missing[0]} to compare with", f"runs of {missing[0]}, 4 seeds or more"
    elif len({arm.level for arm in arms}) == 1:
        sentence = f"all runs have {claim.factor.describe(arms[0].fields)}"
        return sentence, f"groups that differ in {claim.factor.field} alone"
    return "the runs that could be compared differ in more than that", "groups that are equal in everything else"


def _confound(
    claim: Claim,
    confound: Confound,
    arms: Sequence[Arm],
    known: dict[frozenset[frozenset[str]], CheckResult],
    published: bool,
) -> ConfoundResult:
    """Test the parts that a confound makes in a scope; `known` caches results by runs."""
    parts, decisions = [], set()
    for value, strata in sorted(parts_by(confound, claim, arms).items()):
        chosen = [stratum for stratum in strata if meets(claim, stratum) is published]
        if not chosen:
            continue
        runs = _runs_of(chosen)
        found = known.get(runs) or _decide(claim, chosen)
        known[runs] = found
        decisions.add(found.decision)
        verdict = verdict_of(found.decision, published=published)
        parts.append(PartResult(value=value, runs=_runs(chosen), verdict=verdict, sentence=f"{found.sentence}."))
    return ConfoundResult(
        field=confound.field,
        by=confound.by,
        why=confound.why,
        parts=parts,
        decides={"supported", "contradicted"} <= decisions,
    )


def _runs_of(strata: Sequence[Stratum]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(run.uri for arm in one.arms for run in arm.group.runs) for one in strata)


def _runs(strata: Sequence[Stratum]) -> int:
    return len(frozenset().union(*_runs_of(strata)))


def _evidence(claim: Claim, stratum: Stratum) -> StratumEvidence:
    split = split_of(claim.predicate)
    return StratumEvidence(
        label=stratum.label,
        groups=[_group(arm, claim.factor.describe(arm.fields), split) for arm in stratum.arms],
    )


def _group(arm: Arm, setting: str, split: str) -> GroupEvidence:
    runs = arm.group.runs
    times = times_of(runs, split if split in runs[0].evaluation.held_out else "train")
    middle = median_time(times)
    return GroupEvidence(
        label=arm.group.label,
        setting=setting,
        run_ids=[run.manifest.run_id for run in runs],
        seeds=[run.spec.seed for run in runs],
        reached=sum(not time.censored for time in times),
        median_steps=middle.step,
        median_censored=middle.censored,
        followed=min(follow_up(run) for run in runs),
    )
