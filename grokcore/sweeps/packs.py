"""Points of a sweep packed into one item of a Kubeflow loop, whose length a workflow limits.

The item of a single point holds its spec and its task. That of several holds, in the same fields, the first spec in
full with each one's changes to it, and the list of their tasks. Datasets of several tasks lie side by side in one
artifact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from grokcore.documents import parse_json, parse_plain_yaml
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, TaskSpec, dataset_id, load_spec, validate

_FIRST, _CHANGES = "first", "changes"
Change = tuple[list[str], Any] | tuple[list[str]]
"""A field's path with its value; without one, the field is absent."""


def encode_experiments(specs: Sequence[ExperimentSpec]) -> str:
    """Encode experiments as JSON, a single one as itself; 500 of a sweep take about 100 bytes each."""
    if len(specs) == 1:
        return specs[0].model_dump_json()
    first, *_ = documents = [spec.model_dump(mode="json") for spec in specs]
    return json.dumps({_FIRST: first, _CHANGES: [_changes(first, other) for other in documents]}, separators=(",", ":"))


def decode_experiments(text: str) -> list[ExperimentSpec]:
    """Decode what `encode_experiments` returned; or a single experiment, as JSON, YAML or the name of a preset.

    Raises:
        InputError: one of them is not valid.
    """
    if not text.startswith(f'{{"{_FIRST}":'):
        return [load_spec(text, allow_files=False)]
    try:
        document = parse_json(text.encode(), "spec")
        return [
            validate(ExperimentSpec, _changed(document[_FIRST], [tuple(change) for change in changes]))
            for changes in document[_CHANGES]
        ]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("spec holds packed experiments that are damaged: take those of resolve_sweep") from None


def encode_tasks(specs: Sequence[ExperimentSpec]) -> str:
    """Encode the tasks of experiments as JSON, each once, a single one as itself."""
    tasks = {spec.dataset_id: spec.task.model_dump_json() for spec in specs}
    return f"[{','.join(tasks.values())}]" if len(tasks) > 1 else next(iter(tasks.values()))


def decode_tasks(text: str) -> list[TaskSpec]:
    """Decode what `encode_tasks` returned; or a single task, as JSON or YAML.

    Raises:
        InputError: one of them is not valid.
    """
    document = parse_plain_yaml(text, "the task")
    return [validate(TaskSpec, task) for task in (document if isinstance(document, list) else [document])]


def dataset_folders(tasks: Sequence[TaskSpec], artifact: str | Path) -> list[Path]:
    """Return the directory of each task's dataset in their common artifact: itself if there is one task."""
    return [Path(artifact)] if len(tasks) == 1 else [Path(artifact) / dataset_id(task) for task in tasks]


def find_dataset(artifact: str | Path, id: str) -> Path:
    """Return the directory of a dataset in an artifact of one or several."""
    folder = Path(artifact) / id
    return folder if folder.is_dir() else Path(artifact)


def packs_of(items: Sequence[Any], most: int) -> list[list[Any]]:
    """Deal items out to as few packs of equal size as make at most `most`, neighbors into different ones.

    Neighbors in a grid cost alike, so that each pack gets of every kind.
    """
    size = -(-len(items) // most)
    count = -(-len(items) // size)
    return [list(items[number::count]) for number in range(count)]


def _changes(first: Mapping[str, Any], other: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[Change]:
    found: list[Change] = []
    for name in {**first, **other}:
        here = [*path, name]
        if name not in other:
            found.append((here,))
        elif isinstance(first.get(name), dict) and isinstance(other[name], dict):
            found += _changes(first[name], other[name], tuple(here))
        elif name not in first or first[name] != other[name]:
            found.append((here, other[name]))
    return found


def _changed(first: Mapping[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    document = deepcopy(dict(first))
    for path, *value in changes:
        part = document
        for name in path[:-1]:
            part = part[name]
        if value:
            part[path[-1]] = value[0]
        else:
            del part[path[-1]]
    return document
