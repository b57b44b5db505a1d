"""A dataset as a stranger opens it: by `datasets`, without grokcore and without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grokcore.data import generate_dataset, open_dataset
from grokcore.data.generate import copy_dataset
from grokcore.spec import ExperimentSpec
from tests.support.stranger import stranger

LOAD = """
import json, sys
from datasets import load_dataset
from huggingface_hub import DatasetCard

folder = sys.argv[1]
data = load_dataset(folder)
card = DatasetCard.load(folder + "/README.md")
print(json.dumps({
    "rows": {name: part.num_rows for name, part in data.items()},
    "columns": {name: part.column_names for name, part in data.items()},
    "splits": {name: part["split" if "split" in part.column_names else "type"][:] for name, part in data.items()},
    "first": {name: part[0] for name, part in data.items()},
    "tags": card.data.tags,
    "code": card.text.split("```python\\n")[1].split("```")[0],
    "grokcore": "grokcore" in sys.modules,
}))
"""


def test_datasets_loads_every_row_of_every_split(smoke_data: Path, tmp_path: Path) -> None:
    told = stranger(LOAD, str(smoke_data), home=tmp_path)
    info = open_dataset(smoke_data).info
    found = {name: {split: part.count(split) for split in set(part)} for name, part in told["splits"].items()}
    assert found["train"] == {name: split.rows for name, split in info.splits.items() if split.role == "train"}
    assert found["probes"] == {name: split.probes for name, split in info.splits.items()}
    assert told["columns"] == {name: ["split", "tokens", "answer"] for name in ("train", "probes")}
    assert told["tags"] == ["grokcore", "grokking", "comparison"]
    assert not told["grokcore"]

    code = told["code"].replace("FOLDER", str(smoke_data)) + "\nprint(json.dumps(texts['probes'][0]))"
    row, vocabulary = stranger(code, home=tmp_path), open_dataset(smoke_data).vocabulary
    assert row["question"] == " ".join(vocabulary[token] for token in told["first"]["probes"]["tokens"])
    assert row["answer_text"] == vocabulary[told["first"]["probes"]["answer"]]


def test_the_files_of_the_reference_are_loaded_too(smoke_spec: ExperimentSpec, tmp_path: Path) -> None:
    generate_dataset(smoke_spec.task, tmp_path / "data", format="grokked-transformer")
    told = stranger(LOAD, str(tmp_path / "data"), home=tmp_path)
    for split, file in {"train": "train", "validation": "valid", "test": "test"}.items():
        rows = json.loads((tmp_path / f"data/{file}.json").read_text())
        assert told["rows"][split] == len(rows)
        assert told["first"][split] == rows[0]


def test_the_card_is_listed_nowhere_and_the_same_for_a_copy(smoke_data: Path, tmp_path: Path) -> None:
    info = open_dataset(smoke_data).info
    assert "README.md" not in info.files
    task = info.current_task()
    assert task is not None
    copy_dataset(task, smoke_data, tmp_path / "copy")
    assert (tmp_path / "copy/README.md").read_bytes() == (smoke_data / "README.md").read_bytes()


@pytest.mark.parametrize("format", ["grokcore", "grokked-transformer"])
def test_the_same_command_adds_it_to_a_dataset_of_an_earlier_version(
    format: str, smoke_spec: ExperimentSpec, tmp_path: Path
) -> None:
    generate_dataset(smoke_spec.task, tmp_path / "data", format=format)
    card = (tmp_path / "data/README.md").read_bytes()
    (tmp_path / "data/README.md").unlink()
    generate_dataset(smoke_spec.task, tmp_path / "data", format=format)
    assert (tmp_path / "data/README.md").read_bytes() == card
