"""The stages of a retraining besides training: validate the form, and compare with the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokcore.champions.challenger import Challenger, challenger_of, task_id, uris_of
from grokcore.champions.champion import decide
from grokcore.champions.gains import failing
from grokcore.champions.gate import GateRules, judged_split
from grokcore.champions.history import ChampionVersion, Decision, History
from grokcore.champions.repetition import draw_seeds, refuse_repetition
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.evaluation.survival import clopper_pearson
from grokcore.spec import ExperimentSpec, load_spec, resolve, split_overrides, validate
from grokcore.spec.loading import parse_seeds
from grokcore.storage.layout import champion_store, retraining_key


@dataclass(frozen=True)
class Retraining:
    """A validated retraining.

    Attributes:
        spec: resolved.
        gate: rules with the split that is compared.
        seeds: to train, as in 0,3,5.
    """

    spec: ExperimentSpec
    gate: GateRules
    seeds: str


def resolve_retraining(
    preset: str,
    overrides: str,
    seeds: str,
    champion: str,
    store: str,
    rules: Mapping[str, Any],
    *,
    new_seeds: int = 0,
    run_key: str = "",
    notify: Callable[[str], None] = lambda line: None,
) -> Retraining:
    """Validate a retraining before it starts; refuse a candidate that could never be promoted.

    Args:
        preset: name of a preset, or a whole spec as YAML or JSON; never a path.
        seeds: of initialization and order, as in 0..4.
        store, run_key: taken from the environment if empty.
        rules: of the gate; others keep their defaults.
        new_seeds: number of seeds to draw from the run key in place of `seeds`; 0 draws none.

    Raises:
        InputError: in one line, what is wrong; also where the champion cannot be compared with this candidate, or its
            runs were judged before.
        TransientError: the store did not answer.
    """
    gate: GateRules = validate(GateRules, dict(rules))
    spec = resolve(load_spec(preset, split_overrides(overrides), allow_files=False, notify=notify))
    gate = gate.model_copy(update={"split": judged_split(gate, spec)})
    if new_seeds:
        seeds = ",".join(map(str, draw_seeds(new_seeds, retraining_key(run_key))))
        notify(f"drew the seeds {seeds}")
    numbers = parse_seeds(seeds, "seeds")
    if len(numbers) < gate.minimum_seeds:
        raise InputError(
            f"seeds {seeds} are {len(numbers)}, and the gate decides nothing on fewer than {gate.minimum_seeds}: give "
            "more seeds, or lower minimum_seeds"
        )
    run_ids = {spec.model_copy(update={"seed": number}).run_id for number in numbers}
    if len(run_ids) < len(numbers):
        raise InputError(
            "model.seed and training.seed are both fixed, so that all seeds make one and the same run: leave one of "
            "them out"
        )
    history = History(champion_store(store), champion)
    entries = history.entries()
    head = entries[-1] if entries else None
    failures = 0.0 if head is None else _surely_failing(head.results, gate)
    if clopper_pearson(0, len(numbers), gate.confidence)[1] - failures > gate.failing_margin and head is not None:
        raise InputError(
            f"seeds {seeds} are {len(numbers)}: even if none of them failed, they could not exclude that "
            f"{gate.failing_margin:.0%} more fail than of the champion's; give more seeds, or raise failing_margin"
        )
    if head is None:
        notify(f"there is no champion {champion} yet: the candidate becomes it if enough of its seeds grok")
    else:
        _check_comparable(head, spec, gate)
        notify(f"the champion {champion} is version {head.version}: {', '.join(head.runs)}")
    refuse_repetition(history, entries, spec, run_ids, gate, run_key)
    return Retraining(spec, gate, seeds)


def _check_comparable(head: ChampionVersion, spec: ExperimentSpec, gate: GateRules) -> None:
    known = head.results
    theirs, ours = (known.task_id, known.split, known.evaluation_id), (task_id(spec), gate.split, spec.evaluation_id)
    for what, one, other in zip(("task", "split", "rules of evaluation"), theirs, ours, strict=True):
        if one != other:
            raise InputError(
                f"champion {head.name} (version {head.version}) was judged by another {what} than this candidate would "
                "be, so the two cannot be compared: name another champion, or change the spec"
            )


def _surely_failing(champion: Challenger, gate: GateRules) -> float:
    """Lower confidence limit of the share of the champion's seeds that fail."""
    return clopper_pearson(failing(champion, gate.accuracy_margin), len(champion.seeds), gate.confidence)[0]


def compare_with_champion(
    evaluations: str | Path, run_uris: Mapping[str, str], champion: str, rules: GateRules, store: str, run_key: str
) -> Decision:
    """Judge the evaluated runs below a directory against the champion of a store, and write the decision.

    Args:
        evaluations: directory with a run's record and evaluation in each of its folders.
        run_uris: where the runs themselves lie, by the names of these folders.
        store, run_key: taken from the environment if empty.

    Raises:
        InputError: the runs are not one candidate, or a name or the store is wrong.
        TransientError: the store did not answer.
    """
    records = read_records([evaluations])
    spec = min((record.spec for record in records), key=lambda spec: spec.seed)
    candidate = challenger_of(records, judged_split(rules, spec))
    places = {record.manifest.run_id: run_uris.get(Path(record.uri).name, record.uri) for record in records}
    return decide(store, champion, run_key, candidate, runs=uris_of(records, places), spec=spec, rules=rules)
