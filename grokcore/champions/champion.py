"""Decide on a candidate, promote it, and roll back."""

from __future__ import annotations

from collections.abc import Sequence

from grokcore.champions.challenger import Challenger, summary_of
from grokcore.champions.gate import GateRules, Judgment, judge
from grokcore.champions.history import (
    ChampionVersion,
    Decision,
    History,
    read_decision,
    utc_now,
    withdrawn,
    write_decision,
)
from grokcore.errors import InputError, TransientError
from grokcore.spec import ExperimentSpec
from grokcore.storage.layout import champion_store, retraining_uri

_MOST_RACES = 20
"""Promotions in a row that may lose a race to other writers."""


def decide(
    store: str,
    name: str,
    run_key: str,
    candidate: Challenger,
    *,
    runs: Sequence[str],
    spec: ExperimentSpec,
    rules: GateRules,
) -> Decision:
    """Judge a candidate against the champion of a store, and write the decision.

    If an earlier attempt of the same retraining has promoted this candidate, return its decision unchanged.

    Args:
        store, run_key: taken from the environment if empty; the key identifies this retraining, over
            all its attempts.
        runs: URIs of the candidate's runs, in the order of its seeds.
        spec: of its first seed.

    Raises:
        InputError: the name, key or store is wrong, or an entry is damaged.
        TransientError: the store did not answer.
    """
    uri = retraining_uri(store, name, run_key)
    history = History(champion_store(store), name)
    draft = Decision(
        verdict="inconclusive",
        sentence="",
        champion=name,
        uri=uri,
        decided=utc_now(),
        rules=rules,
        against=None,
        candidate=candidate,
        candidate_summary=summary_of(candidate),
        champion_summary=None,
        runs=tuple(runs),
        spec=spec.model_dump(mode="json"),
    )
    entries = history.entries()
    done = _promotion_of(draft, entries)
    if done is not None:
        return _completed(draft, done, history)
    decision = _with_verdict(draft, entries)
    write_decision(decision)
    return decision


def promote(decision: Decision) -> Decision:
    """Make a candidate the champion, if its verdict says so and still holds.

    If the champion has changed since, the candidate is judged against the new one. Promotion is idempotent, also after
    interruptions.

    Returns:
        The decision as recorded: with the version that the candidate became, or with another verdict.

    Raises:
        InputError: the store may not be written, or an entry is damaged.
        TransientError: the store did not answer, or others promote all the time.
    """
    history = History(decision.store, decision.champion)
    for _ in range(_MOST_RACES):
        entries = history.entries()
        done = _promotion_of(decision, entries)
        if done is not None:
            return _completed(decision, done, history)
        head = entries[-1] if entries else None
        if decision.against != (head.version if head else None):
            decision = _with_verdict(decision, entries)
        if decision.verdict != "promote":
            write_decision(decision)
            return decision
        history.append(_entry_of(decision, head))
    raise TransientError(f"the champion {decision.champion} changes all the time: try again later")


def rollback(store: str, name: str, *, seen: int, to: int | None = None) -> ChampionVersion:
    """Restore an earlier champion by a further entry: history is never rewritten.

    Args:
        seen: the version that the caller believes to be the champion.
        to: the version to restore; by default the champion before this one.

    Raises:
        InputError: there is no such version, or it is the champion already.
        TransientError: another version has become the champion since, or the store did not answer.
    """
    history = History(store, name)
    entries = {entry.version: entry for entry in history.entries()}
    target = entries[rollback_target(list(entries.values()), name, to)]
    head = entries[max(entries)]
    entry = target.model_copy(
        update={
            "version": head.version + 1,
            "promoted": utc_now(),
            "decision": None,
            "previous": head.origin,
            "restores": target.origin,
        }
    )
    if head.version != seen or not history.append(entry):
        raise TransientError(f"the champion {name} is no longer version {seen}: look at it again before you roll back")
    return entry


def rollback_target(entries: Sequence[ChampionVersion], name: str, to: int | None = None) -> int:
    """The version that a rollback restores: the one asked for, or the champion before the last promotion.

    Raises:
        InputError: there is no such version, or it is the champion already.
    """
    if not entries:
        raise InputError(f"there is no champion {name} in this store")
    by_version = {entry.version: entry for entry in entries}
    head = entries[-1]
    if to is None:
        before = by_version[head.origin].previous if head.origin in by_version else None
        if before is None:
            raise InputError(
                f"nothing was the champion {name} before version {head.origin}, so there is no way back: "
                "let a better candidate replace it, or begin another champion under a new name"
            )
        return before
    if to not in by_version:
        known = f"1 to {head.version}" if len(entries) > 1 else "1"
        raise InputError(f"the champion {name} has no version {to}; it has {known}")
    if by_version[to].origin == head.origin:
        raise InputError(f"version {to} is the champion {name} already: give another one")
    return to


def _with_verdict(draft: Decision, entries: Sequence[ChampionVersion]) -> Decision:
    """Judge the draft's candidate against the present champion."""
    head = entries[-1] if entries else None
    judgment = judge(draft.candidate, None if head is None else head.results, draft.rules)
    former = withdrawn(entries).get(draft.candidate.experiment_id)
    if judgment.verdict == "promote" and former is not None:
        sentence = (
            f"Keep the champion: this experiment was version {former} and was rolled back; only a person brings it "
            f"back: grokcore champion rollback {draft.champion} --to {former}. Otherwise: {judgment.sentence}"
        )
        judgment = judgment.model_copy(update={"verdict": "keep", "sentence": sentence})
    return draft.model_copy(
        update={
            **{name: getattr(judgment, name) for name in Judgment.model_fields},
            "decided": utc_now(),
            "against": None if head is None else head.version,
            "champion_summary": None if head is None else head.summary,
        }
    )


def _promotion_of(decision: Decision, entries: Sequence[ChampionVersion]) -> ChampionVersion | None:
    """Find the entry by which an earlier attempt promoted this candidate."""
    for entry in entries:
        if entry.decision == decision.uri and entry.run_ids == decision.candidate.run_ids:
            return entry
    return None


def _completed(decision: Decision, entry: ChampionVersion, history: History) -> Decision:
    """Complete the decision and pointer of a promotion whose entry exists."""
    history.repair_pointer()
    try:
        known = read_decision(decision.uri)
    except InputError:  # absent, or damaged: it is written anew
        known = decision
    if known.candidate.run_ids != entry.run_ids:
        known = decision
    if known.promoted == entry.version:
        return known
    sentence = known.sentence
    if known.verdict != "promote":
        sentence = f"Promote: an earlier attempt has made this candidate version {entry.version} of the champion."
    decision = known.model_copy(update={"verdict": "promote", "sentence": sentence, "promoted": entry.version})
    write_decision(decision)
    return decision


def _entry_of(decision: Decision, head: ChampionVersion | None) -> ChampionVersion:
    return ChampionVersion(
        name=decision.champion,
        version=1 if head is None else head.version + 1,
        runs=decision.runs,
        run_ids=decision.candidate.run_ids,
        dataset_id=decision.candidate.dataset_id,
        spec=decision.spec,
        summary=decision.candidate_summary,
        results=decision.candidate,
        promoted=utc_now(),
        decision=decision.uri,
        previous=None if head is None else head.origin,
    )
