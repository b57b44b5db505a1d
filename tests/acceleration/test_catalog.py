"""The catalog of methods: complete, and true of what the methods do."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
import torch

from grokcore.acceleration.catalog import METHODS, PLAIN, Method
from grokcore.cli import main
from grokcore.data import generate_dataset, open_dataset
from grokcore.errors import InputError
from grokcore.models.roles import layouts
from grokcore.spec import CompositionTask, ExperimentSpec, load_spec, resolve
from grokcore.spec.training import GradientFilterName, LossName, OptimizerName, ProjectionName, TrainingSpec
from grokcore.training import train_model
from grokcore.training.attempt import make_trainer
from grokcore.training.distributed.group import ALONE

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def spec_of(method: Method, *overrides: str, run: Path = Path("RUN")) -> ExperimentSpec:
    """Smoke with a method; `run` is what it starts from, if it starts from one."""
    fields = [field.replace("=RUN", f"={run}") for field in method.fields]
    return load_spec(preset_of(method), [*fields, "training.device=cpu", *overrides])


def preset_of(method: Method) -> str:
    """A small preset; for a change of data one whose task knows it."""
    return "composition-small" if method.fields[0].startswith("task.") else "smoke"


def data_of(method: Method, smoke_data: Path, folder: Path) -> Path:
    """The dataset that `spec_of(method)` trains on."""
    if preset_of(method) == "smoke":
        return smoke_data
    generate_dataset(spec_of(method).task, folder)
    return folder


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("optimizer", OptimizerName),
        ("gradient_filter", GradientFilterName),
        ("loss", LossName),
        ("projection", ProjectionName),
    ],
)
def test_every_name_that_is_not_plain_is_in_the_catalog(field: str, names: object) -> None:
    listed = {method.name for method in METHODS if f"training.{field}={method.name}" in method.fields}
    assert listed == set(get_args(names)) - PLAIN


def test_every_method_is_listed_once() -> None:
    assert len({method.name for method in METHODS}) == len({method.title for method in METHODS}) == len(METHODS)


@each_method
def test_its_fields_switch_on_something_that_trains(
    method: Method, smoke_data: Path, smoke_run: Path, tmp_path: Path
) -> None:
    lines: list[dict[str, object]] = []
    spec = resolve(spec_of(method, "training.max_steps=2", run=smoke_run))
    assert spec.run_id != load_spec(preset_of(method)).run_id
    train_model(spec, data_of(method, smoke_data, tmp_path / "data"), tmp_path / "run", on_evaluation=lines.append)
    assert lines[-1]["step"] == 2
    norm = lines[-1]["weight_norm"]
    assert isinstance(norm, float)
    assert math.isfinite(norm)


@each_method
def test_it_keeps_so_many_numbers_for_each_weight(
    method: Method, smoke_data: Path, smoke_run: Path, tmp_path: Path
) -> None:
    spec = resolve(spec_of(method, run=smoke_run))
    data = open_dataset(data_of(method, smoke_data, tmp_path / "data"))
    trainer = make_trainer(spec, data, torch.device("cpu"), lambda line: None, ALONE)
    described, state = layouts(trainer.model), trainer.state.optimizer.state
    for name, weight in trainer.model.named_parameters():
        kept = sum(value.numel() for value in state[weight].values() if value.ndim) / weight.numel()
        assert kept == method.buffers[described[name].role != "matrix"], name


@each_method
def test_it_is_refused_with_what_it_says(method: Method) -> None:
    divided = ("training.engine=deepspeed", "training.zero_stage=1")
    if method.refused_with:
        with pytest.raises(InputError, match="needs whole weights in one place and zero_stage=1 divides them"):
            spec_of(method, *divided)
    else:
        spec_of(method, *divided)


def fields(texts: Sequence[str]) -> list[str]:
    return [field for text in texts for field in re.findall(r"\b(?:training|model|task)\.\w+", text)]


@each_method
def test_its_texts_name_fields_that_exist(method: Method) -> None:
    known = {f"training.{name}" for name in TrainingSpec.model_fields}
    known |= {f"model.{name}" for name in type(load_spec("smoke").model).model_fields}
    known |= {f"task.{name}" for name in CompositionTask.model_fields}
    assert method.controls
    assert fields(method.controls)
    assert set(fields([*method.controls, *method.fields, method.trouble])) <= known
    for control in method.controls:
        overrides = re.split(r" (?=training\.|model\.)", control)
        if all("=" in override for override in overrides):
            load_spec("smoke", overrides)


@each_method
def test_it_is_described_in_sentences_of_one_line(method: Method) -> None:
    for text in (method.formula, method.source, method.cost, method.trouble):
        assert text
        assert "\n" not in text
    assert method.trouble.endswith(".")


def test_the_command_prints_all_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accelerators"]) == 0
    told = capsys.readouterr().out
    header, *rows = told.split("\n\n")[0].splitlines()
    assert header.split()[:2] == ["method", "name"]
    assert [row.split()[0] for row in rows] == [method.name for method in METHODS]
    flat = " ".join(told.split())
    for method in METHODS:
        assert method.trouble in flat
        assert " ".join(method.formula.split()) in flat


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accelerators", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["muon"]["fields"] == ["training.optimizer=muon"]
    assert entries["muon"]["refused_with"] == "training.zero_stage > 0"
    assert entries["lion"]["refused_with"] is None
    assert entries["grokfast"]["buffers"] == [3, 3]


def test_a_spec_is_charged_with_each_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accelerators", "smoke", "--json"]) == 0
    flops = {entry["name"]: entry["flops_percent"] for entry in json.loads(capsys.readouterr().out)}
    assert flops["lion"] == flops["init_scale"] == 0
    assert flops["muon"] > 10 > flops["grokfast"] > 0
    assert flops["identity"] is flops["start_from"] is None  # of another task; of another run
    assert main(["accelerators", "smoke"]) == 0
    header, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert header.endswith("FLOPs")
    assert rows[0].endswith(f"+{flops['muon']:.1f} %")
    assert rows[-1].endswith(" -")


def test_without_a_spec_nothing_heavy_is_loaded() -> None:
    program = "from grokcore.cli import main; main(['accelerators']); import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
