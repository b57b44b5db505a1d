"""Parts of an experiment that a notebook registers: known in its process, and covered by ids."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import grokcore
from grokcore.errors import InputError
from grokcore.runs.record import read_run
from grokcore.spec import load_spec
from grokcore.spec.plugins import installed
from grokcore.tasks import build_task
from tests.spec.plugins import TASK

CELL = TASK[: TASK.index("TASK = ")].replace("def build(", "@grokcore.register_task(CopyTask)\ndef build(")
CELL = f"import grokcore\n{CELL}"
"""A cell of a notebook with the task `copy`."""


@pytest.fixture(autouse=True)
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_REGISTERED", {})


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Run the source of a cell as a notebook does: in one namespace, from a file that only its source is known of."""
    module = ModuleType("notebook_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    count = iter(range(100))

    def run(source: str) -> ModuleType:
        path = tmp_path / f"cell-{next(count)}.py"
        path.write_text(source)
        exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102 - what a notebook does
        return module

    return run


def test_a_registered_task_is_chosen_built_and_named_by_results(cell: Any, tmp_path: Path) -> None:
    cell(CELL)
    spec = load_spec("smoke", ["task.kind=copy", "training.max_steps=2"])
    assert len(build_task(spec.task).train["train"]) == 4
    grokcore.generate_dataset(spec.task, tmp_path / "data")
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")
    record = read_run(tmp_path / "run")
    (source,) = record.manifest.plugins
    assert (source.distribution, source.version) == (None, None)
    assert record.manifest.remarks[0] == f"task `copy` comes from a notebook or script, sha256 {source.sha256[:12]}"


def test_a_cell_that_runs_again_gives_the_same_id_and_a_changed_one_another(cell: Any) -> None:
    ids = []
    changed = CELL.replace("* task.share)", "* task.share) + 0")
    for source in (CELL, CELL, changed, CELL.replace("le=100", "le=99")):
        cell(source)
        ids.append(load_spec("smoke", ["task.kind=copy"]).dataset_id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_functions_that_are_named_belong_to_the_source(cell: Any) -> None:
    helped = CELL.replace("numbers = np.arange(task.numbers)", "numbers = counted(task.numbers)")
    ids = []
    for body in ("np.arange(n)", "np.arange(n)[::-1]"):
        cell(f"import numpy as np\n\n\ndef counted(n):\n    return {body}\n\n\n{helped}")
        ids.append(load_spec("smoke", ["task.kind=copy"]).dataset_id)
    assert ids[0] != ids[1]


MODULE = """
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from grokcore.spec.plugins.digest import definition_digest

KINDS = (frozenset({"a", "b", "c", "d"}), 1)
SIZES = {"small": {"width": 8}, "large": {"width": 16}}
SHARE = 0.5


def builder(weight):
    def scaled(task, share=SHARE):
        return weight * share if share else scaled(task, later)

    digest = definition_digest(Fields, build, scaled)  # while `later` has no value yet
    later = 1
    return digest


def halved(value):
    return value // 2


class Fields(BaseModel):
    size: Annotated[int, AfterValidator(halved)] = 4


def build(task):
    return KINDS, SIZES


print(builder(3))
"""


def test_a_digest_is_the_same_in_every_process_and_covers_validators(tmp_path: Path) -> None:
    """Sets of text have another order in each process, and functions another address."""

    def digest(source: str, seed: int) -> str:
        (tmp_path / "module.py").write_text(source)
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, str(tmp_path / "module.py")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert len({digest(MODULE, seed) for seed in range(3)}) == 1
    changed = [
        MODULE.replace("// 2", "// 3"),
        MODULE.replace('"d"}', '"e"}'),
        MODULE.replace('"width": 16', '"width": 32'),
        MODULE.replace("SHARE = 0.5", "SHARE = 0.25"),
        MODULE.replace("builder(3)", "builder(4)"),
    ]
    assert len({digest(source, 0) for source in (MODULE, *changed)}) == 1 + len(changed)


def test_names_that_are_ours_or_none_are_refused() -> None:
    def loss(logits: Any, targets: Any, label_smoothing: float) -> Any:
        return logits.sum()

    with pytest.raises(InputError, match="loss `stablemax` is one of grokcore's own: choose another name"):
        grokcore.register_loss("stablemax")(loss)
    with pytest.raises(InputError, match="a name is of a-z, 0-9 and _"):
        grokcore.register_loss("My Loss")(loss)
    with pytest.raises(InputError, match=r"derived from grokcore\.spec\.PluginTask"):
        grokcore.register_task(int)  # type: ignore[type-var]


def test_a_function_without_known_source_is_refused() -> None:
    space: dict[str, Any] = {}
    exec("def loss(logits, targets, label_smoothing):\n    return logits.sum()", space)  # noqa: S102
    with pytest.raises(InputError, match="the source of loss is not known"):
        grokcore.register_loss("typed")(space["loss"])


def test_a_class_that_is_not_registered_says_so(cell: Any) -> None:
    module = cell(CELL.replace("@grokcore.register_task(CopyTask)\n", ""))
    with pytest.raises(ValueError, match="task `copy` is neither installed nor registered"):
        module.CopyTask()


METHODS = """
import grokcore
import torch
from grokcore.training.filters.filter import Filter
from grokcore.training.optimizers import Optimizer


@grokcore.register_optimizer("plain_descent")
class PlainDescent(Optimizer):
    operations = 2

    def initial_state(self, weight, group):
        return {}

    def update(self, group, weights, gradients, states):
        for weight, gradient in zip(weights, gradients):
            weight.sub_(group["lr"] * gradient * self.applied())


@grokcore.register_filter("halved")
class Halved(Filter):
    def __call__(self, filtered, skipped):
        for one in filtered:
            one.gradient.mul_(0.5)


@grokcore.register_loss("spread")
def spread(logits, targets, label_smoothing):
    return torch.nn.functional.cross_entropy(logits.float(), targets) + 0.01 * logits.float().square().mean()


@grokcore.register_projection("bounded")
@torch.no_grad()
def bounded(weights, layouts, training, skipped):
    for weight in weights:
        weight.clamp_(-0.3, 0.3)
"""


def test_methods_train_a_run_which_names_them(cell: Any, tmp_path: Path, smoke_data: Path) -> None:
    cell(METHODS)
    changes = ["optimizer=plain_descent", "gradient_filter=halved", "loss=spread", "projection=bounded"]
    changes += ["projection_bound=0.3", "max_steps=3"]
    spec = load_spec("smoke", [f"training.{one}" for one in changes])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    record = read_run(tmp_path / "run")
    assert [(one.kind, one.name) for one in record.manifest.plugins] == [
        ("optimizer", "plain_descent"),
        ("filter", "halved"),
        ("projection", "bounded"),
        ("loss", "spread"),
    ]
    weights = list(grokcore.load_model(tmp_path / "run").parameters())
    assert max(weight.abs().max().item() for weight in weights) == pytest.approx(0.3)
    parameters = sum(weight.numel() for weight in weights)
    assert record.manifest.model.flops_of_method == 2 * parameters

    installed._REGISTERED.clear()
    with pytest.raises(InputError, match=r"optimizer `plain_descent` is that of a notebook or script, .* register it"):
        grokcore.train_model(record.spec, smoke_data, tmp_path / "run")
    assert read_run(tmp_path / "run").spec.run_id == record.manifest.run_id


ARCHITECTURE = """
from dataclasses import replace
from typing import Literal

import grokcore
from grokcore.models import linear_attention
from grokcore.spec import PluginModel
from pydantic import Field


class Mine(PluginModel):
    architecture: Literal["mine"] = "mine"
    heads: int = 4
    mlp_width: int | None = Field(None, ge=1)


def fast():
    from grokcore.models.fast.linear_attention import FAST

    return FAST


grokcore.register_architecture(replace(linear_attention.ARCHITECTURE, title="Mine", spec=Mine, fast=fast))
"""


def test_an_architecture_trains_and_its_model_is_loaded_where_it_is_known(
    cell: Any, tmp_path: Path, smoke_data: Path
) -> None:
    cell(ARCHITECTURE)
    spec = load_spec("smoke", ["model.architecture=mine", "training.max_steps=2"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    assert grokcore.evaluate_model(tmp_path / "run").run_id == spec.run_id
    twin = load_spec("smoke", ["model.architecture=linear_attention", "training.max_steps=2"])
    grokcore.train_model(twin, smoke_data, tmp_path / "twin")
    ours, theirs = (grokcore.load_model(tmp_path / name).state_dict() for name in ("twin", "run"))
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items())
    with pytest.raises(InputError, match="transformers has no mine"):
        load_spec("smoke", ["model.architecture=mine", "model.implementation=transformers"])

    installed._REGISTERED.clear()
    record = read_run(tmp_path / "run")
    assert record.spec.run_id == record.manifest.run_id
    for use in (grokcore.evaluate_model, grokcore.load_model):
        with pytest.raises(InputError, match="architecture `mine` is that of a notebook or script"):
            use(tmp_path / "run")
    grokcore.build_report([tmp_path / "run"], tmp_path / "report.html")
    assert "architecture `mine` comes from a notebook or script" in (tmp_path / "report.html").read_text()
