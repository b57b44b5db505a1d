"""Descriptions are true to what they describe: counts are those of the experiment, changed or not."""

from __future__ import annotations

import json
import re

import pytest

from grokcore.spec import load_spec, preset_names
from grokcore.sweeps import expand, load_sweep, sweep_names
from grokcore.sweeps.loading import with_changes


@pytest.mark.parametrize("name", preset_names())
def test_counts_in_the_description_of_a_preset_are_its_own(name: str) -> None:
    spec = load_spec(name)
    for pattern, value in (
        (r"(\d+) entities", getattr(spec.task, "entities", None)),
        (r"(\d+)-layer|of (\d+) layers", spec.model.layers),
    ):
        for found in re.finditer(pattern, spec.description):
            assert int(next(group for group in found.groups() if group)) == value


@pytest.mark.parametrize("name", sweep_names())
def test_counts_in_the_description_of_a_sweep_are_its_own(name: str) -> None:
    sweep = load_sweep(name)
    for found in re.finditer(r"(\d+) seeds", sweep.description):
        assert int(found[1]) == len(sweep.seeds)


def test_a_description_says_what_was_changed_instead_of_what_was() -> None:
    spec = load_spec("composition-small", ["task.entities=60", "model.layers=3"])
    assert spec.description == "composition-small, changed: task.entities=60 model.layers=3"
    assert (
        load_spec("composition-small", ["seed=3", "name=x"]).description == load_spec("composition-small").description
    )
    assert load_spec("demo", ["model.layers=3", "description=mine"]).description == "mine"
    again = load_spec(spec.model_dump(mode="json", exclude_unset=True), ["task.phi=3"])
    assert again.description == f"{spec.description} task.phi=3"
    assert load_spec('{"name": "a"}', ["training.batch_size=8"]).description == ""


def test_points_of_a_sweep_do_not_bear_the_description_of_its_base() -> None:
    axis = {"kind": "grid", "field": "model.architecture", "values": ["gpt2", "mamba"]}
    sweep = load_sweep(json.dumps({"name": "s", "base": "demo", "axes": [axis], "description": "2 points, 1 seed"}))
    assert [point.spec.description for point in expand(sweep)] == [
        "demo, changed: model.architecture=gpt2",
        "demo, changed: model.architecture=mamba",
    ]
    assert with_changes(sweep, (), seeds=(0, 1)).description == "s, changed: seeds=0,1"
    assert load_sweep("architectures-small", ["training.max_steps=5"]).description == (
        "architectures-small, changed: training.max_steps=5"
    )
