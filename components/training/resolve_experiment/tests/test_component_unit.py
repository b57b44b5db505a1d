import json
from pathlib import Path

import pytest

from components.training.resolve_experiment import resolve_experiment
from grokcore.spec import load_spec
from grokcore.spec.hardware import cpu_computes_bf16

resolve = resolve_experiment.python_func


def test_returns_the_ids_that_the_library_gives_for_the_same_spec():
    spec, task, run_id, dataset_id, _ = resolve("smoke", "model.width=16 task.entities=50", 3)
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


AUTO = "name: inline\ntraining: {max_steps: 5}"


@pytest.mark.parametrize(
    ("gpu_count", "nodes", "precision", "engine"),
    [("1", "1", "bf16", "native"), ("4", "1", "bf16", "deepspeed"), ("1", "2", "bf16", "deepspeed")],
)
def test_what_is_left_to_the_hardware_is_decided_for_the_gpus_of_the_training_and_not_for_this_node(
    gpu_count: str, nodes: str, precision: str, engine: str
):
    spec, *_ = resolve(AUTO, "", 0, gpu_count, nodes)
    training = json.loads(spec)["training"]
    assert (training["precision"], training["engine"]) == (precision, engine)


def test_without_gpus_one_node_trains_by_itself_and_two_together():
    alone, together = (json.loads(resolve(AUTO, "", 0, "0", nodes)[0])["training"] for nodes in ("1", "2"))
    assert (alone["engine"], together["engine"]) == ("native", "deepspeed")
    assert alone["precision"] == ("bf16" if cpu_computes_bf16() else "fp32")


@pytest.mark.parametrize(("gpu_count", "nodes", "named"), [("two", "1", "gpu_count"), ("1", "0", "nodes")])
def test_a_count_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], gpu_count: str, nodes: str, named: str):
    with pytest.raises(SystemExit) as exit_:
        resolve(AUTO, "", 0, gpu_count, nodes)
    assert exit_.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize(
    ("preset", "overrides", "given", "requested"),
    [
        ("demo", "", "auto", "0"),
        ("thesis", "", "auto", "1"),
        ("demo", "model.width=768", "auto", "1"),
        ("demo", "training.device=cuda", "auto", "1"),
        ("thesis", "training.device=cpu training.precision=fp32 training.engine=native", "auto", "0"),
        ("demo", "", "2", "2"),
        ("thesis", "", "0", "0"),
    ],
)
def test_the_number_of_gpus_follows_the_experiment_unless_given(
    preset: str, overrides: str, given: str, requested: str
):
    assert resolve(preset, overrides, gpu_count=given)[4] == requested
