"""Checkpoints: step-numbered directories that are whole or not there, verified before they are believed.

`checkpoints/step-00001000/` holds `state.safetensors` (tensors), `state.json` (the rest) and `manifest.json` (sizes and
hashes), written last; the directory appears under its name by one rename. Nothing is ever unpickled.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from grokcore.errors import InputError
from grokcore.storage import clear_errors, new_directory, read_json, sha256, write_atomically, write_json

TENSORS, VALUES, MANIFEST = "state.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """The complete state of training after `step` optimiser steps."""

    run_id: str
    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Write a checkpoint, unless this step's is there already, and remove all but the last `keep`.

    Raises:
        InputError: the place cannot be written; nothing is left behind.
    """
    place = folder / f"step-{checkpoint.step:08d}"
    if _problem(place, checkpoint.run_id) is not None:
        shutil.rmtree(place, ignore_errors=True)
        with new_directory(place) as directory:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
            try:
                save_file(tensors, directory / TENSORS)
            except SafetensorError as error:  # it wraps the operating system's error, a full disk above all
                raise InputError(f"cannot write {place}: {error}; free some space or choose another place") from None
            write_json(directory / VALUES, checkpoint.values)
            files = {name: {"sha256": sha256(directory / name), "bytes": (directory / name).stat().st_size}
                     for name in (TENSORS, VALUES)}  # fmt: skip
            write_json(
                directory / MANIFEST,
                {"format": 1, "run_id": checkpoint.run_id, "step": checkpoint.step, "files": files},
            )
        write_atomically(folder / "latest", f"{place.name}\n".encode())
    for old in _directories(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def load_checkpoint(folder: Path, run_id: str) -> tuple[Checkpoint | None, list[str]]:
    """The last good checkpoint of a run, if there is one, and a line for each that had to be skipped."""
    skipped: list[str] = []
    for place in reversed(_directories(folder)):
        problem = _problem(place, run_id)
        if problem is None:
            step = read_json(place / MANIFEST)["step"]
            return Checkpoint(run_id, step, load_file(place / TENSORS), read_json(place / VALUES)), skipped
        skipped.append(f"checkpoint {place.name} was skipped: {problem}")
    return None, skipped


def _directories(folder: Path) -> list[Path]:
    with clear_errors("read", folder):
        return sorted(folder.glob("step-*")) if folder.is_dir() else []


def _problem(place: Path, run_id: str) -> str | None:
    """Why a checkpoint cannot be used, or None."""
    try:
        manifest = read_json(place / MANIFEST)
        if manifest["run_id"] != run_id:
            return f"it belongs to run {manifest['run_id']}"
        if not isinstance(manifest["step"], int) or set(manifest["files"]) != {TENSORS, VALUES}:
            return "its manifest is damaged"
        for name, expected in manifest["files"].items():
            if sha256(place / name) != expected["sha256"]:
                return f"{name} does not have the hash that its manifest names"
    except InputError as error:
        return str(error)
    except (KeyError, TypeError):
        return "its manifest is damaged"
    return None
