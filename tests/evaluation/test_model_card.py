"""The card of a model, and the folder that a saved step is written as."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

import grokcore
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.evaluation import export_model
from grokcore.runs import MANIFEST, Manifest, read_manifest
from grokcore.spec import load_spec


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_has_the_facts_of_the_manifest(smoke_run: Path) -> None:
    text, manifest = (smoke_run / "model/README.md").read_text(), read_manifest(smoke_run)
    _, front, rest = text.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "transformers"
    assert "license" not in front
    for fact in (manifest.run_id, manifest.dataset.id, "14,816", "60 steps", "budget_steps", "| `task.phi` | 5.0 |"):
        assert fact in rest
    assert "| `test_inferred_ood` | 0.330 | - | censored |" in rest


def test_it_names_no_place_of_this_machine(smoke_run: Path, smoke_data: Path) -> None:
    text = (smoke_run / "model/README.md").read_text()
    assert str(smoke_data.parent) not in text
    assert "file:" not in text
    assert str(Path.home()) not in text


def test_a_name_of_others_stays_text(smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["training.max_steps=1", "name=[a](http://x) <b>|"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    text = (tmp_path / "run/model/README.md").read_text()
    assert r"# \[a\](http://x) \<b\>\|: GPT-2 on comparison" in text


@pytest.mark.parametrize("strategy", ["sequence", "processes", "stacked"])
def test_every_way_to_train_writes_the_same_files(
    strategy: str, smoke_run: Path, smoke_spec: object, smoke_data: Path, tmp_path: Path
) -> None:
    """Stacked seeds equal single ones up to rounding, in the weights alone if the shown figures agree."""
    specs = [load_spec("smoke", [f"seed={seed}"]) for seed in (0, 1)]
    grokcore.train_seeds(specs, smoke_data, tmp_path / "runs", strategy=strategy)
    single, packed = contents(smoke_run / "model"), contents(tmp_path / "runs/seed-0/model")
    if strategy == "stacked":
        assert packed.keys() == single.keys()
        del single["model.safetensors"], packed["model.safetensors"]
    assert packed == single


def test_a_resumed_run_writes_the_same_files(smoke_run: Path, smoke_data: Path, tmp_path: Path) -> None:
    for steps in (50, 60):
        grokcore.train_model(load_spec("smoke", [f"training.max_steps={steps}"]), smoke_data, tmp_path / "run")
    assert contents(tmp_path / "run/model") == contents(smoke_run / "model")


def test_the_end_of_a_run_is_exported_as_training_wrote_it(smoke_run: Path, tmp_path: Path) -> None:
    assert export_model(smoke_run, tmp_path / "model") == 60
    assert contents(tmp_path / "model") == contents(smoke_run / "model")


def test_an_earlier_step_is_exported_with_what_was_known_then(smoke_run: Path, tmp_path: Path) -> None:
    assert main(["runs", "model", str(smoke_run), "--step", "50", "--out", str(tmp_path / "model")]) == 0
    files = contents(tmp_path / "model")
    assert files.keys() == contents(smoke_run / "model").keys()
    text = files["README.md"].decode()
    assert "50 steps" in text
    assert "a step before the end of its training" in text
    assert files["model.safetensors"] != (smoke_run / "model/model.safetensors").read_bytes()
    grokcore.load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("step", "message"), [("7", "no weights of step 7: saved are 50, 60"), ("memorized", "no milestone memorized")]
)
def test_a_step_that_is_not_saved_is_refused(
    step: str, message: str, smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "model", str(smoke_run), "--step", step, "--out", str(tmp_path / "model")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def old_run(run: Path, copy: Path) -> Path:
    """The run as a version wrote it that knew neither tokenizers nor cards."""
    shutil.copytree(run, copy)
    for name in ("tokenizer.json", "tokenizer_config.json", "README.md"):
        (copy / "model" / name).unlink()
    document = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(document | {"seal": None}))
    return copy


def test_a_run_without_a_tokenizer_is_read_and_told_how_to_get_one(
    smoke_run: Path, smoke_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = old_run(smoke_run, tmp_path / "old")
    grokcore.load_model(old / "model")
    grokcore.evaluate_model(old)
    assert main(["runs", "show", str(old)]) == 0
    assert f"absent: `grokcore runs model {old} --out FOLDER` writes one" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"has no tokenizer.json: `grokcore runs model RUN --out FOLDER`"):
        grokcore.train_model(
            load_spec("smoke", [f"model.start_from.model={old}", "training.max_steps=1"]), smoke_data, tmp_path / "new"
        )
    export_model(old, tmp_path / "model")
    assert contents(tmp_path / "model") == contents(smoke_run / "model")


def test_without_its_dataset_the_tokenizer_of_the_run_serves(smoke_run: Path, smoke_data: Path, tmp_path: Path) -> None:
    def moved(run: Path) -> Path:
        manifest = Manifest.model_validate(json.loads((run / MANIFEST).read_text()))
        manifest.dataset.uri, manifest.seal = str(tmp_path / "gone"), None
        (run / MANIFEST).write_text(manifest.model_dump_json())
        return run

    told: list[str] = []
    shutil.copytree(smoke_run, tmp_path / "run")
    export_model(moved(tmp_path / "run"), tmp_path / "model", notify=told.append)
    assert len(told) == 1
    found, whole = contents(tmp_path / "model"), contents(smoke_run / "model")
    assert "QUESTION" in found.pop("README.md").decode()
    del whole["README.md"]
    assert found == whole

    old = moved(old_run(smoke_run, tmp_path / "old"))
    with pytest.raises(InputError, match="name the dataset by --data"):
        export_model(old, tmp_path / "none")
    export_model(old, tmp_path / "named", data=smoke_data)
    assert contents(tmp_path / "named") == contents(smoke_run / "model")
