"""Runs held against the ledger.

A claim is tested once, at its own alpha, over all comparable runs; what is tested over the parts of a confound is
told beside it and changes no verdict. Each verdict is about its claim alone. Who reads twenty of them should expect
one in twenty to come out by chance: `p_holm` is the p of each after Holm's correction (Scand. J. Stat. 6, 65, 1979)
over all claims that were tested on the same runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from grokcore.claims.claim import Claim, Confound
from grokcore.claims.ledger import LEDGER
from grokcore.claims.predicates import Every, Finding, Groks, Predicate
from grokcore.claims.predicates.every import Simple
from grokcore.claims.result import ClaimResult, Claims, ConfoundResult, GroupEvidence, PartResult, StratumEvidence
from grokcore.claims.strata import Member, Stratum, members_of, parts_by, strata_of
from grokcore.evaluation.records import Group, RunRecord, groups_of
from grokcore.evaluation.survival import follow_up, median_time, times_of
from grokcore.spec.experiment import fingerprint


def judge(records: Sequence[RunRecord], claims: Sequence[Claim] = LEDGER) -> list[ClaimResult]:
    """A result for every claim, in the ledger's order; claims that these runs say nothing about are underpowered."""
    groups = groups_of(records)
    results = [_judge(claim, groups) for claim in claims]
    return [
        result.model_copy(update={"p_holm": p})
        for result, p in zip(results, holm([result.p for result in results]), strict=True)
    ]


def document(records: Sequence[RunRecord], claims: Sequence[Claim] = LEDGER) -> Claims:
    """claims.json of these runs."""
    ledger = fingerprint([claim.hash for claim in claims])
    return Claims(ledger=ledger, runs=len(records), claims=judge(records, claims))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values after Holm's step-down correction, over those that there are."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        corrected[place] = highest
    return corrected


def _judge(claim: Claim, groups: Sequence[Group]) -> ClaimResult:
    members = members_of(claim, groups)
    strata = strata_of(claim, members)
    finding = claim.predicate.judge(claim.factor, strata, claim.alpha) if strata else _nothing(claim, members)
    known = {_runs_of(strata): finding}
    confounds = [_confound(claim, confound, members, known) for confound in claim.confounds] if strata else []
    deciding = [result for result in confounds if result.decides]
    sentence = f"{finding.sentence[0].upper()}{finding.sentence[1:]}."
    for result in deciding:
        found = ", ".join(f"{part.verdict} with {part.value}" for part in result.parts)
        sentence += f" It depends on {result.field}: {found}."
    return ClaimResult(
        number=claim.number,
        id=claim.id,
        statement=claim.statement,
        source=claim.source,
        hash=claim.hash,
        verdict=finding.verdict,
        sentence=sentence,
        alpha=claim.alpha,
        p=finding.p,
        p_holm=None,
        numbers=dict(finding.numbers),
        runs=_runs(strata),
        strata=[_evidence(claim, stratum) for stratum in strata],
        confounds=confounds,
        needs=list(finding.needs),
        note=claim.note,
    )


def _nothing(claim: Claim, members: Sequence[Member]) -> Finding:
    """Why there is nothing to test, and what would be."""
    if claim.factor.kind == "alone":
        return Finding("underpowered", "there is no such run", needs=("runs of this kind, 5 seeds or more",))
    if not members:
        return Finding("underpowered", "there is no such run", needs=("groups to compare, 4 seeds or more each",))
    if claim.factor.kind == "sides":
        present = {member.level for member in members}
        missing = [name for level, name in enumerate(claim.factor.names) if float(level) not in present]
        if missing:
            told = f"there are no runs of {missing[0]} to compare with"
            return Finding("underpowered", told, needs=(f"runs of {missing[0]}, 4 seeds or more",))
    else:
        if len({member.level for member in members}) == 1:
            told = f"all runs have {claim.factor.words(members[0].fields)}"
            return Finding("underpowered", told, needs=(f"groups that differ in {claim.factor.field} alone",))
    told = "the runs that could be compared differ in more than that"
    return Finding("underpowered", told, needs=("groups that are equal in everything else",))


def _confound(
    claim: Claim, confound: Confound, members: Sequence[Member], known: dict[frozenset[frozenset[str]], Finding]
) -> ConfoundResult:
    """The parts that a confound makes; `known` keeps what the same runs have come to before."""
    parts = []
    for value, strata in sorted(parts_by(confound, claim, members).items()):
        runs = _runs_of(strata)
        found = known.get(runs) or claim.predicate.judge(claim.factor, strata, claim.alpha)
        known[runs] = found
        parts.append(PartResult(value=value, runs=_runs(strata), verdict=found.verdict, sentence=f"{found.sentence}."))
    verdicts = {part.verdict for part in parts}
    return ConfoundResult(
        field=confound.field,
        by=confound.by,
        why=confound.why,
        parts=parts,
        decides={"reproduced", "refuted"} <= verdicts,
    )


def _runs_of(strata: Sequence[Stratum]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(run.uri for member in one.members for run in member.group.runs) for one in strata)


def _runs(strata: Sequence[Stratum]) -> int:
    return len(frozenset().union(*_runs_of(strata)))


def _evidence(claim: Claim, stratum: Stratum) -> StratumEvidence:
    split = _split(claim.predicate)
    return StratumEvidence(
        label=stratum.label,
        groups=[_group(member, claim.factor.words(member.fields), split) for member in stratum.members],
    )


def _group(member: Member, setting: str, split: str) -> GroupEvidence:
    runs = member.group.runs
    times = times_of(runs, split if split in runs[0].evaluation.held_out else "train")
    middle = median_time(times)
    return GroupEvidence(
        label=member.group.label,
        setting=setting,
        run_ids=[run.manifest.run_id for run in runs],
        seeds=[run.spec.seed for run in runs],
        reached=sum(not time.censored for time in times),
        median_steps=middle.step,
        median_censored=middle.censored,
        followed=min(follow_up(run) for run in runs),
    )


def _split(predicate: Predicate | Simple) -> str:
    """The split that a claim is about; of several, the last: the one that is the hardest."""
    if isinstance(predicate, Every):
        return _split(predicate.parts[-1])
    return predicate.splits[-1] if isinstance(predicate, Groks) else predicate.split
