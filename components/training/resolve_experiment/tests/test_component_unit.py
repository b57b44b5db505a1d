import json
from pathlib import Path

import pytest

from components.training.resolve_experiment import resolve_experiment
from grokcore.spec import load_spec

resolve = resolve_experiment.python_func


def test_returns_the_ids_that_the_library_gives_for_the_same_spec():
    spec, task, run_id, dataset_id = resolve("smoke", "model.width=16 task.entities=50", 3)
    expected = load_spec("smoke", ["model.width=16", "task.entities=50", "seed=3"])
    assert (run_id, dataset_id) == (expected.run_id, expected.dataset_id)
    assert json.loads(spec)["seed"] == 3
    assert json.loads(task)["entities"] == 50


def test_a_seed_of_zero_leaves_the_seed_of_an_inline_spec():
    spec, *_ = resolve("name: inline\nseed: 7\ntraining: {precision: fp32}", "", 0)
    assert json.loads(spec)["seed"] == 7


@pytest.mark.parametrize(
    ("preset", "overrides", "named"),
    [("smok", "", "did you mean smoke"), ("smoke", "model.depth=2", "model.depth"), ("smoke", 'name="x', "overrides")],
)
def test_bad_input_ends_the_task_with_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], preset: str, overrides: str, named: str
):
    with pytest.raises(SystemExit) as exit_:
        resolve(preset, overrides, 0)
    message = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message.count("\n") == 1
    assert named in message


def test_a_preset_is_never_read_from_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "spec.yaml"
    file.write_text("name: secret")
    with pytest.raises(SystemExit):
        resolve(str(file), "", 0)
    assert "there is no preset" in capsys.readouterr().err
