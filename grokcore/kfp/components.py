"""Compiled components: load one without a checkout, and know which tasks may be cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfp import components

from grokcore.errors import InputError, nearest

PURE = frozenset({"generate_dataset"})
"""Components whose outputs depend on their inputs alone. Every other one reads or writes the store, resumes a run, or
reads a preset that may change with the image, so a cached result would skip or repeat the wrong work."""

_PACKAGE = Path(__file__).parents[1]


def component_names() -> list[str]:
    """Names of the components that come with grokcore."""
    return sorted(_files())


def load_component(name: str) -> Any:
    """Load a compiled component from the installed package, or from a checkout.

    Raises:
        InputError: unknown component.
    """
    known = _files()
    if name not in known:
        raise InputError(
            f"unknown component {name!r}: {nearest(name, list(known))}known are {', '.join(sorted(known))}"
        )
    return components.load_component_from_file(str(known[name]))


def may_be_cached(task: Any) -> bool:
    """Whether a task is of a component whose outputs depend on its inputs alone."""
    return task.component_spec.name.replace("-", "_") in PURE


def _files() -> dict[str, Path]:
    checkout = {path.parent.name: path for path in _PACKAGE.parent.glob("components/*/*/component.yaml")}
    installed = {path.stem: path for path in (_PACKAGE / "compiled" / "components").glob("*.yaml")}
    return checkout | installed
