"""From a task to a data set on disk: whole, or not there."""

from __future__ import annotations

import json
from pathlib import Path

from grokcore.data.dataset import verify
from grokcore.data.info import INFO_FILE, DatasetInfo, FileInfo, SplitInfo, read_info
from grokcore.data.layouts import LAYOUTS, Layout, layout_of
from grokcore.errors import InputError
from grokcore.spec import TaskSpec, dataset_id
from grokcore.spec.experiment import GENERATOR_VERSION
from grokcore.storage import clear_errors, local_path, new_directory, sha256
from grokcore.tasks import TaskData, build_task


def generate_dataset(task: TaskSpec, out: str | Path, *, format: str = "grokcore") -> DatasetInfo:
    """Write the data set of `task` to the directory `out`, or reuse the same one that stands there already.

    Args:
        out: a path or `file://` URI; parents are made.
        format: `grokcore`, or `grokked-transformer` for the files of the public reference code.

    Raises:
        InputError: the task is impossible, something else stands at `out`, or it cannot be written.
    """
    if format not in LAYOUTS:
        raise InputError(f"there is no format {format!r}; formats are: {', '.join(LAYOUTS)}")
    layout, place, identity = LAYOUTS[format], local_path(out), dataset_id(task)
    standing = _standing(place, identity, layout)
    if standing is not None:
        return standing
    data = build_task(task)
    try:
        with new_directory(place) as folder:
            layout.write(data, folder)
            info = _describe(task, data, folder, layout)
            document = json.dumps(info.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
            (folder / INFO_FILE).write_bytes(document.encode())
    except InputError:
        standing = _standing(place, identity, layout)  # another process may have been faster with the same data set
        if standing is None:
            raise
        return standing
    return info


def _standing(place: Path, identity: str, layout: Layout) -> DatasetInfo | None:
    """The wanted data set if it stands at `place` and is whole, None if nothing stands there.

    Raises:
        InputError: something else stands there.
    """
    with clear_errors("write", place):
        if not place.exists() or (place.is_dir() and not any(place.iterdir())):
            return None
        if not (place / INFO_FILE).is_file():
            raise InputError(f"{place} exists already and is no data set; remove it or choose another place")
    info = read_info(place)
    standing = layout_of(info)
    if info.id != identity:
        raise InputError(
            f"{place} holds the data set {info.id}, which was made for another task or by another version than "
            f"{identity}; remove it or choose another place"
        )
    if standing is not layout:
        raise InputError(
            f"{place} holds this data set in the format {standing.name}; remove it or choose another place"
        )
    verify(place, info)
    return info


def _describe(task: TaskSpec, data: TaskData, folder: Path, layout: Layout) -> DatasetInfo:
    """The dataset.json of files that stand in `folder`."""
    return DatasetInfo(
        id=dataset_id(task),
        generator_version=GENERATOR_VERSION,
        task=task.model_dump(mode="json"),
        vocabulary_size=len(data.vocabulary),
        sequence_length=max(int(rows.lengths.max()) for rows in (*data.train.values(), *data.probes.values())),
        eos=data.eos,
        prefixes=data.prefixes,
        splits={
            name: SplitInfo(
                role=split.role,
                rows=split.rows,
                probes=len(data.probes[name]),
                majority_baseline=split.majority_baseline,
            )
            for name, split in data.splits.items()
        },
        files={
            name: FileInfo(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size)
            for name in sorted(layout.files)
        },
    )
