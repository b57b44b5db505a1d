"""YAML and JSON are read strictly: version 1.2's scalars, no key twice, no half of a character."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokcore.documents import (
    DuplicateKeyError,
    PlainText,
    core_values,
    parse_generated_yaml,
    parse_json,
    parse_plain_yaml,
    parse_yaml,
)
from grokcore.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-007", -7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("true", True),
        ("~", None),
        ("", None),
        *(
            (word, word)
            for word in ("yes", "no", "on", "off", "y", "1:30", "190:20:30", "1_000", "2001-01-01", "=", "+")
        ),
        ('"5"', "5"),
        ("!!int '7'", 7),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}", "it")["a"]
    assert (found, type(found)) == (value, type(value))
    if text[:1] not in ("", '"', "!"):
        plain = parse_plain_yaml(f"a: {text}", "it")["a"]
        assert (plain, type(plain)) == (text, PlainText)


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text("ab: -0é😀")


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner), max_leaves=6))
def test_json_is_yaml_with_the_same_values(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text, "it") == value
    assert parse_yaml(text, "it") == value
    assert core_values(parse_plain_yaml(text, "it")) == value


TWICE = [
    ("training: {a: 1}\nmodel: {}\ntraining: {b: 2}\n", "'training' is given twice, in line 1 and in line 3"),
    ('{"a": {"b": 1,\n\n "b": 2}}', "'b' is given twice, in line 1 and in line 3"),
    ('{"a": 1, "\\u0061": 1}', "'a' is given twice, in line 1"),
    ('[{"a": 1}, {"a": 2},\n{"b": 1, "c": {"b": "}"}, "b": 3}]', "'b' is given twice, in line 2"),
]


@pytest.mark.parametrize(("text", "said"), TWICE)
def test_a_key_that_is_given_twice_is_an_error_with_both_lines(text: str, said: str) -> None:
    for parse in (parse_yaml, parse_plain_yaml, *([parse_json] if text[0] in "[{" else [])):
        with pytest.raises(InputError, match=said) as caught:
            parse(text, "x.yaml")
        assert str(caught.value).startswith("x.yaml: ")


def test_keys_that_a_merge_brings_may_be_set_again() -> None:
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "it")["b"] == {"x": 1, "y": 3}


def test_escaped_pairs_are_one_character_and_halves_an_error() -> None:
    for parse in (parse_yaml, parse_plain_yaml, parse_json):
        assert parse('{"a": "\\ud83d\\ude00"}', "it") == {"a": "😀"}
        for text in ('{"a": "\\ud83d"}', '{"a": ["\\ude00\\ud83d"]}', '{"\\ud83d": 1}'):
            with pytest.raises(InputError, match="half of a character"):
                parse(text, "it")


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {b: {c: *a}}", "a: &a\n  b: *a"])
def test_what_contains_itself_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match=r"\*a refers to a node that contains it"):
        parse_yaml(text, "it")


@pytest.mark.parametrize("text", ["9" * 1001, '{"a": ' + "9" * 5000 + "}"])
def test_numbers_of_thousands_of_digits_are_an_error(text: str) -> None:
    with pytest.raises(InputError, match="digits"):
        (parse_json if "{" in text else parse_yaml)(text, "it")


def test_tags_hold_what_they_say_and_construct_no_objects() -> None:
    for text in ("!!bool yes", "!!int x", "!!float ~", "!!null 1", "!!python/object/apply:os.getcwd []", "!plain 3"):
        with pytest.raises(InputError, match="not valid YAML"):
            parse_yaml(text, "it")


def test_files_of_programs_keep_version_1_1_and_have_no_key_twice() -> None:
    assert parse_generated_yaml("a: on\n---\nb: 010\n", "it") == [{"a": True}, {"b": 8}]
    with pytest.raises(DuplicateKeyError, match="it: 'a' is given twice, in line 1 and in line 3"):
        parse_generated_yaml("a: 1\nb: 2\na: 3\n", "it")
