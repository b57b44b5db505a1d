"""A flipped bit, a truncated or a missing file: detected, and walked back over or refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
import torch

import grokcore
from grokcore.data import open_dataset
from grokcore.errors import InputError
from grokcore.runs.checkpoints import files_by_step, folder_of
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import FileStore
from grokcore.training.checkpoints.checkpoint import load_checkpoint
from tests.faults.conftest import Trial

ROW = "a flipped bit, truncation, or a missing file in a checkpoint or data set"


@pytest.fixture(scope="module")
def run(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of the steps 10, 20, 30 and 40; read only."""
    run = tmp_path_factory.mktemp("damage") / "run"
    for steps in (10, 20, 30, 40):  # the end of an attempt is always saved; a save on the way gives way to a newer one
        overrides = [f"training.max_steps={steps}", "training.checkpoint_interval=null", "training.checkpoint_keep=4"]
        rarely = ["evaluation.interval=1000", "evaluation.growth=1000"]  # no milestone lies between
        grokcore.train_model(load_spec("smoke", [*overrides, *rarely]), smoke_data, run)
    assert list(files_by_step(FileStore(run / "checkpoints"))) == [10, 20, 30, 40]
    return run


def damage(path: Path, random: Random) -> str:
    """Do one thing to a file; what it was."""
    content = path.read_bytes()
    kind = random.choice(("flip", "truncate", "remove"))
    if kind == "remove":
        path.unlink()
    elif kind == "truncate":
        path.write_bytes(content[: random.randrange(len(content))])
    else:
        place = random.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :])
    return kind


@pytest.mark.fault(ROW, 10)
def test_in_a_checkpoint(trial: Trial, run: Path, tmp_path: Path, smoke_spec: ExperimentSpec) -> None:
    """What loads is the state of its step, bit for bit; the newest is skipped only where it is damaged, and named."""
    shutil.copytree(run / "checkpoints", tmp_path / "checkpoints")
    store = FileStore(tmp_path / "checkpoints")
    hit = {}
    for _ in range(trial.random.randint(1, 3)):
        files = [file for files in files_by_step(store).values() for file in files]
        file = trial.random.choice(files)
        hit[file.key.partition("/")[0]] = damage(tmp_path / "checkpoints" / file.key, trial.random)

    found, skipped = load_checkpoint(store, smoke_spec.run_id)

    assert found is not None, "one of four must be good"
    for line, step in zip(skipped, range(40, found.step, -10), strict=True):
        assert line.startswith(f"checkpoint {folder_of(step)} was skipped: ")
        assert "\n" not in line
        assert folder_of(step) in hit
    original, _ = load_checkpoint(FileStore(run / "checkpoints"), smoke_spec.run_id, before=found.step + 1)
    assert original is not None
    assert original.step == found.step
    assert found.tensors.keys() == original.tensors.keys()
    for name, tensor in original.tensors.items():
        assert torch.equal(found.tensors[name].nan_to_num(), tensor.nan_to_num())
    assert (found.values, found.journal) == (original.values, original.journal)


@pytest.mark.fault(ROW, 10)
def test_in_a_data_set(trial: Trial, smoke_data: Path, tmp_path: Path) -> None:
    """Refused in one line, unless it is a detail of dataset.json that changes nothing of what is read."""
    data = tmp_path / "data"
    shutil.copytree(smoke_data, data)
    file = trial.random.choice(sorted(path for path in data.iterdir() if path.name != "README.md"))
    damage(file, trial.random)

    original = open_dataset(smoke_data)
    try:
        dataset = open_dataset(data, original.info.id)
        train, probes = dataset.train(), dataset.probes()
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    assert "\n" not in refusal
    if refusal:
        return
    assert file.name == "dataset.json"
    assert (train.tokens == original.train().tokens).all()
    assert (train.answers == original.train().answers).all()
    assert dataset.vocabulary == original.vocabulary
    for name, rows in original.probes().items():
        assert (probes[name].tokens == rows.tokens).all()


def test_a_run_whose_checkpoints_are_all_damaged_begins_anew_or_is_refused(
    run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    for step, files in files_by_step(FileStore(tmp_path / "run" / "checkpoints")).items():
        (tmp_path / "run" / "checkpoints" / files[0].key).write_bytes(b"x" * step)
    spec = load_spec("smoke", ["training.max_steps=5"])
    with pytest.raises(InputError, match=r"none of the checkpoints at .* can be used"):
        grokcore.train_model(spec, smoke_data, tmp_path / "run", resume="require")
    said: list[str] = []
    assert grokcore.train_model(spec, smoke_data, tmp_path / "run", notify=said.append).step == 5
    assert sum(line.startswith("checkpoint ") and " was skipped: " in line for line in said) == 4
