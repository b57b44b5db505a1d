"""Strict YAML: scalars of version 1.2, no duplicate keys, no objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError, SafeConstructor

from grokcore.documents.checks import DuplicateKeyError, characters, check_yaml
from grokcore.documents.plain import PlainText, core_value
from grokcore.errors import InputError

_CORE = "tag:yaml.org,2002:"
_PLAIN = "\0plain"
"""Internal tag of a scalar without quotes or tag; it cannot be written in a document."""


def parse_yaml(text: str | bytes, origin: str) -> Any:
    """Parse YAML or JSON.

    Raises:
        InputError: naming `origin`, and the position of the mistake.
    """
    return _loaded(text, origin, _Loader)


def parse_plain_yaml(text: str | bytes, origin: str) -> Any:
    """Parse YAML or JSON, leaving unquoted scalars as PlainText.

    Raises:
        InputError: naming `origin`, and the position of the mistake.
    """
    return _loaded(text, origin, _PlainLoader)


def parse_generated_yaml(text: str, origin: str) -> list[Any]:
    """Parse all documents of a long generated YAML 1.1 file, such as a compiled pipeline.

    Raises:
        InputError: naming `origin`, and the position of the mistake.
    """
    documents: list[Any] = _loaded(text, origin, _GeneratedLoader)
    return documents


class _UniqueKeys(SafeConstructor):
    """Constructor that refuses duplicate keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        return super().construct_mapping(node, deep=deep)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        """Check the keys of a mapping.

        Raises:
            DuplicateKeyError: a duplicate key.
        """
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == f"{_CORE}merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused by PyYAML
            line = key_node.start_mark.line + 1
            if key in lines:
                raise DuplicateKeyError.of(key, lines[key], line)
            lines[key] = line


class _Loader(_UniqueKeys, yaml.SafeLoader):
    """Loader of scalars: quoted ones are text, unquoted ones are converted by `resolved`."""

    resolved: Callable[[str], Any] = staticmethod(core_value)

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self._being_composed: list[str | None] = []

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Tag of a node without an explicit tag."""
        if kind is not yaml.ScalarNode:
            return f"{_CORE}{'seq' if kind is yaml.SequenceNode else 'map'}"
        if not implicit[0]:
            return f"{_CORE}str"
        return f"{_CORE}merge" if value == "<<" else _PLAIN

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._being_composed:
            mark: Any = event.start_mark
            raise ComposerError(None, None, f"*{event.anchor} refers to a node that contains it", mark)
        return super().compose_node(parent, index)

    def compose_sequence_node(self, anchor: Any) -> Any:
        return self._composed(super().compose_sequence_node, anchor)

    def compose_mapping_node(self, anchor: Any) -> Any:
        return self._composed(super().compose_mapping_node, anchor)

    def _composed(self, compose: Callable[[Any], Any], anchor: Any) -> Any:
        self._being_composed.append(anchor)
        try:
            return compose(anchor)
        finally:
            self._being_composed.pop()


class _PlainLoader(_Loader):
    resolved = PlainText


class _GeneratedLoader(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader of YAML 1.1 scalars; in C where PyYAML has it, which is ten times as fast."""


def _loaded(text: str | bytes, origin: str, loader: Any) -> Any:
    text = str(text) if isinstance(text, str) else text  # the C parser does not accept PlainText
    try:
        check_yaml(text, "generated YAML" if loader is _GeneratedLoader else "YAML")
        if loader is _GeneratedLoader:
            return list(yaml.load_all(text, loader))
        return yaml.load(text, loader)  # noqa: S506 - a SafeLoader
    except DuplicateKeyError as error:
        raise DuplicateKeyError(f"{origin}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        deep = "it is nested too deeply" if isinstance(error, RecursionError) else None
        problem = deep or getattr(error, "problem", None) or str(error).partition("\n")[0]
    except (AttributeError, KeyError, TypeError):  # raised for `!!timestamp yesterday`
        where, problem = "", "a value does not match its tag"
    raise InputError(f"{origin} is not valid YAML or JSON{where}: {problem}")


def _plain(loader: _Loader, node: Any) -> Any:
    return _of_text(loader, node, loader.resolved)


def _text(loader: _Loader, node: Any) -> Any:
    return _of_text(loader, node, str)


def _tagged(loader: _Loader, node: Any) -> Any:
    """Construct a scalar with a tag such as !!int."""
    name = node.tag.removeprefix(_CORE)
    value = _of_text(loader, node, core_value)
    kind = {"null": type(None), "bool": bool, "int": int, "float": int | float}[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and name != "bool"):
        raise ConstructorError(None, None, f"{str(node.value)[:40]!r} is not of type {name}", node.start_mark)
    return float(value) if name == "float" and isinstance(value, int) else value


def _of_text(loader: _Loader, node: Any, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(characters(loader.construct_scalar(node)))
    except (ValueError, OverflowError) as error:
        raise ConstructorError(None, None, str(error), node.start_mark) from None


_Loader.add_constructor(_PLAIN, _plain)
_Loader.add_constructor(f"{_CORE}merge", _plain)
_Loader.add_constructor(f"{_CORE}str", _text)
for _name in ("null", "bool", "int", "float"):
    _Loader.add_constructor(f"{_CORE}{_name}", _tagged)
_PlainLoader.yaml_constructors = _Loader.yaml_constructors
