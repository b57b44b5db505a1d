"""The digests of pushed images, for pipelines that must run exactly those."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from grokcore.errors import InputError

_REFERENCE = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


def write_lock(path: Path, references: dict[str, str]) -> None:
    """Write, or bring up to date, `{runtime: REPOSITORY@sha256:..., trainer: ...}`; names that are not given stay.

    Raises:
        InputError: the file is there and is something else, or cannot be written.
    """
    for name, reference in references.items():
        if not _REFERENCE.fullmatch(reference):
            raise ValueError(f"{name}: {reference} names no digest")
    try:
        known = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            raise InputError(f"{path} is not a lock file of images: give another file, or remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({**known, **references}, width=1000), "utf-8")
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"the lock {path} cannot be written: {error}") from None
