import json
from pathlib import Path
from typing import Any

import pytest

from components.training.resolve_retraining import resolve_retraining
from grokcore.champions import GateRules, decide, promote, rollback
from grokcore.champions.challenger import task_id
from grokcore.runs.groups import experiment_id
from grokcore.spec import load_spec
from grokcore.spec.loading import parse_seeds
from tests.champions.challengers import challenger

resolve = resolve_retraining.python_func


def call(place: Path, **changes: Any) -> Any:
    return resolve(**{"preset": "smoke", "store": str(place), **changes})


def crown(place: Path, **changes: Any) -> None:
    """A champion of `smoke` in a store."""
    spec = load_spec("smoke")
    known = {"task_id": task_id(spec), "evaluation_id": spec.evaluation_id, **changes}
    champion = challenger([100.0] * 5, **known)
    runs = [f"{place}/runs/{run_id}/first" for run_id in champion.run_ids]
    decision = decide(str(place), "default", "first", champion, runs=runs, spec=spec, rules=GateRules())
    assert promote(decision).promoted == 1


def test_everything_is_resolved_for_the_tasks_to_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = call(tmp_path, overrides="task.values=4", seeds="0..9", minimum_seeds=8, confidence=0.9)
    spec, task, gate = (json.loads(found[place]) for place in (0, 1, 3))
    assert task["values"] == 4
    assert spec["task"] == task
    assert found[2] == load_spec("smoke", ["task.values=4"]).dataset_id
    assert (gate["minimum_seeds"], gate["confidence"], gate["split"]) == (8, 0.9, "test_inferred_ood")
    assert "no champion default yet" in capsys.readouterr().out


def test_the_champion_is_named_before_anything_is_spent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    crown(tmp_path)
    call(tmp_path)
    assert "the champion default is version 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"preset": "nothing"}, "nothing"),
        ({"run_key": "of monday"}, "run_key"),
        ({"overrides": "model.width=-1"}, "model.width"),
        ({"seeds": "0..x"}, "seeds"),
        ({"seeds": "0..3"}, "minimum_seeds"),
        ({"confidence": 1.0}, "confidence"),
        ({"minimum_time_gain": -0.1}, "minimum_time_gain"),
        ({"split": "test"}, "test_inferred_iid, test_inferred_ood"),
        ({"champion": "../else"}, "champion's name"),
        ({"store": ""}, "GROKCORE_STORE"),
        ({"overrides": "model.seed=1 training.seed=1"}, "all seeds make one and the same run"),
    ],
)
def test_what_could_never_be_promoted_is_one_line_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], named: str
):
    with pytest.raises(SystemExit) as exit_:
        call(tmp_path, **changes)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"task_id": "other"}, "task"),
        ({"split": "test_inferred_iid"}, "split"),
        ({"evaluation_id": "other"}, "rules of evaluation"),
    ],
)
def test_a_champion_that_cannot_be_compared_is_told_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], what: str
):
    crown(tmp_path, **changes)
    with pytest.raises(SystemExit):
        call(tmp_path)
    assert f"judged by another {what} than" in capsys.readouterr().err
    call(tmp_path, champion="another")


def train(place: Path, key: str, verdict: str = "promote", *, steps: float = 3000.0, **changes: Any) -> str:
    """Record a retraining of `smoke` as its pipeline does; return the decision's URI."""
    spec = load_spec("smoke", [f"{name}={value}" for name, value in changes.items()])
    ids = [spec.model_copy(update={"seed": seed}).run_id for seed in range(5)]
    known = {"task_id": task_id(spec), "evaluation_id": spec.evaluation_id, "experiment_id": experiment_id(spec)}
    candidate = challenger([steps] * 5, **known)
    results = tuple(one.model_copy(update={"run_id": id_}) for one, id_ in zip(candidate.seeds, ids, strict=True))
    candidate = candidate.model_copy(update={"seeds": results})
    rules = GateRules(split="test_inferred_ood")
    runs = [f"{place}/runs/{id_}/{key}" for id_ in ids]
    decision = decide(str(place), "default", key, candidate, runs=runs, spec=spec, rules=rules)
    if verdict == "promote":
        assert promote(decision).promoted is not None
    else:
        assert decision.verdict != "promote"
    return decision.uri


def refusal(place: Path, capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    with pytest.raises(SystemExit) as exit_:
        call(place, **changes)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_the_champions_own_runs_are_not_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path, "monday")
    error = refusal(tmp_path, capsys, run_key="tuesday")
    assert "these runs are version 1 of the champion default already" in error
    assert "new_seeds" in error
    call(tmp_path, run_key="tuesday", seeds="0..5")
    call(tmp_path, run_key="tuesday", overrides="model.width=16")


def test_runs_that_lost_against_this_champion_are_not_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path, "monday")
    uri = train(tmp_path, "tuesday", "keep", **{"model.width": 16})
    error = refusal(tmp_path, capsys, run_key="wednesday", overrides="model.width=16")
    assert uri in error
    assert "keep" in error
    call(tmp_path, run_key="wednesday", overrides="model.width=16", minimum_time_gain=0.2)
    (tmp_path / "retrainings" / "default" / "tuesday.json").write_text("{}")
    call(tmp_path, run_key="wednesday", overrides="model.width=16")


def test_a_retraining_that_was_interrupted_goes_on_under_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train(tmp_path, "monday")
    call(tmp_path, run_key="monday")
    monkeypatch.setenv("GROKCORE_RUN_KEY", "monday")
    call(tmp_path)
    train(tmp_path, "tuesday", "keep", **{"model.width": 16})
    call(tmp_path, run_key="tuesday", overrides="model.width=16")


def test_what_was_rolled_back_is_not_trained_again_with_any_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path, "monday", **{"model.width": 16})
    train(tmp_path, "tuesday", steps=300.0)
    rollback(str(tmp_path), "default", seen=2)
    error = refusal(tmp_path, capsys, run_key="wednesday", seeds="10..14")
    assert "rollback default --to 2" in error


def test_new_seeds_follow_from_the_key_and_differ_from_run_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train(tmp_path, "monday")
    first, again, other = (call(tmp_path, new_seeds=6, run_key=key)[4] for key in ("a", "a", "b"))
    assert first == again != other
    assert len(set(parse_seeds(first)) | set(parse_seeds(other))) == 12
    assert f"drew the seeds {first}" in capsys.readouterr().out
    assert call(tmp_path, seeds="5..9")[4] == "5..9"
    assert "run_key" in refusal(tmp_path, capsys, new_seeds=5)
    assert "minimum_seeds" in refusal(tmp_path, capsys, new_seeds=3, run_key="a")


def test_the_number_of_gpus_follows_the_candidate_unless_given(tmp_path: Path):
    assert call(tmp_path, gpu_count="auto")[5] == "0"
    assert call(tmp_path, gpu_count="auto", overrides="model.width=768")[5] == "1"
    assert call(tmp_path, gpu_count="2")[5] == "2"
