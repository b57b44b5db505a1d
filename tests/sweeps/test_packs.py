"""Many points are packed into few items of a loop, and each task of the loop finds its own again."""

from __future__ import annotations

import json

import pytest

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.sweeps import loop_items
from grokcore.sweeps.packs import (
    decode_experiments,
    decode_tasks,
    encode_experiments,
    encode_tasks,
    packs_of,
)

MANY = """
name: many
base: smoke
overrides: [training.max_steps=12]
most_runs: 2500
axes:
  - {kind: grid, field: training.weight_decay, values: [%s]}
  - {kind: grid, field: task.values, values: [3, 4]}
seeds: 0..4
""" % ", ".join(f"0.{number:03d}" for number in range(1, 251))  # noqa: UP031 - braces of YAML


def test_a_sweep_of_500_points_and_5_seeds_is_tens_of_items_below_the_size_of_a_workflow() -> None:
    notes: list[str] = []
    items = loop_items(MANY, notify=notes.append)
    assert 10 <= len(items) <= 30
    assert f"500 points are packed into {len(items)} tasks of up to 17" in notes
    specs = [spec for item in items for spec in decode_experiments(item["spec"])]
    wanted = {(number / 1000, values) for number in range(1, 251) for values in (3, 4)}
    assert {(spec.training.weight_decay, spec.task.values) for spec in specs} == wanted
    assert len(specs) == 500
    assert {item["seeds"] for item in items} == {"0,1,2,3,4"}
    assert len(json.dumps(items)) < 256 * 1024, "a parameter of a workflow"
    for item in items:
        ids = {spec.dataset_id for spec in decode_experiments(item["spec"])}
        assert {spec.dataset_id for spec in specs if spec.task in decode_tasks(item["task_spec"])} == ids


def test_a_sweep_that_fits_has_one_item_per_point_as_before() -> None:
    items = loop_items(
        "{name: few, base: smoke, axes: [{kind: grid, field: model.layers, values: [1, 2]}], seeds: 0..1}"
    )
    assert [(item["point"], item["seeds"]) for item in items] == [("model.layers=1", "0,1"), ("model.layers=2", "0,1")]
    for item in items:
        assert isinstance(ExperimentSpec.model_validate_json(item["spec"]), ExperimentSpec)
        assert json.loads(item["task_spec"])["kind"] == "comparison"


def specs() -> list[ExperimentSpec]:
    """Of other tasks, architectures, and fields that only some have."""
    changes = (
        [],
        ["model.architecture=mamba"],
        ["model.memory.kind=slots", "training.max_seconds=5"],
        ["task.kind=modular"],
    )
    return [load_spec("smoke", [*change]) for change in changes]


def test_packed_experiments_come_back_whatever_they_differ_in() -> None:
    for first in range(len(specs())):
        rotated = specs()[first:] + specs()[:first]
        assert decode_experiments(encode_experiments(rotated)) == rotated
        assert decode_tasks(encode_tasks(rotated)) == list(dict.fromkeys(spec.task for spec in rotated))
    (alone, *_) = specs()
    assert decode_experiments(encode_experiments([alone])) == [alone]
    assert decode_experiments("smoke") == [load_spec("smoke")]


@pytest.mark.parametrize(
    "text", ['{"first":', '{"first":{}}', '{"first":{},"changes":[[[["a"]]]]}', '{"first":1,"changes":2}']
)
def test_damaged_packs_are_one_line(text: str) -> None:
    with pytest.raises(InputError):
        decode_experiments(text)


def test_packs_differ_by_one_item_at_most_and_neighbors_are_apart() -> None:
    for count in range(1, 100):
        packs = packs_of(range(count), 30)
        assert sorted(item for pack in packs for item in pack) == list(range(count))
        assert len(packs) <= 30
        assert max(map(len, packs)) - min(map(len, packs)) <= 1
    assert packs_of(range(31), 30)[0] == [0, 16]
