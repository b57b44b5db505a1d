"""Load a validated spec from a preset's name, a file or inline text, with overrides; parse lists of seeds."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from grokcore.documents import parse_plain_yaml
from grokcore.errors import InputError, nearest
from grokcore.spec.base import with_neutral_fields
from grokcore.spec.experiment import ExperimentSpec
from grokcore.spec.overrides import Override, override_all
from grokcore.spec.shown import shown
from grokcore.spec.tasks import TASKS_IN_SPECS, Task, TaskSpec
from grokcore.spec.training import STABLE_THRESHOLD
from grokcore.spec.validation import validate
from grokcore.storage.regular import read_whole

_SECTIONS = ("task", "model", "training", "evaluation")

_FIELDS = "name, seed, task, model, training, evaluation"


def preset_names() -> list[str]:
    return sorted(
        file.name[:-5] for file in resources.files("grokcore.presets").iterdir() if file.name.endswith(".yaml")
    )


def load_spec(
    source: str | Mapping[str, Any],
    overrides: Iterable[str | Override] = (),
    *,
    allow_files: bool = True,
    notify: Callable[[str], None] = lambda line: None,
) -> ExperimentSpec:
    """Load and validate a spec.

    Args:
        source: a preset's name, the path of a YAML or JSON file, the spec itself as YAML or JSON, or its fields.
        overrides: `field.subfield=value`, or a field with a value that has its type; applied in order.
        allow_files: whether `source` may be a path; components forbid it, since they run on other people's requests.
        notify: called with a line when switching architecture or kind drops fields that no longer apply.

    Raises:
        InputError: in one line, what is wrong and what is allowed.
    """
    if isinstance(source, str):
        document = document_of(source, preset_names(), allow_files=allow_files)
    else:
        document = copy.deepcopy(dict(source))
    changes = override_all(document, overrides, notify)
    spec: ExperimentSpec = validate(ExperimentSpec, document)
    told = described(spec, changes)
    return spec if told is None else spec.model_copy(update={"description": told})


def described(spec: ExperimentSpec, changes: Iterable[Override]) -> str | None:
    """Return a description that is true of the changed spec, or None if the base's own still is.

    "Composition over 40 entities" is wrong for an experiment with task.entities=60.
    """
    fields = {change.field: change.text for change in changes if change.path[0] in _SECTIONS}
    if not fields or not spec.description or any(change.field == "description" for change in changes):
        return None
    start = f"{spec.name}, changed: "
    kept = spec.description if spec.description.startswith(start) else start.rstrip()
    return " ".join([kept, *(f"{field}={text}" for field, text in fields.items())])


def read_spec(path: Path) -> ExperimentSpec:
    """The spec of a run, by whichever version it was written, in a file of any name.

    Raises:
        InputError: in one line, what is wrong with it.
    """
    document = _mapping(parse_plain_yaml(_text(path, read=read_whole), str(path)), str(path))
    if "task" in document:
        document = {**document, "task": _as_written(document["task"])}
    _forget_fixed_stable_threshold(document.get("evaluation"))
    return validate(ExperimentSpec, document)


def _forget_fixed_stable_threshold(rules: Any) -> None:
    """Earlier versions wrote down the default .95, above lower thresholds too: it follows them now."""
    if not isinstance(rules, dict):
        return
    stable, threshold = (_number(rules.get(name)) for name in ("stable_threshold", "threshold"))
    if stable == STABLE_THRESHOLD and threshold is not None and threshold < STABLE_THRESHOLD:
        del rules["stable_threshold"]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def load_task(text: str) -> Task:
    """A task from its JSON or YAML text."""
    task: Task = validate(TaskSpec, parse_plain_yaml(text, "the task"))
    return task


def read_task(document: Any) -> TaskSpec:
    """The task of a dataset, by whichever version it was written.

    Raises:
        InputError: in one line, the first field that is wrong and what is allowed there.
    """
    task: TaskSpec = validate(TaskSpec, _as_written(document))
    return task


def _as_written(task: Any) -> Any:
    """Read a stored task, giving fields that were added later the values that reproduce it."""
    kind = TASKS_IN_SPECS.classes.get(str(task.get("kind"))) if isinstance(task, dict) else None
    return task if kind is None else with_neutral_fields(kind, task)


def document_of(
    source: str,
    names: Sequence[str],
    *,
    package: str = "grokcore.presets",
    what: str = "preset",
    fields: str = _FIELDS,
    allow_files: bool = True,
) -> dict[str, Any]:
    """The mapping behind a name, a path or an inline text, not yet validated; what has no quotes is PlainText.

    Args:
        names: those that there are, each a YAML file in `package`.
        what: what errors call one of them.
        fields: what errors say such a mapping has.

    Raises:
        InputError: in one line, what is wrong.
    """
    text, origin = source_text(source, names, package=package, what=what, allow_files=allow_files)
    return _mapping(parse_plain_yaml(text, origin), origin, fields)


_MANY = 40
"""Names from which on a list of them in an error is shortened."""


def source_text(
    source: str, names: Sequence[str], *, package: str = "grokcore.presets", what: str = "preset", allow_files: bool
) -> tuple[str, str]:
    """Return the text behind a name, path or inline document, and its name in errors; arguments as of `document_of`.

    Raises:
        InputError: there is no such text.
    """
    known = f"{what}s are: {_listed(names)}"
    if source in names:
        return (resources.files(package) / f"{source}.yaml").read_text("utf-8"), f"{what} {source}"
    if "\n" in source or (":" in source and not looks_like_path(source)) or source.lstrip().startswith("{"):
        return source, f"the inline {'spec' if what == 'preset' else what}"
    if allow_files and (looks_like_path(source) or _is_file(source)):
        return _text(Path(source).expanduser(), known), source
    raise InputError(f"there is no {what} {shown(source)}: {nearest(source, names)}{known}")


def _listed(names: Sequence[str]) -> str:
    """List names; where there are many, one that there is in small too stands once, as `depth[-small]`."""
    if len(names) <= _MANY:
        return ", ".join(names)
    small = {name for name in names if f"{name}-small" in names}
    hidden = {f"{name}-small" for name in small}
    return ", ".join(f"{name}[-small]" if name in small else name for name in names if name not in hidden)


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # too long for a name, or with a character that none has
        return False


def _text(path: Path, known: str | None = None, *, read: Callable[[Path], bytes] = Path.read_bytes) -> str:
    try:
        return read(path).decode()
    except FileNotFoundError:
        known = known or f"presets are: {', '.join(preset_names())}"
        raise InputError(f"there is no file {path}; {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _mapping(document: Any, origin: str, fields: str = _FIELDS) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InputError(f"{origin} must be a mapping with {fields}")
    return document


def looks_like_path(source: str) -> bool:
    """Return whether a text is meant as the path of a file rather than as a name or a document."""
    return "{" not in source and (source.endswith((".yaml", ".yml", ".json")) or source.startswith((".", "/", "~")))


MOST_SEEDS = 1000
"""Largest number of seeds in one command: more than that is probably a typing error."""


def parse_seeds(text: str, what: str = "--seeds") -> list[int]:
    """Parse a list of seeds: `0..3,8` is [0, 1, 2, 3, 8].

    Args:
        what: name of the list in errors.

    Raises:
        InputError: it is not a list of seeds and ranges, or has a seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,18})(?:\.\.(\d{1,18}))?", part.strip(), re.ASCII)
        if found is None:
            raise InputError(f"{what} {text}: {part.strip()!r} is not a seed; write 0..7, or 0,3,5, or 0..3,8")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise InputError(f"{what} {text}: the range {part.strip()} runs backwards; write {last}..{first}")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise InputError(f"{what} {text}: that is more than {MOST_SEEDS} seeds; train them in several commands")
        seeds += range(first, last + 1)
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise InputError(f"{what} {text}: seed {twice} is named twice; name each once")
    return seeds
