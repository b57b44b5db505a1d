"""From a preset's name, a file or an inline text, with overrides, to a validated spec."""

from __future__ import annotations

import difflib
import re
import reprlib
import shlex
import types
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from grokcore.errors import InputError
from grokcore.spec.base import with_neutral_fields
from grokcore.spec.experiment import ExperimentSpec
from grokcore.spec.model import ModelSpec
from grokcore.spec.task import TaskSpec
from grokcore.spec.training import STABLE_THRESHOLD

UNIONS: dict[str, tuple[str, Any]] = {"task": ("kind", TaskSpec), "model": ("architecture", ModelSpec)}
"""Sections that are a choice between classes: the field that chooses, and the union."""

T = TypeVar("T")

_BRIEFLY = reprlib.Repr()
"""A few lines of YAML can name a value of billions of parts: it is never written out."""
_BRIEFLY.maxstring, _BRIEFLY.maxlong, _BRIEFLY.maxother, _BRIEFLY.maxlevel = 58, 40, 58, 3


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 and 1e4 are numbers, as in JSON and in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def preset_names() -> list[str]:
    return sorted(
        file.name[:-5] for file in resources.files("grokcore.presets").iterdir() if file.name.endswith(".yaml")
    )


def load_spec(
    source: str,
    overrides: Iterable[str] = (),
    *,
    allow_files: bool = True,
    notify: Callable[[str], None] = lambda line: None,
) -> ExperimentSpec:
    """A validated spec.

    Args:
        source: a preset's name, the path of a YAML or JSON file, or the spec itself as YAML or JSON.
        overrides: `field.subfield=value`, applied in order.
        allow_files: whether `source` may be a path; components forbid it, since they run on other people's requests.
        notify: called with a line when switching architecture or kind drops fields that no longer apply.

    Raises:
        InputError: in one line, what is wrong and what is allowed.
    """
    document = _document(source, allow_files)
    changes = [parse_override(text) for text in overrides]
    changes.sort(key=lambda change: 0 if _switched_section(change[0]) else 1)
    for path, value in changes:
        section = _switched_section(path)
        if section:
            _switch(document, section, value, notify)
        else:
            _assign(document, path, value)
    return validate(ExperimentSpec, document)


def read_spec(path: Path) -> ExperimentSpec:
    """The spec of a run, by whichever version it was written, in a file of any name.

    Raises:
        InputError: in one line, what is wrong with it.
    """
    document = _mapping(parse_yaml(_text(path), str(path)), str(path))
    if "task" in document:
        document = {**document, "task": _as_written(document["task"])}
    _forget_fixed_stable_threshold(document.get("evaluation"))
    return validate(ExperimentSpec, document)


def _forget_fixed_stable_threshold(rules: Any) -> None:
    """Earlier versions wrote down the default .95, above lower thresholds too: it follows them now."""
    if isinstance(rules, dict) and rules.get("stable_threshold") == STABLE_THRESHOLD:
        threshold = rules.get("threshold")
        if isinstance(threshold, int | float) and threshold < STABLE_THRESHOLD:
            del rules["stable_threshold"]


def validate(kind: type[T] | Any, document: Any) -> T:
    """`document` as a `kind` (a spec class or a union of them).

    Raises:
        InputError: in one line, the first field that is wrong and what is allowed there.
    """
    try:
        validated: T = TypeAdapter(kind).validate_python(document)
        return validated
    except ValidationError as error:
        raise InputError(describe(error, kind)) from None


def load_task(text: str) -> Any:
    """A task from its JSON or YAML text."""
    return validate(TaskSpec, parse_yaml(text, "the task"))


def read_task(document: Any) -> TaskSpec:
    """The task of a data set, by whichever version it was written.

    Raises:
        InputError: in one line, the first field that is wrong and what is allowed there.
    """
    task: TaskSpec = validate(TaskSpec, _as_written(document))
    return task


def _as_written(task: Any) -> Any:
    """What is stored of a task, with the fields that came later as they were when it was written."""
    kinds = {member.model_fields["kind"].default: member for member in get_args(get_args(TaskSpec)[0])}
    kind = kinds.get(task.get("kind")) if isinstance(task, dict) else None
    return task if kind is None else with_neutral_fields(kind, task)


def split_overrides(text: str) -> list[str]:
    """`a.b=1 c.d="two words"` as a list of overrides."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError(f"overrides {_shown(text)} cannot be read: {error}") from None


def _document(source: str, allow_files: bool) -> dict[str, Any]:
    return document_of(source, preset_names(), allow_files=allow_files)


def document_of(
    source: str,
    names: Sequence[str],
    *,
    package: str = "grokcore.presets",
    what: str = "preset",
    fields: str = "name, seed, task, model, training, evaluation",
    allow_files: bool = True,
) -> dict[str, Any]:
    """The mapping behind a name, a path or an inline text, not yet validated.

    Args:
        names: those that there are, each a YAML file in `package`.
        what: what errors call one of them.
        fields: what errors say such a mapping has.

    Raises:
        InputError: in one line, what is wrong.
    """
    known = f"{what}s are: {', '.join(names)}"
    if source in names:
        text, origin = (resources.files(package) / f"{source}.yaml").read_text("utf-8"), f"{what} {source}"
    elif "\n" in source or (":" in source and not looks_like_path(source)) or source.lstrip().startswith("{"):
        text, origin = source, f"the inline {'spec' if what == 'preset' else what}"
    elif allow_files and (looks_like_path(source) or Path(source).is_file()):
        text, origin = _text(Path(source).expanduser(), known), source
    else:
        near = difflib.get_close_matches(source, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"there is no {what} {_shown(source)}: {hint}{known}")
    return _mapping(parse_yaml(text, origin), origin, fields)


def _text(path: Path, known: str | None = None) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        known = known or f"presets are: {', '.join(preset_names())}"
        raise InputError(f"there is no file {path}; {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _mapping(
    document: Any, origin: str, fields: str = "name, seed, task, model, training, evaluation"
) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise InputError(f"{origin} must be a mapping with {fields}")
    return document


def looks_like_path(source: str) -> bool:
    """Whether a text is meant as the path of a file rather than as a name or a document."""
    return "{" not in source and (source.endswith((".yaml", ".yml", ".json")) or source.startswith((".", "/", "~")))


def parse_yaml(text: str | bytes, origin: str) -> Any:
    """The value of a YAML or JSON text.

    Raises:
        InputError: in one line, where `origin` is wrong.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        deep = "it is nested too deeply" if isinstance(error, RecursionError) else None
        problem = deep or getattr(error, "problem", None) or str(error).partition("\n")[0]
    except (AttributeError, KeyError, TypeError):  # how the loader meets `!!bool maybe` or `!!timestamp yesterday`
        where, problem = "", "a value is not what its tag says"
    raise InputError(f"{origin} is not valid YAML or JSON{where}: {problem}")


