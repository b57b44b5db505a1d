"""Conversion of text in the form of the UI, or after --param, to parameter values."""

from __future__ import annotations

import math
from typing import Any

import pytest

from grokcore.cluster.kubeflow.form import LARGEST, NOTHING, filled_in, text_of, value_of
from grokcore.cluster.kubeflow.package import PipelinePackage, parse_package, read_package
from grokcore.errors import InputError
from grokcore.local import compiled_pipeline, pipeline_names

PACKAGES = {name: read_package(compiled_pipeline(name)) for name in pipeline_names()}
FIELDS = [(package, field) for package in PACKAGES.values() for field in package.inputs.values()]
TYPICAL: dict[str, list[tuple[str, Any]]] = {
    "STRING": [("thesis", "thesis"), ("a.b=1 c.d=2", "a.b=1 c.d=2"), ("", ""), (" 2", " 2"), ("Grün", "Grün")],
    "NUMBER_INTEGER": [("3", 3), ("-1", -1), (" 7 ", 7), ("1e3", 1000), ("2.0", 2), ("0x10", 16)],
    "NUMBER_DOUBLE": [("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("-2", -2.0), ("+3", 3.0)],
    "BOOLEAN": [("true", True), ("false", False)],
    "LIST": [
        ('["gpt2", "rwkv"]', ["gpt2", "rwkv"]),
        (' [{"key": "nvidia.com/gpu", "operator": "Exists"}] ', [{"key": "nvidia.com/gpu", "operator": "Exists"}]),
        ("[]", []),
        ("[1.5, null]", [1.5, None]),
    ],
    "STRUCT": [('{"pool": "a100"}', {"pool": "a100"}), (" {}", {}), ('{"a": {"b": [1]}}', {"a": {"b": [1]}})],
}
WRONG: dict[str, list[str]] = {
    "NUMBER_INTEGER": ["three", "1.5", "1_000", "1,5", "Infinity", "NaN", "  ", "0x", "1e", str(2**53 + 1), "\u0661"],
    "NUMBER_DOUBLE": ["half", "1_0.5", "0,5", "Infinity", "nan", "inf", "--1", " "],
    "BOOLEAN": ["True", "False", "1", "yes", " true"],
    "LIST": ["gpt2", '{"a": 1}', "['a']", "[1,]", "[NaN]", "[", "null", "[" * 100_000],
    "STRUCT": ["[]", "{'a': 1}", "{a: 1}", "pool=a100", "{", '{"a": Infinity}'],
}


def test_there_are_fields_to_try() -> None:
    assert set(PACKAGES) >= {"grokking_experiment", "parameter_sweep", "architecture_comparison"}
    assert {field.type for _, field in FIELDS} >= {"STRING", "NUMBER_INTEGER", "LIST", "STRUCT"}


@pytest.mark.parametrize(("package", "field"), FIELDS, ids=lambda part: part.name)
def test_the_default_of_every_field_survives_the_form(package: PipelinePackage, field: Any) -> None:
    shown = text_of(field.default, field.type)
    sent = value_of(shown, field.type)
    assert sent == field.default
    assert filled_in(package, {})[field.name] == field.default
    if field.type == "NUMBER_INTEGER":
        assert isinstance(sent, int), "the package says 0.0, and the form shows 0"
        assert "." not in shown


@pytest.mark.parametrize(("package", "field"), FIELDS, ids=lambda part: part.name)
def test_typical_entries_of_every_field_arrive_as_what_they_mean(package: PipelinePackage, field: Any) -> None:
    for text, value in TYPICAL[field.type]:
        sent = filled_in(package, {field.name: text})
        assert sent[field.name] == value
        assert type(sent[field.name]) is type(value)
        assert sent.keys() == package.inputs.keys(), "as the form does, all fields are sent"


@pytest.mark.parametrize(("package", "field"), FIELDS, ids=lambda part: part.name)
def test_wrong_entries_of_every_field_are_refused_in_one_line(package: PipelinePackage, field: Any) -> None:
    for text in WRONG.get(field.type, []):
        with pytest.raises(InputError) as refused:
            filled_in(package, {field.name: text})
        assert str(refused.value).startswith(f"{field.name}=")
        assert "must be" in str(refused.value)
        assert len(str(refused.value)) < 200
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("type_", ["NUMBER_DOUBLE", "BOOLEAN"])
def test_types_that_no_pipeline_of_ours_has_yet_are_converted_as_well(type_: str, package: PipelinePackage) -> None:
    changed = parse_package(package.text.replace("parameterType: NUMBER_INTEGER", f"parameterType: {type_}"), "it")
    for text, value in TYPICAL[type_]:
        assert filled_in(changed, {"seed": text})["seed"] == value
    for text in WRONG[type_]:
        with pytest.raises(InputError, match="seed="):
            filled_in(changed, {"seed": text})


def test_an_empty_field_leaves_the_default_except_where_text_may_be_empty(package: PipelinePackage) -> None:
    assert value_of("", "NUMBER_INTEGER") is NOTHING
    sent = filled_in(package, {"seed": "", "tolerations": "", "preset": ""})
    assert (sent["seed"], sent["tolerations"], sent["preset"]) == (0, [], "")


def test_a_field_without_a_default_must_be_filled_in(package: PipelinePackage) -> None:
    head, _, tail = package.text.partition("      preset:\n        defaultValue: demo\n")
    text = tail.replace("        isOptional: true\n", "", 1)
    required = parse_package(f"{head}      preset:\n{text}", "it")
    with pytest.raises(InputError, match="preset is required: give it with --param preset=VALUE"):
        filled_in(required, {})
    assert filled_in(required, {"preset": "modular"})["preset"] == "modular"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpu_cout", "did you mean gpu_count?"),
        ("xyz", "it has analyze, compare_run_uris, cpu_limit"),
        ("", "has no parameter ''"),
    ],
)
def test_an_unknown_parameter_is_refused_with_what_there_is(name: str, said: str, package: PipelinePackage) -> None:
    with pytest.raises(InputError) as refused:
        filled_in(package, {name: "1"})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (-0.5, "-0.5"),
        (100.0, "100"),
        (1e-5, "0.00001"),
        (1e-7, "1e-7"),
        (1.5e21, "1.5e+21"),
        (1e20, "100000000000000000000"),
        (0.1, "0.1"),
    ],
)
def test_numbers_are_shown_as_javascript_shows_them(value: float, text: str) -> None:
    assert text_of(value, "NUMBER_DOUBLE") == text
    assert value_of(text, "NUMBER_DOUBLE") == value


def test_what_the_form_itself_would_send_for_odd_texts() -> None:
    """The port is the form's; that the command line asks for more is said where entries are read."""
    assert value_of("  ", "NUMBER_INTEGER") == 0
    assert math.isinf(value_of("Infinity", "NUMBER_DOUBLE"))
    assert value_of(str(LARGEST), "NUMBER_INTEGER") == LARGEST


def test_lists_and_dicts_are_shown_as_the_json_that_the_form_can_read() -> None:
    assert text_of(["gpt2", "Grün"], "LIST") == '["gpt2","Grün"]'
    assert text_of({}, "STRUCT") == "{}"
    assert text_of(True, "BOOLEAN") == "true"
