"""Fields of a spec that hold a name of ours or of a plug-in: an optimizer's, a loss's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from grokcore.errors import InputError
from grokcore.spec.base import Spec
from grokcore.spec.plugins.installed import Kind, find, names, reserve
from grokcore.spec.plugins.source import PluginSource


class OpenName:
    """Annotation of a field of text that holds one of our names, or that of a plug-in."""

    def __init__(self, kind: Kind, own: Any) -> None:
        """
        Args:
            own: the Literal of our names.
        """
        self.kind, self.own = kind, get_args(own)
        reserve(kind, self.own)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        other = {"type": "string", "description": "One that an installed package offers."}
        return {"anyOf": [{"enum": list(self.own), "type": "string"}, other]}


def with_sources(cls: type[Spec], document: Any) -> Any:
    """Return a document with the origins, in `plugins`, of what its names mean beside our own.

    What it records of names that it has stays, so that results are read without the code.

    Raises:
        ValidationError: a name is neither ours, nor installed, registered or recorded.
    """
    if not isinstance(document, Mapping):
        return document
    recorded, sources = _recorded(document.get("plugins")), []
    for field, open_name in _open_names(cls):
        name = document.get(field)
        if not isinstance(name, str) or name.strip() in open_name.own:
            continue
        name = str(name).strip()
        known = next((one for one in recorded if (one.kind, one.name) == (open_name.kind, name)), None)
        try:
            found = None if known else find(open_name.kind, name)
            source = known or (found and found.source)
        except InputError as error:
            raise _refused(cls, field, name, "value_error", {"error": error}) from None
        if source is None:
            *first, last = map(repr, [*open_name.own, *names(open_name.kind)])
            raise _refused(cls, field, name, "literal_error", {"expected": f"{', '.join(first)} or {last}"})
        sources.append(source)
    if not sources and "plugins" not in document:
        return document
    return {**document, "plugins": tuple(sources)}


def _recorded(written: Any) -> list[PluginSource]:
    if not isinstance(written, list | tuple):
        return []
    return [PluginSource.model_validate(one) for one in written]


def _open_names(cls: type[Spec]) -> list[tuple[str, OpenName]]:
    return [
        (name, one) for name, field in cls.model_fields.items() for one in field.metadata if isinstance(one, OpenName)
    ]


def _refused(cls: type[Spec], field: str, name: str, kind: str, context: dict[str, Any]) -> ValidationError:
    error = InitErrorDetails(type=kind, loc=(field,), input=name, ctx=context)
    return ValidationError.from_exception_data(cls.__name__, [error])
