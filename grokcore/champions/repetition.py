"""Refuse a retraining that would train and judge the same runs again, as a schedule without new seeds does.

A run is a pure function of its spec: the same seeds give the same curves, and the same verdict against the same
champion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from grokcore.champions.gate import GateRules
from grokcore.champions.history import ChampionVersion, Decision, History, read_decision, withdrawn
from grokcore.errors import InputError
from grokcore.runs.groups import experiment_id
from grokcore.spec import ExperimentSpec
from grokcore.storage.layout import default_key

_SEEDS = 10**9
"""Drawn seeds lie below: short enough to type, and far too many to meet again by chance."""


def draw_seeds(number: int, key: str) -> list[int]:
    """Draw seeds that follow from a retraining's key, so that a retry trains the same runs."""
    digests = (hashlib.sha256(f"{key} {place}".encode()).digest() for place in range(number))
    return [int.from_bytes(digest[:8], "big") % _SEEDS for digest in digests]


def refuse_repetition(
    history: History,
    entries: Sequence[ChampionVersion],
    spec: ExperimentSpec,
    run_ids: set[str],
    gate: GateRules,
    run_key: str,
) -> None:
    """Refuse a candidate whose verdict is known; an attempt to finish the same retraining is none.

    Args:
        entries: all versions of the champion.
        spec: of the candidate, with any seed.
        run_ids: of the candidate's runs.
        run_key: taken from the environment if empty.

    Raises:
        InputError: which version or retraining it repeats, and what to do.
    """
    name = history.name
    key = default_key(run_key)
    own = history.store.uri_of(f"retrainings/{name}/{key}.json")
    if key and any(entry.decision == own for entry in entries):
        return
    former = withdrawn(entries).get(experiment_id(spec))
    if former is not None:
        raise InputError(
            f"this experiment was version {former} of the champion {name} and was rolled back, so it is not promoted "
            f"again: change the spec, or bring it back: grokcore champion rollback {name} --to {former}"
        )
    remedy = "change overrides, or set new_seeds=5 to draw as many new seeds for each run"
    known = next((entry.origin for entry in reversed(entries) if run_ids <= set(entry.run_ids)), None)
    if known is not None:
        raise InputError(
            f"these runs are version {known} of the champion {name} already, and training them again would give the "
            f"same curves: {remedy}"
        )
    head = entries[-1].version if entries else None
    for decision in _decisions(history):
        same = run_ids <= set(decision.candidate.run_ids) and (decision.against, decision.rules) == (head, gate)
        settled = decision.verdict != "promote" and all(seed.ended for seed in decision.candidate.seeds)
        if same and settled and decision.uri != own:
            raise InputError(
                f"these runs were judged by the same rules before, with the verdict {decision.verdict} "
                f"({decision.uri}), and training them again would give the same curves: {remedy}"
            )


def _decisions(history: History) -> Iterator[Decision]:
    for file in history.store.files(f"retrainings/{history.name}"):
        try:
            yield read_decision(history.store.uri_of(file.key))
        except InputError:  # damaged, or of another version of grokcore
            continue
