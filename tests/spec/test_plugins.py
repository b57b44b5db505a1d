"""Parts of an experiment that packages offer: found by name, covered by ids, and readable without their code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from grokcore.data import generate_dataset
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, load_spec, load_task, read_spec, validate
from grokcore.spec.code import check_task, check_training, plugins_of
from grokcore.spec.plugins.digest import package_digest
from grokcore.spec.tasks import RecordedTask
from tests.spec.plugins import TASK, install

ROOT = Path(__file__).parents[2]
Python = Callable[..., Any]


def python(site: Path, code: str) -> str:
    """Run code in a process that has the packages of `site`, and return what it prints; it fails with its last line."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages that this process sees; each test has packages of names of its own."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    package_digest.cache_clear()
    return folder


@pytest.fixture
def copy_task(site: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with the task `copy`: its module's file."""
    name = f"of-{abs(hash(request.node.nodeid))}"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return install(site, name)


COPY = ["task.kind=copy", "task.numbers=12"]


def test_a_task_of_a_package_is_chosen_by_its_name(copy_task: Path) -> None:
    lines: list[str] = []
    spec = load_spec("smoke", COPY, notify=lines.append)
    assert type(spec.task).__name__ == "CopyTask"
    assert spec.task.held_out_splits == ("test",)
    assert [line.partition(" task.")[0] for line in lines] == ["task.kind=copy: dropped"]
    (source,) = plugins_of(spec)
    assert (source.kind, source.name, source.version) == ("task", "copy", "1.0")
    assert source.sha256 == package_digest(copy_task.parent.name)


def test_errors_in_its_fields_name_them(copy_task: Path) -> None:
    with pytest.raises(InputError, match=r"^task.numbers: input should be greater than or equal to 2, got 1$"):
        load_spec("smoke", ["task.kind=copy", "task.numbers=1"])
    with pytest.raises(
        InputError, match=r"^task.numbres: .*did you mean numbers\?.*kind, numbers, plugin, seed, share$"
    ):
        load_spec("smoke", ["task.kind=copy", "task.numbres=4"])
    with pytest.raises(InputError, match=r"^task.numbers: must be an integer, got 'many'$"):
        load_spec("smoke", ["task.kind=copy", "task.numbers=many"])


def test_an_unknown_name_lists_ours_and_those_of_packages(copy_task: Path) -> None:
    with pytest.raises(InputError, match=r"^task.kind: 'cpoy' is not known; allowed are 'comparison', .*, 'copy'$"):
        load_spec("smoke", ["task.kind=cpoy"])
    with pytest.raises(InputError, match=r"^model.architecture: 'gpt5' is not known; allowed are 'gpt2', "):
        load_spec("smoke", ["model.architecture=gpt5"])
    with pytest.raises(InputError, match=r"^training.optimizer: input should be 'adamw', .* or 'lion', got 'lino'$"):
        load_spec("smoke", ["training.optimizer=lino"])


def test_our_own_names_read_no_entry_points(monkeypatch: pytest.MonkeyPatch, smoke_spec: ExperimentSpec) -> None:
    def refuse(**_: Any) -> Any:
        raise AssertionError("entry points were read")

    monkeypatch.setattr(metadata, "entry_points", refuse)
    load_spec("smoke", ["task.kind=modular", "model.architecture=mamba", "training.optimizer=muon"])
    validate(ExperimentSpec, smoke_spec.model_dump())


def test_a_name_is_looked_up_without_importing_other_packages(site: Path) -> None:
    install(site, "one-of-copies")
    install(site, "never-used", source="raise SystemExit('imported')", entries={"grokcore.tasks": {"broken": "TASK"}})
    install(site, "of-losses", source="import torch", entries={"grokcore.losses": {"mine": "loss"}})
    found = python(
        site,
        "import sys; from grokcore.spec import load_spec\n"
        "spec = load_spec('smoke', ['task.kind=copy', 'training.loss=mine'])\n"
        "print(spec.task.kind, spec.training.plugins[0].distribution, 'torch' in sys.modules)",
    )
    assert found == "copy of-losses False"


def test_two_packages_of_one_name_are_refused_in_one_line(site: Path) -> None:
    install(site, "first-copy")
    install(site, "second-copy", version="2.1")
    with pytest.raises(InputError) as refused:
        load_spec("smoke", COPY)
    assert "`copy` is offered by" in str(refused.value)
    assert "first-copy 1.0" in str(refused.value)
    assert "second-copy 2.1: uninstall all but one of them" in str(refused.value).replace(" and first-copy 1.0", "")
    assert load_spec("smoke", ["task.kind=modular"]).task.kind == "modular"


def test_a_package_cannot_take_our_names(site: Path) -> None:
    install(site, "not-ours", entries={"grokcore.tasks": {"modular": "TASK"}, "grokcore.losses": {"stablemax": "x"}})
    shown = python(site, "from grokcore.__main__ import main; import sys; sys.argv = ['grokcore', 'presets']; main()")
    assert "task `modular` of not-ours 1.0 is not used: grokcore has its own of this name" in shown.splitlines()
    assert "loss `stablemax` of not-ours 1.0 is not used: grokcore has its own of this name" in shown.splitlines()
    assert type(load_spec("smoke", ["task.kind=modular"]).task).__name__ == "ModularTask"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("def (", "SyntaxError: "),
        ("TASK = 3", "its `spec` must be a class derived from grokcore.spec.PluginTask"),
        ("x = 1", "AttributeError: module 'broken_{}.parts' has no attribute 'TASK'"),
        (TASK.replace('"copy"', '"kopie"'), 'CopyTask must have the field kind: Literal["copy"]'),
    ],
)
def test_a_broken_package_is_named_in_one_line_and_breaks_nothing_else(site: Path, source: str, problem: str) -> None:
    number = abs(hash(source)) % 10**8
    install(site, f"broken-{number}", source=source)
    with pytest.raises(InputError) as refused:
        load_spec("smoke", COPY)
    told = f"task `copy` of broken-{number} 1.0 cannot be used: {problem.format(number)}"
    assert told in str(refused.value)
    assert load_spec("smoke", ["task.kind=modular"]).dataset_id


