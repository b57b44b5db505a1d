"""The file layout of the public reference code of arXiv 2405.15071 (OSU-NLP-Group/GrokkedTransformer).

`train.json`, `valid.json` and `test.json` are each one JSON list of rows

    {"input_text": "<e_17><attr_3>", "target_text": "<e_17><attr_3><4></a>", "type": "id_atomic"}

and `vocab.json` is the list of tokens. `valid.json` has the probes of the split that a run is about; `test.json` those
of every split but the diagnostic ones, which the reference does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from grokcore.tasks import Rows, TaskData

FILES = ("train.json", "valid.json", "test.json", "vocab.json")


def write(data: TaskData, folder: Path) -> None:
    """Write the four files into `folder`.

    Raises:
        OSError: a file cannot be written.
    """
    target = [name for name, split in data.splits.items() if split.role == "held_out"][-1]
    known = {name: rows for name, rows in data.probes.items() if data.splits[name].role != "diagnostic"}
    _write_list(folder / "train.json", _lines(data, data.train))
    _write_list(folder / "valid.json", _lines(data, {target: data.probes[target]}))
    _write_list(folder / "test.json", _lines(data, known))
    _write_list(folder / "vocab.json", map(json.dumps, data.vocabulary))


def _lines(data: TaskData, splits: Mapping[str, Rows]) -> Iterator[str]:
    vocabulary, close = data.vocabulary, data.vocabulary[data.eos]
    for name, rows in splits.items():
        for tokens, length, answer in zip(rows.tokens, rows.lengths, rows.answers, strict=True):
            question = "".join([vocabulary[token] for token in tokens[:length]])
            target = question + vocabulary[answer] + close
            yield json.dumps({"input_text": question, "target_text": target, "type": name})


def _write_list(path: Path, items: Iterator[str]) -> None:
    """A JSON list, one item a line, without holding the text of all of them."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        separator = "[\n"
        for item in items:
            file.write(separator + item)
            separator = ",\n"
        file.write("\n]\n")
