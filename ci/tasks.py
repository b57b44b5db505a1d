"""The tables of tasks in README and docs/tasks.md."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ci.markdown import table
from grokcore.spec.tasks import CLASSES
from grokcore.tasks import TASKS

SHARED = ("kind", "seed", "probe_size", "facts")
"""Fields that docs/tasks.md explains for all tasks at once."""


def summary() -> str:
    """Return README's table: a row of each task, and what its held-out splits ask for."""
    return _summary("grokcore/tasks")


def summary_in_docs() -> str:
    """Return the same table with links as docs/tasks.md has them."""
    return _summary("../grokcore/tasks")


def fields() -> str:
    """Return the table of the fields of each task: defaults and meanings."""
    return table(("`task.kind`", "field", "default", "meaning"), _fields())


def _summary(folder: str) -> str:
    rows = (
        (f"[`{kind}`]({folder}/{kind}.py)", definition.row, definition.held_out) for kind, definition in TASKS.items()
    )
    return table(("`task.kind`", "a row", "held-out splits ask for"), rows)


def _fields() -> Iterator[tuple[str, ...]]:
    for kind in TASKS:
        shown = f"`{kind}`"
        for name, field in CLASSES[kind].model_json_schema()["properties"].items():
            if name not in SHARED:
                default = field["default"]
                written = default if isinstance(default, str) else json.dumps(default)
                yield shown, f"`{name}`", f"`{written}`", field["description"]
                shown = ""
