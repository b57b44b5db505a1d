"""A champion: deciding on a candidate, promoting it, and taking that back."""

from __future__ import annotations

from collections.abc import Sequence

from grokcore.champions.contender import Contender, summary_of
from grokcore.champions.decision import Decision, read_decision, utc_now, write_decision
from grokcore.champions.gate import Judgement, judge
from grokcore.champions.history import Entry, History, withdrawn
from grokcore.champions.rules import GateRules
from grokcore.errors import InputError, TransientError
from grokcore.spec import ExperimentSpec
from grokcore.storage.layout import champion_store, retraining_uri

_MOST_RACES = 20
"""Promotions that may be lost to others in a row."""


def decide(
    store: str,
    name: str,
    run_key: str,
    candidate: Contender,
    *,
    runs: Sequence[str],
    spec: ExperimentSpec,
    rules: GateRules,
) -> Decision:
    """Judge a candidate against the champion of a store, and write the record of it.

    Where an earlier attempt of the same retraining has promoted this candidate, its record is returned as it is.

    Args:
        store, run_key: taken from the environment if empty; the key tells this retraining from others, and is the same
            for all its attempts.
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
        return _carried_out(draft, done, history)
    decision = _judged(draft, entries)
    write_decision(decision)
    return decision


def promote(decision: Decision) -> Decision:
    """Make a candidate the champion, if its verdict says so and still holds.

    Where the champion has changed since, the candidate is judged anew, against the one that there is now. Doing it
    twice does as much as once, whatever was interrupted.

    Returns:
        The decision as it stands in its record now: with the version that the candidate became, or with another
        verdict.

    Raises:
        InputError: the store may not be written, or an entry is damaged.
        TransientError: the store did not answer, or others promote all the time.
    """
    history = History(decision.store, decision.champion)
    for _ in range(_MOST_RACES):
        entries = history.entries()
        done = _promotion_of(decision, entries)
        if done is not None:
            return _carried_out(decision, done, history)
        head = entries[-1] if entries else None
        if decision.against != (head.version if head else None):
            decision = _judged(decision, entries)
        if decision.verdict != "promote":
            write_decision(decision)
            return decision
        history.append(_entry_of(decision, head))
    raise TransientError(f"the champion {decision.champion} changes all the time: try again later")


def rollback(store: str, name: str, *, seen: int, to: int | None = None) -> Entry:
    """Bring an earlier champion back, by a further entry: history is never rewritten.

    Args:
        seen: the version that whoever asks takes for the champion.
        to: the version to bring back; by default the champion before this one.

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


def rollback_target(entries: Sequence[Entry], name: str, to: int | None = None) -> int:
    """The version that a rollback brings back: the one asked for, or the champion before the last promotion.

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
            raise InputError(f"nothing was the champion {name} before version {head.origin}: there is no way back")
        return before
    if to not in by_version:
        known = f"1 to {head.version}" if len(entries) > 1 else "1"
        raise InputError(f"the champion {name} has no version {to}; it has {known}")
    if by_version[to].origin == head.origin:
        raise InputError(f"version {to} is the champion {name} already")
    return to


def _judged(draft: Decision, entries: Sequence[Entry]) -> Decision:
    """The draft with the verdict of today."""
    head = entries[-1] if entries else None
    judgement = judge(draft.candidate, None if head is None else head.results, draft.rules)
    former = withdrawn(entries).get(draft.candidate.experiment_id)
    if judgement.verdict == "promote" and former is not None:
        sentence = (
            f"Keep the champion: this experiment was version {former} and was rolled back; only a person brings it "
            f"back: grokcore champion rollback {draft.champion} --to {former}. Otherwise: {judgement.sentence}"
        )
        judgement = judgement.model_copy(update={"verdict": "keep", "sentence": sentence})
    return draft.model_copy(
        update={
            **{name: getattr(judgement, name) for name in Judgement.model_fields},
            "decided": utc_now(),
            "against": None if head is None else head.version,
            "champion_summary": None if head is None else head.summary,
        }
    )


def _promotion_of(decision: Decision, entries: Sequence[Entry]) -> Entry | None:
    """The entry by which an earlier attempt has promoted this candidate."""
    for entry in entries:
        if entry.decision == decision.uri and entry.run_ids == decision.candidate.run_ids:
            return entry
    return None


def _carried_out(decision: Decision, entry: Entry, history: History) -> Decision:
    """The record of a promotion that has been made, with all that belongs to it in place."""
    history.mend()
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


def _entry_of(decision: Decision, head: Entry | None) -> Entry:
    return Entry(
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
