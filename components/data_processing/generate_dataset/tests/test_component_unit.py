import json
from pathlib import Path

import pytest
from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from grokcore.spec import load_spec

generate = generate_dataset.python_func


def test_writes_the_dataset_of_the_task_and_names_it(tmp_path: Path):
    spec = load_spec("smoke")
    dataset = dsl.Dataset(uri=str(tmp_path / "dataset"))
    generate(spec.task.model_dump_json(), dataset)
    assert json.loads((tmp_path / "dataset" / "dataset.json").read_text())["id"] == spec.dataset_id
    assert dataset.metadata["dataset_id"] == spec.dataset_id
    assert not (tmp_path / "error.json").exists()


def test_an_impossible_task_leaves_its_error_beside_the_artifact(tmp_path: Path):
    with pytest.raises(SystemExit) as exit_:
        generate('{"kind": "comparison", "entities": 1}', dsl.Dataset(uri=str(tmp_path / "dataset")))
    error = json.loads((tmp_path / "error.json").read_text())
    assert exit_.value.code == error["exit_code"] == 2
    assert error["stage"] == "generate"
    assert "entities" in error["message"]
    assert not (tmp_path / "dataset").exists()
