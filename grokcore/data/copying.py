"""A data set brought to where others can read it."""

from __future__ import annotations

import shutil
from pathlib import Path

from grokcore.data.dataset import open_dataset
from grokcore.data.generate import put_dataset, standing_dataset
from grokcore.data.info import INFO_FILE, DatasetInfo, encoded
from grokcore.data.layouts import GROKCORE
from grokcore.spec import TaskSpec, dataset_id
from grokcore.storage import open_store


def copy_dataset(task: TaskSpec, source: str | Path, out: str | Path) -> DatasetInfo:
    """Copy the data set of `task` from `source` to `out`, or reuse the same one that stands there already.

    Args:
        source: path or URI of a data set; all its files are verified first.
        out: path or URI of the copy's place; parents are made.

    Raises:
        InputError: `source` is not the task's data set or is damaged, something else stands at `out`, or it cannot be
            written.
        TransientError: a store could not be reached.
    """
    original = open_dataset(source, expected_id=dataset_id(task))
    store = open_store(out)
    standing = standing_dataset(store, task, GROKCORE)
    if standing is not None:
        return standing

    def copy(folder: Path) -> DatasetInfo:
        for name in original.info.files:
            shutil.copyfile(original.path / name, folder / name)
        (folder / INFO_FILE).write_bytes(encoded(original.info))
        return original.info

    return put_dataset(store, task, GROKCORE, copy)
