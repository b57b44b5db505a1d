"""The card of a dataset: a README.md whose front matter tells `datasets.load_dataset` which file is which split.

It follows from dataset.json alone, is not listed there, and belongs to no identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from grokcore.data.formats import GROKCORE, layout_of
from grokcore.data.info import DatasetInfo

CARD = "README.md"

_FILES = {
    "grokcore": {"train": "train.parquet", "probes": "probes.parquet"},
    "grokked-transformer": {"train": "train.json", "validation": "valid.json", "test": "test.json"},
}
"""The file of each split, as `datasets` calls them, by the layout."""


def dataset_card(info: DatasetInfo) -> bytes:
    """Return the content of README.md for the dataset that `info` describes."""
    layout = layout_of(info)
    files = [{"split": split, "path": path} for split, path in _FILES[layout.name].items()]
    front: dict[str, Any] = {
        "tags": ["grokcore", "grokking", str(info.task.get("kind"))],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {info.task.get('kind')}, dataset {info.id}",
        _ROWS.format(tokens=info.vocabulary_size),
        "\n".join(_splits(info)),
        _ROLES,
        "## How to load it",
        _PARQUET if layout is GROKCORE else _JSON,
    ]
    return ("\n\n".join(parts) + "\n").encode()


_ROWS = (
    "Rows of one task of [grokcore](https://github.com/grokcore/grokcore), made to study grokking: each is a question "
    "and its answer, one token. `dataset.json` holds the task with all fields, and the SHA-256 of every file but this "
    "one; `vocab.json` the {tokens:,} tokens, a token's id being its place."
)

_ROLES = (
    "Training sees every row of the splits of role `train`. A model generalizes as far as it answers those of role "
    "`held_out`; `diagnostic` ones are only observed. Accuracy is measured on the probes, a sample of each split. "
    "*Majority baseline*: the accuracy of always giving the most common answer."
)

_PARQUET = """\
```python
import json
from datasets import load_dataset

data = load_dataset("FOLDER")  # train: all rows of training; probes: those of every split
vocabulary = json.load(open("FOLDER/vocab.json"))
texts = data.map(lambda row: {
    "question": " ".join(vocabulary[token] for token in row["tokens"]), "answer_text": vocabulary[row["answer"]]
})
```

| column | type | meaning |
|---|---|---|
| `split` | string | the split of the table above that a row belongs to |
| `tokens` | list of int32 | ids of the question's tokens, without padding |
| `answer` | int32 | id of the answer |

`data["probes"].filter(lambda row: row["split"] == NAME)` are the probes of one split."""

_JSON = """\
```python
from datasets import load_dataset

data = load_dataset("FOLDER")
```

| column | type | meaning |
|---|---|---|
| `input_text` | string | the question |
| `target_text` | string | the question, its answer and the closing token |
| `type` | string | the split of the table above that a row belongs to |

These are the files that the public code of [2405.15071](https://arxiv.org/abs/2405.15071) reads. `train` has all rows
of training, `validation` the probes of the last held-out split, `test` those of every split but the diagnostic ones."""


def _splits(info: DatasetInfo) -> Iterator[str]:
    yield "| split | role | rows | probes | majority baseline |"
    yield "|---|---|---|---|---|"
    for name, split in info.splits.items():
        yield f"| `{name}` | {split.role} | {split.rows:,} | {split.probes:,} | {split.majority_baseline:.3f} |"
