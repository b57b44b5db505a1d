import json
from pathlib import Path

import pytest

from components.training.resolve_sweep import resolve_sweep
from components.training.resolve_sweep.example_pipelines import SWEEP
from grokcore.spec import load_spec
from grokcore.sweeps.packs import decode_experiments

resolve = resolve_sweep.python_func


def test_an_item_carries_all_that_belongs_to_its_point():
    items = resolve(SWEEP, "training.max_steps=20")
    assert [item["point"] for item in items] == ["task.entities=30", "task.entities=40"]
    for item, entities in zip(items, (30, 40), strict=True):
        assert item.keys() == {"sweep", "point", "spec", "task_spec", "seeds", "gpu_count"}
        assert all(isinstance(value, str) for value in item.values())  # numbers inside items would become floats
        expected = load_spec("smoke", [f"task.entities={entities}", "training.max_steps=20"])
        assert load_spec(item["spec"]).run_id == expected.run_id
        assert json.loads(item["task_spec"])["entities"] == entities
        assert item["seeds"] == "0,1"
        assert item["sweep"] == "two-sizes"


def test_seeds_and_points_can_be_chosen():
    (item,) = resolve(SWEEP, seeds="3..5", only=["entities=40"])
    assert (item["point"], item["seeds"]) == ("task.entities=40", "3,4,5")
    (item,) = resolve(SWEEP, only=["30"])
    assert item["point"] == "task.entities=30"


def test_more_points_than_items_are_packed(capsys: pytest.CaptureFixture[str]):
    (item,) = resolve(SWEEP, most=1, gpu_count="2")
    assert item["point"] == "task.entities=30 and 1 more"
    assert [spec.task.entities for spec in decode_experiments(item["spec"])] == [30, 40]
    assert [task["entities"] for task in json.loads(item["task_spec"])] == [30, 40]
    assert item["gpu_count"] == "2"
    assert "2 points are packed into 1 tasks of up to 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"sweep": "nothing-like-it"}, "there is no sweep"),
        ({"sweep": SWEEP, "overrides": "model.depth=2"}, "model.depth"),
        ({"sweep": SWEEP, "only": ["entities=50"]}, "entities=50"),
        ({"sweep": SWEEP, "seeds": "0..x"}, "seeds"),
        ({"sweep": SWEEP, "most": 0}, "most=0 must be at least 1"),
        ({"sweep": SWEEP.replace("[30, 40]", "[30, 1]")}, "entities"),
    ],
)
def test_bad_input_ends_the_task_with_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: dict, named: str
):
    with pytest.raises(SystemExit) as exit_:
        resolve(**arguments)
    message = capsys.readouterr().err
    assert exit_.value.code == 2
    assert message.count("\n") == 1
    assert named in message


def test_a_sweep_is_never_read_from_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP)
    with pytest.raises(SystemExit):
        resolve(str(file))
    assert "there is no sweep" in capsys.readouterr().err
