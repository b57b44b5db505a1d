"""Values that can be read in more than one way: they are taken as they are written, or refused by name.

As in `test_fuzz`, the number of cases of each test is GROKCORE_FUZZ_CASES.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grokcore.champions import parse_rules
from grokcore.cli import main
from grokcore.data import read_facts
from grokcore.errors import InputError
from grokcore.runs.journal import decode
from grokcore.spec import load_spec, preset_names, split_overrides
from grokcore.storage import open_parent, open_store
from grokcore.sweeps import load_sweep, sweep_names
from tests.faults.fuzzing import NUMBERS, TEXTS, WORDS, doubled, ends_well, near_uris
from tests.faults.test_fuzz import FIELDS, PRESETS, fuzz

NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def holds(value: Any, text: str) -> bool:
    """Whether a value is what a text says, by rules that are written down here a second time."""
    match value:
        case bool():
            return text.strip().lower() == str(value).lower()
        case None:
            return text.strip().lower() in ("", "~", "null")
        case int() | float() if NUMBER.fullmatch(text.strip()):
            return float(Decimal(text.strip())) == float(value)
        case int() | float():
            return bool(re.fullmatch("0x[0-9a-fA-F]+|0o[0-7]+", text.strip())) and int(text.strip(), 0) == value
        case str():
            return value in (text, text.strip())
    return True  # lists and mappings are YAML


@given(st.sampled_from(sorted(PRESETS)), st.sampled_from(FIELDS), st.one_of(WORDS, WORDS, TEXTS, NUMBERS.map(str)))
@example("modular", "task.operation", "-")
@example("modular", "task.operation", "*")
@example("smoke", "name", "2024")
@example("smoke", "name", "on")
@example("smoke", "training.weight_decay", "yes")
@example("smoke", "training.learning_rate", "on")
@example("smoke", "training.max_steps", "010")
@example("smoke", "seed", "1:30")
@example("smoke", "model.layers", "true")
@example("smoke", "model.memory", "#")
@fuzz(8)
def test_an_override_is_taken_as_it_is_written_or_refused_by_name(preset: str, field: str, text: str) -> None:
    def taken() -> None:
        with contextlib.suppress(AttributeError):  # a field of another kind, which is refused
            spec = load_spec(preset, [f"{field}={text}"])
            value = reduce(getattr, field.split("."), spec)
            assert holds(value, text), f"{field}={text} became {value!r}"
            assert "{{$" not in spec.model_dump_json()

    ends_well(taken)
    if field == "name" and 0 < len(text) <= 100 and text.isprintable() and "{{$" not in text:
        assert load_spec(preset, [f"name={text}"]).name == text
    if field == "task.operation" and preset == "modular" and text in ("+", "-", "*", "/"):
        assert load_spec(preset, [f"task.operation={text}"]).task.operation == text


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=30))
@example('"quoted"')
@fuzz(2)
def test_quotes_of_a_form_come_off_once(name: str) -> None:
    quoted = "'" + name.replace("'", "'\\''") + "'"
    if "{{$" not in name:
        assert load_spec("smoke", split_overrides(f"seed=1 name={quoted} model.layers=1")).name == name


@given(st.sampled_from(sorted(preset_names())).flatmap(lambda name: doubled(PRESETS[name])))
@fuzz(3)
def test_a_key_that_is_given_twice_is_never_dropped(text: str) -> None:
    with pytest.raises(InputError, match="is given twice"):
        load_spec(text, allow_files=False)


SWEEPS = {name: load_sweep(name).model_dump(mode="json", exclude_unset=True) for name in sweep_names()}


@given(st.sampled_from(sorted(SWEEPS)).flatmap(lambda name: doubled(SWEEPS[name])))
@fuzz(1)
def test_a_key_that_a_sweep_has_twice_is_never_dropped(text: str) -> None:
    with pytest.raises(InputError, match="is given twice"):
        load_sweep(text, allow_files=False)


@given(doubled({"confidence": 0.9, "minimum_seeds": 8, "time_margin": 0.1}))
@fuzz(1)
def test_a_rule_that_is_given_twice_is_never_dropped(text: str) -> None:
    with pytest.raises(InputError, match="is given twice"):
        parse_rules(text)


@given(near_uris())
@example(Path("s3://bucket/x"))
@fuzz(3)
def test_what_almost_is_a_uri_names_no_place(tmp_path_factory: pytest.TempPathFactory, uri: str | Path) -> None:
    for open_ in (open_store, open_parent):
        assert not ends_well(lambda open_=open_: open_(uri)), uri
    here = tmp_path_factory.getbasetemp()
    with contextlib.chdir(here), contextlib.redirect_stderr(io.StringIO()) as err:
        assert main(["generate", "smoke", "--out", str(uri)]) == 2
    assert err.getvalue().count("\n") == 1
    assert not [path for path in os.listdir(here) if path.lower().startswith(("s3", "file", "gs", "http"))]


@given(st.lists(st.one_of(WORDS, NUMBERS.map(str), st.sampled_from(["1", "2"])), min_size=2, max_size=6))
@example(["1e999999999", "1"])
@example(["1e-999999999", "-1e999999999"])
@fuzz(2)
def test_values_of_facts_have_an_order_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "facts.csv"
    rows = "".join(f'e{number},size,"{value}"\n' for number, value in enumerate(values) if '"' not in value)
    file.write_text(f"entity,attribute,value\n{rows}", "utf-8", "replace")
    ends_well(lambda: read_facts(file, "attributes").sha256)


@given(NUMBERS)
@example(10**400)
@fuzz(1)
def test_the_step_of_a_journal_is_one_that_a_float_holds(step: float) -> None:
    line = {"step": step, "train": {}, "splits": {}, "phases": {}, "clock": {}}
    content = json.dumps(line).encode() + b"\n"
    ends_well(lambda: float(decode(content, "journal")[0]["step"]))


@given(
    st.sampled_from([field for field in FIELDS if field.endswith(("seed", "batch_size", "threads", "interval"))]),
    NUMBERS,
)
@example("training.batch_size", 10**11)
@example("model.seed", 2**64)
@fuzz(2)
def test_integers_are_ones_that_libraries_hold(field: str, number: float) -> None:
    def fits() -> None:
        spec = load_spec("smoke", [f"{field}={number}"])
        assert max(spec.init_seed, spec.order_seed, spec.task.seed, spec.training.threads or 0) < 2**63
        assert max(spec.training.batch_size, spec.evaluation.batch_size) <= 10**8

    ends_well(fits)