def parse_override(text: str) -> tuple[list[str], Any]:
    """`model.layers=4` as the parts of the field's name and the value.

    Raises:
        InputError: it does not read field=value.
    """
    path, separator, value = text.partition("=")
    parts = path.strip().split(".")
    if not separator or not all(parts):
        raise InputError(f"override {_shown(text)} must read field=value, for example model.layers=4")
    return parts, parse_yaml(value, f"override {_shown(text)}")


def _switched_section(path: Sequence[str]) -> str | None:
    return path[0] if len(path) == 2 and path[0] in UNIONS and path[1] == UNIONS[path[0]][0] else None


def _switch(document: dict[str, Any], section: str, choice: Any, notify: Callable[[str], None]) -> None:
    """Choose another class for a section and drop the fields that it does not have."""
    current = document.setdefault(section, {})
    if not isinstance(current, dict):
        raise InputError(f"{section} must be a mapping, got {_shown(current)}")
    chooser, union = UNIONS[section]
    current[chooser] = choice
    chosen = _member(union, chooser, choice)
    if chosen is None:
        return
    dropped = [name for name in current if name not in chosen.model_fields]
    for name in dropped:
        del current[name]
    if dropped:
        fields = ", ".join(f"{section}.{name}" for name in dropped)
        notify(
            f"{section}.{chooser}={choice}: dropped {fields}, which {'do' if len(dropped) > 1 else 'does'} not apply"
        )


def _member(union: Any, chooser: str, choice: Any) -> type[BaseModel] | None:
    for member in _classes(union):
        if choice in get_args(member.model_fields[chooser].annotation):
            return member
    return None


def _assign(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    place = document
    for depth, part in enumerate(path[:-1]):
        child = place.get(part)
        if child is None:
            child = place[part] = {}
        if not isinstance(child, dict):
            raise InputError(f"{'.'.join(path)}: {'.'.join(path[: depth + 1])} has no fields of its own")
        place = child
    place[path[-1]] = value


def describe(error: ValidationError, kind: Any) -> str:
    """The first problem of a validation in one line, and how many more there are."""
    problems = error.errors(include_url=False)
    first = problems[0]
    location, owner = _locate(first["loc"], kind, first["input"])
    message = first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            allowed = sorted(owner.model_fields) if owner else []
            near = difflib.get_close_matches(str(first["loc"][-1]), allowed, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            message = f"there is no such field{hint}; allowed are {', '.join(allowed)}"
        case "union_tag_invalid":
            location = f"{location}.{first['ctx']['discriminator'].strip(chr(39))}".lstrip(".")
            message = f"{_shown(first['ctx']['tag'])} is not known; allowed are {first['ctx']['expected_tags']}"
        case "union_tag_not_found":
            message = f"needs {first['ctx']['discriminator']} to say which kind it is"
        case "model_attributes_type" if owner is not None:
            fields = ", ".join(list(owner.model_fields)[:3])
            message = f"must be a mapping with fields such as {fields}, got {_shown(first['input'])}"
        case "missing":
            message = "is required"
        case "value_error":
            pass
        case _:
            message = f"{message[0].lower()}{message[1:]}, got {_shown(first['input'])}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{location}: {message}{more}" if location else f"{message}{more}"


def _shown(value: Any) -> str:
    text = _BRIEFLY.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _locate(loc: tuple[Any, ...], kind: Any, value: Any) -> tuple[str, type[BaseModel] | None]:
    """The dotted name of an error's place, without the tags pydantic adds for unions, and the class that owns it."""
    parts: list[str] = []
    owner: Any = kind
    for part in loc:
        members = _classes(owner)
        tagged = [member for member in members if part in _tags(member)] if len(members) > 1 else []
        if tagged:
            owner = tagged[0]
            continue
        holder = members[0] if members else None
        parts.append(str(part))
        if isinstance(part, int):
            continue  # an element of a list is what the list is made of
        if holder is not None and part in holder.model_fields:
            owner = holder.model_fields[part].annotation
        elif part != loc[-1]:
            owner = None
    members = _classes(owner)
    return ".".join(parts), members[0] if members else None


def _tags(member: type[BaseModel]) -> set[str]:
    tags: set[str] = set()
    for chooser, _ in UNIONS.values():
        if chooser in member.model_fields:
            tags.update(get_args(member.model_fields[chooser].annotation))
    return tags


def _classes(annotation: Any) -> list[type[BaseModel]]:
    """The spec classes that an annotation can stand for."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Literal:
        return []
    if get_origin(annotation) in (Union, types.UnionType) or get_args(annotation):
        return [member for argument in get_args(annotation) for member in _classes(argument)]
    return []
