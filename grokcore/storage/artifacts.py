"""Between a run in its store and the artifacts that Kubeflow passes from task to task."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from grokcore.errors import InputError, printable
from grokcore.storage.local import clear_errors, new_directory, read_bytes
from grokcore.storage.uri import open_store

RUN_FILES = ("spec.yaml", "manifest.json", "metrics.jsonl")
"""What the artifact of a run consists of: few small files, since each is uploaded on its own."""


def collect_run(place: str, run: str, model: str) -> Path:
    """Copy what becomes an artifact out of the run at `place`: its record to `run`, its model to `model`.

    Where the run has no place but the artifact itself, everything else leaves it, checkpoints above all.

    Returns:
        The directory `run`.
    """
    store, target = open_store(place), Path(run)
    with new_directory(Path(model)) as copy:
        store.download_directory("model", copy)
    if store.directory is not None and store.directory.resolve() == target.resolve():
        _keep(target, RUN_FILES)
    else:
        with new_directory(target) as copy:
            for name in RUN_FILES:
                store.download(name, copy / name)
    return target


def _keep(directory: Path, names: Collection[str]) -> None:
    """Remove everything but `names` from a directory."""
    with clear_errors("empty", directory):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in names:
                path.unlink()


def join_run(run_uri: str | None, file: str, name: str) -> None:
    """Copy an artifact's file into the run's place as `name`, if that can be reached from here.

    A run that cannot be reached keeps its evaluation and report as artifacts only, so this prints and goes on.

    Raises:
        TransientError: the store is there, but did not answer: another attempt may work.
    """
    try:
        store = open_store(run_uri or "")
        if store.find("manifest.json") is not None:
            store.write(name, read_bytes(Path(file)))
            return
    except InputError as error:
        print(f"{name} stays an artifact: {error}")
        return
    print(f"{name} stays an artifact: the run at {printable(str(run_uri))} cannot be reached from here")


def copy_files(source: Path, target: Path, names: Collection[str]) -> None:
    """Copy single files of a directory into another one, which is made."""
    store = open_store(target)
    for name in names:
        store.upload(source / name, name)


def join_sweep(sweep_uri: str, directory: str) -> None:
    """Copy the files of a comparison into the sweep's place, if that can be reached from here.

    Raises:
        TransientError: the store is there, but did not answer: another attempt may work.
    """
    try:
        store = open_store(sweep_uri)
        for path in sorted(Path(directory).iterdir()):
            store.upload(path, path.name)
    except InputError as error:
        print(f"the comparison stays an artifact: {error}")
