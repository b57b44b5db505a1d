import json
from pathlib import Path
from typing import Any

import pytest

from components.training.resolve_retraining import resolve_retraining
from grokcore.champions import GateRules, decide, promote
from grokcore.champions.challenger import task_id
from grokcore.spec import load_spec
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