def test_ids_cover_name_version_and_source_but_not_the_place(tmp_path: Path) -> None:
    ids = (
        "from grokcore.spec import load_spec\ns = load_spec('smoke', ['task.kind=copy']); print(s.dataset_id, s.run_id)"
    )
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    install(site, "copies")
    first = python(site, ids)
    assert python(site, ids) == first  # with compiled Python beside it
    install(elsewhere, "copies")
    assert python(elsewhere, ids) == first
    install(elsewhere, "copies", version="1.1")
    second = python(elsewhere, ids)
    install(elsewhere, "copies", source=TASK + "\n# changed\n")
    third = python(elsewhere, ids)
    found = {one for ids in (first, second, third) for one in ids.split()}
    assert len(found) == 6


def test_what_names_a_part_of_training_is_covered_too(site: Path) -> None:
    install(site, "losses-only", source="", entries={"grokcore.losses": {"mine": "loss"}})
    base, other = load_spec("smoke"), load_spec("smoke", ["training.loss=mine"])
    assert base.training.plugins == ()
    assert "plugins" not in json.dumps(base.training.model_dump(exclude_defaults=True))
    (source,) = other.training.plugins
    assert (source.kind, source.name, source.distribution) == ("loss", "mine", "losses-only")
    assert other.run_id != base.run_id
    assert other.dataset_id == base.dataset_id
    back = load_spec(other.model_dump(mode="json"), ["training.loss=cross_entropy"])
    assert back.training.plugins == ()
    assert back.run_id == base.run_id


def stored(spec: ExperimentSpec, folder: Path) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False))
    return path


def test_a_stored_spec_is_read_without_the_package_with_the_same_ids(
    site: Path, copy_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec("smoke", [*COPY, "task.share=0.25", "task.seed=3"])
    path = stored(spec, tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(site)])
    read = read_spec(path)
    assert isinstance(read.task, RecordedTask)
    assert (read.dataset_id, read.run_id) == (spec.dataset_id, spec.run_id)
    assert read.task.held_out_splits == ("test",)
    assert read.task.seed == 3
    again = read_spec(stored(read, tmp_path))
    assert (again.dataset_id, again.run_id) == (spec.dataset_id, spec.run_id)
    check_training(read)  # training takes the dataset as it is
    with pytest.raises(InputError, match=r"task `copy` is that of distribution `of-\d+` 1.0, .*, which is not here"):
        check_task(read.task)
    with pytest.raises(InputError, match="which is not here: install it"):
        generate_dataset(read.task, tmp_path / "data")
    with pytest.raises(InputError, match=r"^task.kind: 'copy' is not known"):
        load_spec("smoke", COPY)


def test_another_version_is_told_apart_from_the_one_that_made_a_result(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "copies")
    spec = python(
        site,
        "from grokcore.spec import load_spec; import json\n"
        "print(json.dumps(load_spec('smoke', ['task.kind=copy']).task.model_dump(mode='json')))",
    )
    install(site, "copies", version="2.0", source=TASK.replace("numbers: int", "digits: int"))
    told = python(
        site,
        "from grokcore.spec import load_task; from grokcore.tasks import build_task\n"
        f"task = load_task({spec!r})\nprint(type(task).__name__)\n"
        "try: build_task(task)\nexcept ValueError as error: print(error)",
    )
    kind, error = told.splitlines()
    assert kind == "RecordedTask"
    assert "task `copy` is that of distribution `copies` 1.0" in error
    assert "here it comes from distribution `copies` 2.0" in error


def test_a_component_takes_the_task_as_json(copy_task: Path, tmp_path: Path) -> None:
    task = load_spec("smoke", COPY).task
    given = load_task(json.dumps(task.model_dump(mode="json")))
    assert given == task
    info = generate_dataset(given, tmp_path / "data")
    assert info.task["plugin"]["version"] == "1.0"
    assert info.task["held_out"] == ["test"]


def test_a_record_cannot_hold_what_kubeflow_would_fill_in(copy_task: Path) -> None:
    task = load_spec("smoke", COPY).task.model_dump(mode="json")
    task["plugin"]["version"], task["note"] = "0.1", "{{$.inputs}}"
    with pytest.raises(InputError, match="Kubeflow Pipelines would fill in"):
        load_task(json.dumps(task))


def test_documents_of_other_kinds_satisfy_the_published_schema(copy_task: Path, smoke_spec: ExperimentSpec) -> None:
    schema = ExperimentSpec.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for spec in (smoke_spec, load_spec("smoke", COPY)):
        jsonschema.validate(spec.model_dump(mode="json"), schema)
    wrong = smoke_spec.model_dump(mode="json")
    wrong["task"] = {**wrong["task"], "entities": "many"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_data_that_do_not_fit_together_are_refused(site: Path, tmp_path: Path) -> None:
    source = TASK.replace("Rows.of_columns([part, task.numbers], part)", "Rows.of_columns([part, 99], part)")
    install(site, "wrong-data", source=source)
    with pytest.raises(InputError) as refused:
        generate_dataset(load_spec("smoke", COPY).task, tmp_path / "data")
    assert "the data of task `copy` of distribution `wrong-data` 1.0" in str(refused.value)
    assert str(refused.value).endswith("are wrong: train['train']: a token is none of the 14 of the vocabulary")
