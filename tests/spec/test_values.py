"""A value is read for the field that it goes to, alike on the command line, in files, in forms and in sweeps."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, TrainingSpec, load_spec, load_task, split_overrides
from grokcore.sweeps import expand, load_sweep

TAKEN = [
    ("modular", "task.operation", "-", "-"),
    ("modular", "task.operation", "*", "*"),
    ("smoke", "name", "2024", "2024"),
    ("smoke", "name", "010", "010"),
    ("smoke", "name", "1e3", "1e3"),
    ("smoke", "name", "on", "on"),
    ("smoke", "name", "true", "true"),
    ("smoke", "name", "null", "null"),
    ("smoke", "name", "2001-01-01", "2001-01-01"),
    ("smoke", "description", "", ""),
    ("smoke", "training.max_steps", "010", 10),
    ("smoke", "training.max_steps", "1e4", 10_000),
    ("smoke", "training.learning_rate", "3e-4", 3e-4),
    ("smoke", "training.learning_rate", "1", 1.0),
    ("smoke", "training.gradient_clip", "null", None),
    ("smoke", "training.gradient_clip", "~", None),
    ("smoke", "training.cuda_graph", "false", False),
    ("smoke", "training.betas", "[.9, 0.95]", (0.9, 0.95)),
    ("smoke", "training.drop_steps", "[010, 1e3]", (10, 1000)),
]

REFUSED = [
    ("training.weight_decay", "yes", "must be a number, got 'yes'"),
    ("training.learning_rate", "on", "must be a number, got 'on'"),
    ("training.learning_rate", "true", "must be a number, got 'true'"),
    ("training.learning_rate", "", "must be a number, got ''"),
    ("model.layers", "true", "must be an integer, got 'true'"),
    ("model.layers", "null", "must be an integer, got 'null'"),
    ("model.layers", "1.5", "got 1.5"),
    ("seed", "1:30", "must be an integer, got '1:30'"),
    ("seed", "1_000", "must be an integer, got '1_000'"),
    ("training.threads", "off", "must be an integer or null, got 'off'"),
    ("training.cuda_graph", "yes", "must be true or false, got 'yes'"),
    ("training.cuda_graph", "1", "must be true or false, got '1'"),
    ("training.engine", "horovod", "input should be 'auto', 'native' or 'deepspeed', got 'horovod'"),
    ("training.betas", "[true, 0.9]", "must be a number, got 'true'"),
]


def value_of(spec: ExperimentSpec, field: str) -> Any:
    return reduce(getattr, field.split("."), spec)


def nested(field: str, value: str) -> str:
    """A document with one field, its value as it stands."""
    section, _, name = field.rpartition(".")
    chooser = {"model": "  architecture: gpt2\n"}.get(section, "")
    return f"{section}:\n{chooser}  {name}: {value}\n" if section else f"{name}: {value}\n"


def on_the_command_line(preset: str, field: str, value: str) -> ExperimentSpec:
    return load_spec(preset, [f"{field}={value}"])


def in_a_form(preset: str, field: str, value: str) -> ExperimentSpec:
    return load_spec(preset, split_overrides(f"training.max_seconds=null '{field}={value}'"), allow_files=False)


def in_a_point_of_a_sweep(preset: str, field: str, value: str) -> ExperimentSpec:
    axis = {"kind": "list", "points": {"a": [f"{field}={value}"]}}
    return expand(load_sweep(json.dumps({"name": "s", "base": preset, "axes": [axis]})))[0].spec


WAYS = [on_the_command_line, in_a_form, in_a_point_of_a_sweep]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("preset", "field", "value", "taken"), TAKEN)
def test_overrides_are_read_for_their_field(way: Any, preset: str, field: str, value: str, taken: Any) -> None:
    if way is in_a_point_of_a_sweep and field in ("name", "description"):
        pytest.skip("points do not differ in these")
    found = value_of(way(preset, field, value), field)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("field", "value", "said"), REFUSED)
def test_overrides_that_the_field_does_not_take_name_it_and_what_is_allowed(
    way: Any, field: str, value: str, said: str
) -> None:
    if way is in_a_point_of_a_sweep and field == "seed":
        pytest.skip("seeds are given by the sweep")
    with pytest.raises(InputError) as caught:
        way("smoke", field, value)
    assert field in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("preset", "field", "value", "taken"), [case for case in TAKEN if case[2] not in ("-", "*") and case[0] == "smoke"]
)
def test_files_are_read_as_overrides_are(tmp_path: Path, preset: str, field: str, value: str, taken: Any) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(nested(field, value))
    found = value_of(load_spec(str(file)), field)
    assert (found, type(found)) == (taken, type(taken))


@pytest.mark.parametrize(("field", "value", "said"), REFUSED)
def test_files_are_refused_as_overrides_are(field: str, value: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_spec(nested(field, value))
    assert field in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", ["2024", "true", "1.5", "null"])
def test_quoted_text_in_a_file_is_text(value: str) -> None:
    assert load_spec(f'name: "{value}"\n').name == value
    if value != "null":
        with pytest.raises(InputError, match=f"training.gradient_clip: must be a number or null, got '{value}'"):
            load_spec(f'training: {{gradient_clip: "{value}"}}\n')


def test_values_in_json_have_the_field_s_type() -> None:
    for document, said in [
        ({"name": "x", "training": {"max_steps": "10"}}, "training.max_steps: must be an integer, got '10'"),
        ({"name": "x", "training": {"cuda_graph": "true"}}, "training.cuda_graph: must be true or false, got 'true'"),
    ]:
        with pytest.raises(InputError, match=said):
            load_spec(json.dumps(document))
    assert load_task('{"kind": "modular", "modulus": 13}').modulus == 13


@pytest.mark.parametrize(
    "wrong",
    [{"max_steps": True}, {"max_steps": "10"}, {"learning_rate": False}, {"cuda_graph": 1}, {"betas": ["0.9", 0.9]}],
)
def test_values_in_python_have_the_field_s_type(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        TrainingSpec(**wrong)


def test_values_of_a_grid_have_the_type_of_their_field() -> None:
    def points(field: str, values: str) -> list[Any]:
        sweep = f"name: s\nbase: modular\naxes:\n- {{kind: grid, field: {field}, values: {values}}}\n"
        return [value_of(point.spec, field) for point in expand(load_sweep(sweep))]

    assert points("task.operation", "['-', '*', +]") == ["-", "*", "+"]
    assert points("training.batch_size", "[010, 1e2]") == [10, 100]
    with pytest.raises(InputError, match=r"training\.weight_decay: must be a number, got 'on'"):
        points("training.weight_decay", "[0.1, on]")
    with pytest.raises(InputError, match=r"model\.layers: must be an integer, got true"):
        points("model.layers", "[true, 3]")


def test_quotes_of_the_form_are_taken_off_once() -> None:
    assert load_spec("smoke", split_overrides("name='two words'")).name == "two words"
    assert load_spec("smoke", split_overrides("""name='"quoted"'""")).name == '"quoted"'
    assert load_spec("smoke", ['name="quoted"']).name == '"quoted"'


def test_a_mapping_may_be_given_in_one_line_and_changed_by_later_overrides() -> None:
    spec = load_spec(
        "smoke", ["model.memory={kind: slots, slots: 8}", "model.memory.slots=010", "task={kind: modular, seed: 3}"]
    )
    assert (spec.model.memory.slots, spec.task.seed) == (10, 3)
    spec = load_spec("smoke", ["task={kind: modular, modulus: 13}", "task.operation=-"])
    assert (spec.task.modulus, spec.task.operation) == (13, "-")
    with pytest.raises(InputError, match="'slots' is given twice"):
        load_spec("smoke", ["model.memory={kind: slots, slots: 8, slots: 9}"])
