"""Promotion and rollback on both kinds of store: of several at once, and interrupted anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grokcore.champions import (
    Challenger,
    ChampionVersion,
    Decision,
    GateRules,
    History,
    decide,
    promote,
    read_decision,
    rollback,
    rollback_target,
)
from grokcore.champions import history as history_module
from grokcore.errors import InputError, TransientError
from grokcore.spec import load_spec
from grokcore.storage import Store, open_store
from tests.champions.challengers import challenger
from tests.faults.dying import DyingStore, in_child

SLOW = [2800.0, 3100.0, 3000.0, 3300.0, 2900.0]
SPEC = load_spec("smoke")


def candidate(name: str, factor: float = 1.0) -> Challenger:
    return challenger([time * factor for time in SLOW], name=name)


def decided(store: str, made: Challenger, run_key: str = "", **rules: Any) -> Decision:
    runs = [f"{store}/runs/{run_id}/first" for run_id in made.run_ids]
    return decide(store, "default", run_key or made.name, made, runs=runs, spec=SPEC, rules=GateRules(**rules))


def promoted(store: str, made: Challenger, run_key: str = "") -> Decision:
    return promote(decided(store, made, run_key))


def pointer(store: str) -> dict[str, Any]:
    """What a simple reader sees."""
    found: dict[str, Any] = json.loads(open_store(store).read("champions/default.json"))
    return found


def test_the_first_candidate_that_groks_becomes_the_champion(store_uri: str):
    decision = promoted(store_uri, candidate("first"))
    assert (decision.verdict, decision.promoted, decision.against) == ("promote", 1, None)
    found = pointer(store_uri)
    assert (found["name"], found["version"], found["previous"]) == ("default", 1, None)
    assert found["run_ids"] == [f"first-{seed}" for seed in range(5)]
    assert found["runs"][0] == f"{store_uri}/runs/first-0/first"
    assert found["dataset_id"] == "dataset"
    assert found["spec"]["name"] == "smoke"
    assert found["summary"]["reached"] == 5
    assert found["decision"] == f"{store_uri}/retrainings/default/first.json"
    assert read_decision(found["decision"]) == decision


def test_a_better_candidate_takes_its_place_and_a_worse_one_does_not(store_uri: str):
    promoted(store_uri, candidate("first"))
    worse = promoted(store_uri, candidate("worse", 2))
    assert (worse.verdict, worse.promoted, worse.against) == ("keep", None, 1)
    assert pointer(store_uri)["version"] == 1
    better = promoted(store_uri, candidate("better", 0.4))
    assert (better.verdict, better.promoted) == ("promote", 2)
    assert pointer(store_uri)["run_ids"] == list(candidate("better").run_ids)
    assert pointer(store_uri)["previous"] == 1
    assert better.champion_summary is not None
    assert [entry.version for entry in History(store_uri, "default").entries()] == [1, 2]


def test_promoting_twice_does_as_much_as_once(store_uri: str):
    decision = decided(store_uri, candidate("first"))
    assert promote(decision) == promote(decision)
    again = decided(store_uri, candidate("first"))
    assert (again.verdict, again.promoted) == ("promote", 1)
    assert len(History(store_uri, "default").entries()) == 1


def test_another_experiment_under_the_same_key_is_judged_for_itself(store_uri: str):
    promoted(store_uri, candidate("first"), "key")
    other = promoted(store_uri, candidate("other", 0.4), "key")
    assert (other.verdict, other.promoted) == ("promote", 2)


def promoted_at_once(decisions: list[Decision]) -> list[Decision]:
    """What becomes of decisions that are carried out by as many threads at the same moment."""
    start = threading.Barrier(len(decisions))

    def run(decision: Decision) -> Decision:
        start.wait()
        return promote(decision)

    with ThreadPoolExecutor(len(decisions)) as pool:
        return list(pool.map(run, decisions))


def test_of_racing_promotions_one_wins_and_the_others_are_decided_anew(store_uri: str):
    decisions = [decided(store_uri, candidate(f"racer{number}")) for number in range(6)]
    assert {decision.verdict for decision in decisions} == {"promote"}
    results = promoted_at_once(decisions)
    winners = [result for result in results if result.promoted is not None]
    assert len(winners) == 1
    entries = History(store_uri, "default").entries()
    assert [entry.run_ids for entry in entries] == [winners[0].candidate.run_ids]
    assert pointer(store_uri)["run_ids"] == list(winners[0].candidate.run_ids)
    for loser in (result for result in results if result is not winners[0]):
        assert (loser.verdict, loser.against) == ("keep", 1)
        assert read_decision(loser.uri) == loser


def test_an_entry_that_came_between_reading_and_writing_is_not_written_over(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
):
    late, early = decided(store_uri, candidate("late")), decided(store_uri, candidate("early"))
    append = History.append

    def append_after_the_other(history: History, entry: ChampionVersion) -> bool:
        monkeypatch.setattr(History, "append", append)
        assert promote(early).promoted == 1
        return append(history, entry)

    monkeypatch.setattr(History, "append", append_after_the_other)
    result = promote(late)
    assert (result.verdict, result.promoted, result.against) == ("keep", None, 1)
    assert [entry.run_ids for entry in History(store_uri, "default").entries()] == [early.candidate.run_ids]
    assert pointer(store_uri)["run_ids"] == list(early.candidate.run_ids)


def test_when_all_of_them_are_better_the_pointer_ends_at_the_last(store_uri: str):
    promoted(store_uri, candidate("first"))
    decisions = [decided(store_uri, candidate(f"racer{number}", 0.4**number)) for number in (1, 2, 3)]
    results = promoted_at_once(decisions)
    entries = History(store_uri, "default").entries()
    assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1].run_ids == candidate("racer3").run_ids
    assert sum(result.promoted is not None for result in results) == len(entries) - 1
    assert pointer(store_uri) == json.loads(entries[-1].model_dump_json())


def dying_at(number: int) -> Callable[[str], Store]:
    return lambda uri: DyingStore(open_store(uri), number)


def test_killed_anywhere_a_promotion_is_finished_by_the_next_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before each of its operations on the store, those between the entry and the pointer among them."""
    behind = 0
    for number in range(1, 100):
        store = str(tmp_path / str(number))
        promoted(store, candidate("first"))
        decision = decided(store, candidate("better", 0.4))

        def work(store: str = store, decision: Decision = decision, number: int = number) -> None:
            monkeypatch.setattr(history_module, "open_store", dying_at(number))
            promote(decision)

        code = in_child(work)
        left = History(store, "default").entries()
        behind += len(left) == 2 and pointer(store)["version"] == 1
        assert pointer(store)["version"] in (1, 2)
        result = promote(decision)
        assert (result.verdict, result.promoted) == ("promote", 2)
        assert [entry.version for entry in History(store, "default").entries()] == [1, 2]
        assert pointer(store)["version"] == 2
        assert read_decision(decision.uri) == result
        if code == 0:
            break
    assert code == 0
    assert number > 8
    assert behind >= 1, "no kill fell between the entry and the pointer"


