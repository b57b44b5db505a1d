"""The layouts that a data set can be written in, each a name and a function that writes the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from grokcore.data import grokked_transformer
from grokcore.data.info import FACTS_FILE, DatasetInfo
from grokcore.data.parquet import write_rows
from grokcore.errors import InputError
from grokcore.tasks import TaskData

VOCABULARY_FILE = "vocab.json"


@dataclass(frozen=True)
class Layout:
    """One way to write a data set.

    Attributes:
        name: what a user calls it.
        files: names of the files it consists of, besides dataset.json.
        write: writes them into a directory that exists; raises OSError where it cannot.
    """

    name: str
    files: frozenset[str]
    write: Callable[[TaskData, Path], None]


def _write_grokcore(data: TaskData, folder: Path) -> None:
    (folder / VOCABULARY_FILE).write_bytes((json.dumps(data.vocabulary, indent=0) + "\n").encode())
    write_rows(folder / "train.parquet", data.train)
    write_rows(folder / "probes.parquet", data.probes)


GROKCORE = Layout("grokcore", frozenset({VOCABULARY_FILE, "train.parquet", "probes.parquet"}), _write_grokcore)
GROKKED_TRANSFORMER = Layout("grokked-transformer", frozenset(grokked_transformer.FILES), grokked_transformer.write)
LAYOUTS = {layout.name: layout for layout in (GROKCORE, GROKKED_TRANSFORMER)}


def layout_of(info: DatasetInfo) -> Layout:
    """The layout whose files a data set lists, facts aside.

    Raises:
        InputError: they are those of no layout.
    """
    for layout in LAYOUTS.values():
        if layout.files == info.files.keys() - {FACTS_FILE}:
            return layout
    raise InputError(f"data set {info.id} lists files of no known layout ({', '.join(info.files)}): generate it again")


def write_all(data: TaskData, folder: Path, layout: Layout) -> list[str]:
    """Write a data set into a directory that exists.

    Returns:
        The names of its files.

    Raises:
        OSError: a file cannot be written.
    """
    layout.write(data, folder)
    if data.facts is None:
        return sorted(layout.files)
    with (folder / FACTS_FILE).open("wb") as file:
        file.writelines(data.facts.encoded())
    return sorted({*layout.files, FACTS_FILE})
