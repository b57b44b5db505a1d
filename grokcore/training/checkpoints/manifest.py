"""The manifest of a checkpoint, and how its files are named. Nothing here needs torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokcore.documents import decode_json
from grokcore.errors import DamagedError
from grokcore.storage import Store, StoredFile

FOLDER = "checkpoints"
MANIFEST, LATEST = "manifest.json", "latest"
TENSORS, VALUES, HISTORY = "state.safetensors", "state.json", "metrics.jsonl"
FILES = (TENSORS, VALUES, HISTORY)

_STEP = re.compile(r"step-(\d{8,18})")


class FileFacts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class CheckpointManifest(BaseModel):
    """What makes uploaded files a checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    run_id: str
    step: int = Field(ge=0, description="optimiser steps completed")
    attempt: str = Field(pattern=r"^[0-9a-f]{1,32}$", description="the name below which this save put its files")
    milestones: tuple[str, ...] = Field((), description="phases that had just become known, for which it is kept")
    finite: bool = Field(description="whether every weight is a finite number")
    created: str = Field(description="UTC, ISO 8601")
    files: dict[str, FileFacts]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())

    def key_of(self, file: str) -> str:
        return f"{folder_of(self.step)}/{self.attempt}/{file}"


def folder_of(step: int) -> str:
    return f"step-{step:08d}"


def manifest_key(step: int) -> str:
    return f"{folder_of(step)}/{MANIFEST}"


def read_checkpoint_manifest(store: Store, step: int) -> CheckpointManifest:
    """The manifest of a step.

    Args:
        store: that of the checkpoints.

    Raises:
        AbsentError: there is none: a save has not come that far.
        DamagedError: it is not the manifest that was written for this step.
    """
    content = store.read(manifest_key(step))
    try:
        manifest = CheckpointManifest.model_validate(decode_json(content))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "JSON"
        raise DamagedError(f"its manifest is damaged: {field}: {problem['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"its manifest is damaged: {error or 'it is nested too deeply'}") from None
    if manifest.step != step or set(manifest.files) != set(FILES):
        raise DamagedError(f"its manifest is damaged: it does not describe step {step}")
    return manifest


def files_by_step(store: Store) -> Mapping[int, list[StoredFile]]:
    """All files that belong to a step, steps ascending; `manifest_key` is among them where a save has come that far."""
    found: dict[int, list[StoredFile]] = {}
    for file in store.files():
        match = _STEP.fullmatch(file.key.partition("/")[0])
        if match is not None and folder_of(int(match[1])) == match[0]:
            found.setdefault(int(match[1]), []).append(file)
    return dict(sorted(found.items()))