def test_a_pointer_that_is_behind_or_damaged_is_mended(store_uri: str):
    promoted(store_uri, candidate("first"))
    old = open_store(store_uri).read("champions/default.json")
    promoted(store_uri, candidate("better", 0.4))
    for wrong in (old, b"{", b"[]"):
        open_store(store_uri).write("champions/default.json", wrong)
        head = History(store_uri, "default").head()
        assert head is not None
        assert head.version == 2
        promoted(store_uri, candidate("better", 0.4))
        assert pointer(store_uri)["version"] == 2


def three_champions(store: str) -> list[ChampionVersion]:
    for number in range(3):
        assert promoted(store, candidate(f"number{number}", 0.4**number)).promoted == number + 1
    return History(store, "default").entries()


def test_a_rollback_is_a_further_entry_that_brings_the_earlier_one_back(store_uri: str):
    first, second, _ = three_champions(store_uri)
    back = rollback(store_uri, "default", seen=3)
    assert (back.version, back.restores, back.previous, back.decision) == (4, 2, 3, None)
    assert back.runs == second.runs
    assert pointer(store_uri)["run_ids"] == list(second.run_ids)
    further = rollback(store_uri, "default", seen=4)
    assert (further.version, further.restores) == (5, 1)
    assert further.run_ids == first.run_ids
    with pytest.raises(InputError, match="no way back: let a better candidate replace it"):
        rollback(store_uri, "default", seen=5)
    forward = rollback(store_uri, "default", seen=5, to=3)
    assert (forward.version, forward.restores) == (6, 3)
    assert len(History(store_uri, "default").entries()) == 6


def test_what_was_rolled_back_is_not_promoted_again_by_the_gate(store_uri: str):
    three_champions(store_uri)
    rollback(store_uri, "default", seen=3, to=1)
    for number in (1, 2):
        again = promoted(store_uri, candidate(f"number{number}", 0.4**number), "the-next-night")
        assert again.verdict == "keep"
        assert f"rollback default --to {number + 1}" in again.sentence
    assert promoted(store_uri, candidate("another", 0.4)).promoted == 5
    rollback(store_uri, "default", seen=5, to=3)
    assert rollback(store_uri, "default", seen=6).restores == 2
    assert rollback(store_uri, "default", seen=7).restores == 1


def test_a_rollback_of_what_has_changed_since_is_refused(store_uri: str):
    three_champions(store_uri)
    with pytest.raises(TransientError, match="no longer version 2"):
        rollback(store_uri, "default", seen=2)
    assert pointer(store_uri)["version"] == 3


@pytest.mark.parametrize(("to", "named"), [(3, "already"), (9, "1 to 3"), (0, "1 to 3")])
def test_a_rollback_to_nowhere_is_one_line(tmp_path: Path, to: int, named: str):
    entries = three_champions(str(tmp_path))
    with pytest.raises(InputError, match=named):
        rollback_target(entries, "default", to)


def test_a_damaged_entry_is_one_line_that_names_it(tmp_path: Path):
    three_champions(str(tmp_path))
    (tmp_path / "champions" / "default" / "000003.json").write_text('{"version": 3}')
    with pytest.raises(InputError, match=r"000003\.json is damaged"):
        History(str(tmp_path), "default").head()
    (tmp_path / "champions" / "default" / "000003.json").write_bytes(
        (tmp_path / "champions" / "default" / "000002.json").read_bytes()
    )
    with pytest.raises(InputError, match="it is version 2"):
        History(str(tmp_path), "default").entries()


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden", "default.json", "a" * 129])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="champion's name"):
        History(str(tmp_path), name)


def test_other_files_in_the_history_are_no_versions(tmp_path: Path):
    promoted(str(tmp_path), candidate("first"))
    (tmp_path / "champions" / "default" / "notes.txt").write_text("not ours")
    (tmp_path / "champions" / "default" / "7.json").write_text("{}")
    assert [entry.version for entry in History(str(tmp_path), "default").entries()] == [1]
