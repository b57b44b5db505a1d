"""The complete state of training at one step.

Loading the last good checkpoint: every hash is verified, and what is damaged is walked back over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from grokcore.errors import AbsentError, DamagedError, InputError, UnreadableError
from grokcore.runs.checkpoints import (
    HISTORY,
    TENSORS,
    VALUES,
    CheckpointManifest,
    files_by_step,
    folder_of,
    read_checkpoint_manifest,
)
from grokcore.runs.journal import upgraded_journal
from grokcore.storage import Store, clear_errors, read_bytes, read_json, sha256


@dataclass(frozen=True)
class Checkpoint:
    """The complete state of training after `step` optimizer steps.

    Attributes:
        tensors: on any device; of a checkpoint that was loaded, on the CPU.
        values: JSON.
        journal: the lines of the journal up to here, in the present format.
    """

    run_id: str
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    journal: bytes = b""

    def is_finite(self) -> bool:
        """Return whether every weight is a finite number. Waits for the device."""
        weights = (tensor for name, tensor in self.tensors.items() if name.startswith("model."))
        return all(bool(tensor.isfinite().all()) for tensor in weights if tensor.is_floating_point())


class Snapshot:
    """A copy of a checkpoint in host memory, made without waiting for the device, so that training goes on at once."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._copied: torch.cuda.Event | None = None
        tensors = {name: self._copy(tensor.detach()) for name, tensor in checkpoint.tensors.items()}
        if any(tensor.is_cuda for tensor in checkpoint.tensors.values()):
            self._copied = torch.cuda.Event()
            self._copied.record()
        self._checkpoint = replace(checkpoint, tensors=tensors)

    @property
    def step(self) -> int:
        return self._checkpoint.step

    def get(self) -> Checkpoint:
        """The copy, once it is complete."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._checkpoint

    @staticmethod
    def _copy(tensor: Tensor) -> Tensor:
        if not tensor.is_cuda:
            return tensor.clone(memory_format=torch.contiguous_format)
        # Page-locked memory takes the copy in the order of the device's work, after the steps that came before it.
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return host.copy_(tensor, non_blocking=True)


def load_checkpoint(
    store: Store, run_id: str, *, finite: bool = False, before: int | None = None, multiple_of: int = 1
) -> tuple[Checkpoint | None, list[str]]:
    """The last good checkpoint of a run, if there is one, and a line for each that had to be skipped.

    Args:
        store: that of the checkpoints.
        run_id: whose they must be.
        finite: take only one whose weights are all finite numbers.
        before: take only one of an earlier step.
        multiple_of: take only one whose step is a multiple of this.

    Raises:
        InputError: none is good, and some could not be read at all.
        TransientError: the store could not be reached. What cannot be read now may be good.
    """
    skipped: list[str] = []
    unreadable: InputError | None = None
    for step in sorted(files_by_step(store), reverse=True):
        if (before is not None and step >= before) or step % multiple_of:
            continue
        try:
            manifest = read_checkpoint_manifest(store, step)
            if manifest.finite or not finite:
                return _load(store, manifest, run_id), skipped
            reason = "it holds weights that are not numbers"
        except AbsentError:
            reason = "it was never finished"
        except (DamagedError, UnreadableError) as error:
            reason = str(error)
        except InputError as error:
            reason, unreadable = str(error), error
        skipped.append(f"checkpoint {folder_of(step)} was skipped: {reason}")
    if unreadable is not None:
        raise unreadable
    return None, skipped


def is_good(store: Store, manifest: CheckpointManifest, run_id: str) -> bool:
    """Return whether a checkpoint can be used; all of it is read to find out.

    Raises:
        InputError: it cannot be read at all.
        TransientError: the store could not be reached.
    """
    try:
        with _verified_files(store, manifest, run_id):
            return True
    except (DamagedError, UnreadableError):
        return False


def _load(store: Store, manifest: CheckpointManifest, run_id: str) -> Checkpoint:
    with _verified_files(store, manifest, run_id) as folder:
        try:
            with clear_errors("read", folder / TENSORS):
                tensors = load_file(folder / TENSORS)
        except SafetensorError as error:
            raise DamagedError(f"{TENSORS} cannot be read: {error}") from None
        journal = upgraded_journal(read_bytes(folder / HISTORY), folder / HISTORY)
        return Checkpoint(run_id, manifest.step, tensors, read_json(folder / VALUES), journal)


@contextmanager
def _verified_files(store: Store, manifest: CheckpointManifest, run_id: str) -> Iterator[Path]:
    """A directory of this machine with the files of a checkpoint.

    Raises:
        DamagedError: they are not those that the manifest describes.
    """
    if manifest.run_id != run_id:
        raise DamagedError(f"it belongs to run {manifest.run_id}")
    if store.directory is not None:
        folder = store.directory / folder_of(manifest.step) / manifest.attempt
        _verify(folder, manifest)
        yield folder
        return
    with store.scratch() as scratch:
        for name in manifest.files:
            with suppress(AbsentError):
                store.download(manifest.key_of(name), scratch / name)
        _verify(scratch, manifest)
        yield scratch


def _verify(folder: Path, manifest: CheckpointManifest) -> None:
    for name, facts in manifest.files.items():
        path = folder / name
        with clear_errors("read", path):
            if not path.is_file():
                raise DamagedError(f"{name} is missing")
        if sha256(path) != facts.sha256:
            raise DamagedError(f"{name} does not have the hash that its manifest names")
