"""Where runs lie below a place: told from the files alone, none of which is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from grokcore.storage import StoredFile
from grokcore.telemetry.manifest import MANIFEST

DELETING = "deleting.json"
"""Stands in a run's place while it is being deleted, so that a deletion that was interrupted can be repeated."""


def files_by_run(files: Iterable[StoredFile]) -> dict[str, list[StoredFile]]:
    """The files of each run by the run's place. What lies below a run belongs to it, manifests of checkpoints too."""
    files = list(files)
    marked = {_parent(file.key) for file in files if PurePosixPath(file.key).name in (MANIFEST, DELETING)}
    runs: dict[str, list[StoredFile]] = {}
    for file in files:
        outermost = next((place for place in _directories(file.key) if place in marked), None)
        if outermost is not None:
            runs.setdefault(outermost, []).append(file)
    return runs


def _directories(key: str) -> list[str]:
    """The directories that a key lies in, from the outermost, which is ''."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _parent(key: str) -> str:
    return key.rpartition("/")[0]
