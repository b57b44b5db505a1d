"""Retention of checkpoints: keep the last few, those of milestones, and every n-th."""

from __future__ import annotations

from collections.abc import Mapping

from grokcore.errors import AbsentError, DamagedError, UnreadableError
from grokcore.runs.checkpoints import (
    CheckpointManifest,
    files_by_step,
    manifest_key,
    read_checkpoint_manifest,
)
from grokcore.storage import Store, StoredFile


class Retention:
    """Removes checkpoints that need not be kept, and files of unfinished saves.

    Args:
        last: number of latest checkpoints kept; those with nonfinite weights do not count.
        every: keep those whose step is a multiple of this, too.
        regular: keep the latest whose step is a multiple of this and whose weights are finite, too: training may walk
            back to it.
    """

    def __init__(self, *, last: int, every: int | None = None, regular: int | None = None) -> None:
        self._last, self.every, self._regular = last, every, regular
        self._known: dict[int, CheckpointManifest] = {}
        self._damaged: set[int] = set()

    def apply(self, store: Store) -> None:
        """Only the one writer of a run may call this, between saves. Manifests go first, then what they name."""
        found = files_by_step(store)
        self._learn(store, found)
        surplus = surplus_of(self._known, last=self._last, every=self.every, regular=self._regular)
        newest = max(self._known, default=-1)
        for step, files in found.items():
            manifest = None if step in surplus else self._known.get(step)
            if manifest is not None:
                _delete(store, [file for file in files if file.key not in _keys_of(manifest)])
            elif step in surplus or step < newest or not any(file.key == manifest_key(step) for file in files):
                store.delete(manifest_key(step))
                _delete(store, files)
                self._known.pop(step, None)
                self._damaged.discard(step)

    def _learn(self, store: Store, found: Mapping[int, list[StoredFile]]) -> None:
        """Read the manifests that are new; one that is damaged stays unknown, and is not read again."""
        present = {step for step, files in found.items() if any(file.key == manifest_key(step) for file in files)}
        self._known = {step: manifest for step, manifest in self._known.items() if step in present}
        for step in present - self._known.keys() - self._damaged:
            try:
                self._known[step] = read_checkpoint_manifest(store, step)
            except AbsentError:
                continue
            except (DamagedError, UnreadableError):
                self._damaged.add(step)


def surplus_of(
    manifests: Mapping[int, CheckpointManifest], *, last: int, every: int | None, regular: int | None
) -> set[int]:
    """Return the steps whose checkpoints need not be kept."""
    finite = sorted(step for step, manifest in manifests.items() if manifest.finite)
    kept = {*finite[-last:], max(manifests, default=-1)}
    if regular is not None:
        kept |= set([step for step in finite if step % regular == 0][-1:])
    kept |= {step for step, manifest in manifests.items() if manifest.milestones}
    kept |= {step for step in manifests if every is not None and step % every == 0}
    return manifests.keys() - kept


def _keys_of(manifest: CheckpointManifest) -> set[str]:
    return {manifest_key(manifest.step), *(manifest.key_of(name) for name in manifest.files)}


def _delete(store: Store, files: list[StoredFile]) -> None:
    for file in files:
        store.delete(file.key)
