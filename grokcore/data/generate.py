"""Generate a dataset from a task, or copy one: it appears as a whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from grokcore.data.card import CARD, dataset_card
from grokcore.data.dataset import open_dataset, verify
from grokcore.data.formats import GROKCORE, LAYOUTS, Layout, layout_of, write_all
from grokcore.data.info import FACTS_FILE, INFO_FILE, DatasetInfo, FileInfo, SplitInfo, encoded, read_info
from grokcore.data.reference import rows_digest
from grokcore.errors import InputError
from grokcore.spec import TaskSpec, dataset_id
from grokcore.storage import Store, clear_errors, new_directory, open_store, sha256
from grokcore.tasks import FactTable, TaskData, build_task


def generate_dataset(
    task: TaskSpec,
    out: str | Path,
    *,
    format: str = "grokcore",
    facts: FactTable | None = None,
    data: TaskData | None = None,
) -> DatasetInfo:
    """Write the dataset of `task` to `out`, or reuse the same one if it is there already.

    Args:
        out: a path, a `file://` or an `s3://` URI; parents are made.
        format: `grokcore`, or `grokked-transformer` for the files of the public reference code.
        facts: those that the task names, if it names any: `task_over` makes it name them.
        data: the rows that the task names, if it names any: `read_reference` returns both.

    Raises:
        InputError: the task is impossible, `out` holds something else, or it cannot be written.
        TransientError: the store could not be reached.
    """
    if format not in LAYOUTS:
        raise InputError(f"there is no format {format!r}; formats are: {', '.join(LAYOUTS)}")
    layout, store = LAYOUTS[format], open_store(out)
    standing = standing_dataset(store, task, layout)
    if standing is not None:
        _add_card(store, standing)
        return standing
    if data is not None and getattr(task, "rows", None) != rows_digest(data):
        raise InputError("these are not the rows that the task names: they were changed since its spec was made")
    built = build_task(task, facts) if data is None else data
    return put_dataset(store, task, layout, lambda folder: _make(task, built, folder, layout))


def put_dataset(store: Store, task: TaskSpec, layout: Layout, make: Callable[[Path], DatasetInfo]) -> DatasetInfo:
    """Write the dataset of `task` to an empty store; of several processes that do so at once all succeed.

    Args:
        make: writes its files, dataset.json among them, into a directory that exists.

    Raises:
        InputError: the store holds something else, or cannot be written.
        TransientError: the store could not be reached.
    """
    return (_upload if store.directory is None else _write)(store, task, layout, make)


def _write(store: Store, task: TaskSpec, layout: Layout, make: Callable[[Path], DatasetInfo]) -> DatasetInfo:
    """Write into a directory, which appears by one rename."""
    assert store.directory is not None  # noqa: S101 - the caller has looked
    try:
        with new_directory(store.directory) as folder:
            return make(folder)
    except InputError:
        standing = standing_dataset(store, task, layout)  # another process may have been faster with the same dataset
        if standing is None:
            raise
        return standing


def _upload(store: Store, task: TaskSpec, layout: Layout, make: Callable[[Path], DatasetInfo]) -> DatasetInfo:
    """Upload to object storage, with dataset.json last: it marks the dataset as complete."""
    with store.scratch() as folder:
        with clear_errors("write", folder):
            info = make(folder)
        _upload_files(store, folder, info)
        store.write(CARD, dataset_card(info))
        if store.write_new(INFO_FILE, encoded(info)):
            return info
        # Another process was faster. Its files and ours are the same, unless another version of a library wrote them.
        standing = _described(store, task, layout)
        if standing is not None and _whole(store, standing) is None:
            return standing
        _upload_files(store, folder, info)
        store.write(INFO_FILE, encoded(info))
    return info


def _upload_files(store: Store, folder: Path, info: DatasetInfo) -> None:
    for name, file in info.files.items():
        store.upload(folder / name, name, sha256=file.sha256)


def _make(task: TaskSpec, data: TaskData, folder: Path, layout: Layout) -> DatasetInfo:
    """Write all files of a dataset into an existing directory."""
    info = _describe(task, data, folder, write_all(data, folder, layout))
    (folder / INFO_FILE).write_bytes(encoded(info))
    (folder / CARD).write_bytes(dataset_card(info))
    return info


def _add_card(store: Store, info: DatasetInfo) -> None:
    """Add the card to a dataset of an earlier version, which has none, if this user may write there."""
    if store.find(CARD) is None:
        with contextlib.suppress(InputError):
            store.write(CARD, dataset_card(info))


def standing_dataset(store: Store, task: TaskSpec, layout: Layout) -> DatasetInfo | None:
    """Return the dataset of `task` if the store holds it completely, None if the store is empty.

    Raises:
        InputError: the store holds something else, or a file is missing or changed.
    """
    info = _described(store, task, layout)
    if info is None:
        return None
    if store.directory is not None:
        verify(store.directory, info)
    elif (wrong := _whole(store, info)) is not None:
        raise InputError(f"{wrong}: remove {store} and generate it again")
    return info


def _described(store: Store, task: TaskSpec, layout: Layout) -> DatasetInfo | None:
    """Read the dataset.json of a store; None if the store is empty.

    Raises:
        InputError: the store holds something else.
    """
    if store.find(INFO_FILE) is None:
        if _vacant(store):
            return None
        if store.find(INFO_FILE) is None:  # looked for again: a directory may have appeared, whole, in between
            raise InputError(f"{store} exists already and is not a dataset; remove it or choose another place")
    info, identity = read_info(store), dataset_id(task)
    standing = layout_of(info)
    if info.id != identity:
        raise InputError(
            f"{store} holds the dataset {info.id}, which was made for another task or by another version than "
            f"{identity}; remove it or choose another place"
        )
    if standing is not layout:
        raise InputError(f"{store} holds this dataset in the format {standing.name}; remove it or choose another place")
    return info


def _vacant(store: Store) -> bool:
    """Return whether a dataset may be written to a store; files of an interrupted upload do not matter."""
    if store.directory is None:
        known = {FACTS_FILE, CARD, *(name for layout in LAYOUTS.values() for name in layout.files)}
        return all(file.key in known for file in store.files())
    with clear_errors("write", store.directory):
        return not store.directory.exists() or (store.directory.is_dir() and not any(store.directory.iterdir()))


def _whole(store: Store, info: DatasetInfo) -> str | None:
    """Return what is wrong with the files of a dataset by the sizes and hashes that the store knows, or None."""
    for name, expected in info.files.items():
        found = store.find(name)
        if found is None:
            return f"{store.uri_of(name)} is missing"
        if found.size != expected.bytes or found.sha256 not in (None, expected.sha256):
            return f"{store.uri_of(name)} is not the file that {INFO_FILE} describes"
    return None


def _describe(task: TaskSpec, data: TaskData, folder: Path, files: list[str]) -> DatasetInfo:
    """Return the dataset.json of the files in `folder`."""
    return DatasetInfo(
        id=dataset_id(task),
        generator_version=task.generator_version,
        task=task.model_dump(mode="json"),
        vocabulary_size=len(data.vocabulary),
        sequence_length=max(int(rows.lengths.max()) for rows in (*data.train.values(), *data.probes.values())),
        eos=data.eos,
        prefixes=data.prefixes,
        supervised=data.supervised,
        splits={
            name: SplitInfo(
                role=split.role,
                rows=split.rows,
                probes=len(data.probes[name]),
                majority_baseline=split.majority_baseline,
                chance=split.chance,
            )
            for name, split in data.splits.items()
        },
        files={name: FileInfo(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size) for name in files},
    )


def copy_dataset(task: TaskSpec, source: str | Path, out: str | Path) -> DatasetInfo:
    """Copy the dataset of `task` from `source` to `out`, or reuse the same one if it is there already.

    Args:
        source: path or URI of a dataset; all its files are verified first.
        out: path or URI of the copy's place; parents are made.

    Raises:
        InputError: `source` is not the task's dataset or is damaged, `out` holds something else, or it cannot be
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
        (folder / CARD).write_bytes(dataset_card(original.info))
        return original.info

    return put_dataset(store, task, GROKCORE, copy)
