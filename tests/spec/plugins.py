"""Packages of others, as pip leaves them: a module, and beside it the metadata that names its entry points."""

from __future__ import annotations

from pathlib import Path

TASK = """
from typing import Literal

import numpy as np
from grokcore.spec import PluginTask
from grokcore.tasks import Rows, Split, TaskData, TaskDefinition
from pydantic import Field


class CopyTask(PluginTask):
    kind: Literal["copy"] = "copy"
    numbers: int = Field(8, ge=2, le=100)
    share: float = 0.5


def build(task: CopyTask) -> TaskData:
    numbers = np.arange(task.numbers)
    half = round(task.numbers * task.share)
    parts = {"train": numbers[:half], "test": numbers[half:]}
    rows = {name: Rows.of_columns([part, task.numbers], part) for name, part in parts.items()}
    roles = {"train": "train", "test": "held_out"}
    splits = {name: Split(roles[name], len(part), 0.5, 0.5) for name, part in parts.items()}
    vocabulary = (*(f"<{number}>" for number in numbers), "<=>", "</a>")
    return TaskData(vocabulary, task.numbers + 1, (), {"train": rows["train"]}, rows, splits)


TASK = TaskDefinition[CopyTask](build, row="", held_out="", spec=CopyTask)
"""
"""The module of a task `copy`: `<3> <=>` -> `<3>`."""


def install(
    site: Path,
    package: str,
    *,
    version: str = "1.0",
    source: str = TASK,
    entries: dict[str, dict[str, str]] | None = None,
) -> Path:
    """Install a package of one module into a folder, as pip would, and return the module's file.

    Args:
        entries: names and what they name below the module, by group; by default the task `copy`.
    """
    module = package.replace("-", "_")
    (site / module).mkdir(parents=True, exist_ok=True)
    (site / module / "__init__.py").write_text("")
    file = site / module / "parts.py"
    file.write_text(source)
    for old in site.glob(f"{module}-*.dist-info"):
        for one in old.iterdir():
            one.unlink()
        old.rmdir()
    metadata = site / f"{module}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    groups = entries or {"grokcore.tasks": {"copy": "TASK"}}
    lines = []
    for group, names in groups.items():
        lines += [f"[{group}]", *(f"{name} = {module}.parts:{what}" for name, what in names.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return file
