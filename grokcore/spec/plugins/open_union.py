"""Unions of spec classes that classes of other packages may join.

Our own classes are told apart as by any discriminator. Another one is looked for among the plug-ins. Where a document
records the origin of a part whose code is not here, or is here in another version, the part becomes a record: enough
to read results and to compute ids, without any code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from grokcore.documents import core_values
from grokcore.errors import InputError
from grokcore.spec.base import Spec
from grokcore.spec.plugins.installed import Kind, Plugin, find, names, reserve
from grokcore.spec.plugins.source import PluginSource


class OpenUnion:
    """Annotation of a field that holds one of our classes, one of a plug-in, or the record of one."""

    def __init__(
        self, kind: Kind, chooser: str, own: Any, base: type[Spec], plugin: type[Spec], recorded: type[Spec]
    ) -> None:
        """
        Args:
            chooser: the field that says which class it is.
            own: our union, with its discriminator.
            base: the class that all members have in common.
            plugin: the class that those of plug-ins are derived from.
            recorded: the class of records.
        """
        self.kind, self.chooser, self.base = kind, chooser, base
        self._own, self._plugin, self._recorded = own, plugin, recorded
        self.classes: dict[str, type[Spec]] = {
            member.model_fields[chooser].default: member for member in get_args(get_args(own)[0])
        }
        self._met: dict[str, type[Spec]] = {}
        reserve(kind, tuple(self.classes))

    @property
    def known(self) -> list[type[Spec]]:
        """Our own classes, and those of plug-ins that have been used so far."""
        return [*self.classes.values(), *self._met.values()]

    def member(self, name: object) -> type[Spec] | None:
        """Return the class of a name, importing the package that offers it; None if there is none.

        Raises:
            InputError: several packages offer it, or it cannot be used.
        """
        if not isinstance(name, str):
            return None
        if name in self.classes:
            return self.classes[name]
        found = find(self.kind, name)
        return None if found is None else self.class_of(found, found.load())

    def class_of(self, found: Plugin, definition: Any) -> type[Spec]:
        """Return the spec class of what an entry point names.

        Raises:
            InputError: it has none that belongs to the name.
        """
        spec = getattr(definition, "spec", None)
        if not (isinstance(spec, type) and issubclass(spec, self._plugin)):
            raise found.refuse(f"its `spec` must be a class derived from grokcore.spec.{self._plugin.__name__}")
        if spec.model_fields[self.chooser].default != found.name:
            raise found.refuse(f'{spec.__name__} must have the field {self.chooser}: Literal["{found.name}"]')
        self._met[found.name] = spec
        return spec

    def _validate(self, value: Any, validate_own: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, self._plugin | self._recorded):
            return value
        name = value.get(self.chooser) if isinstance(value, Mapping) else None
        if not isinstance(name, str) or name in self.classes:
            return validate_own(value)
        document = {**value, self.chooser: str(name).strip()}
        return self._elsewhere(document[self.chooser], document)

    def _elsewhere(self, name: str, document: dict[str, Any]) -> Any:
        found, written = find(self.kind, name), document.get("plugin")
        if isinstance(written, dict | PluginSource):
            recorded = PluginSource.model_validate(written)
            if (recorded.kind, recorded.name) != (self.kind, name):
                del document["plugin"]  # the spec of another one, of which another name was chosen
            elif found is None or not _is_whole(found) or found.source != recorded:
                fields = self._recorded.model_fields
                return self._recorded.model_validate(
                    {field: one if field in fields else core_values(one) for field, one in document.items()}
                )
        member = self.member(name)
        if member is None:
            expected = ", ".join(f"'{one}'" for one in [*self.classes, *names(self.kind)])
            context = {"discriminator": f"'{self.chooser}'", "tag": name, "expected_tags": expected}
            raise PydanticKnownError("union_tag_invalid", context)
        return _adapter(self.chooser, next(iter(self.classes.values())), member).validate_python(document)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        as_it_is = core_schema.wrap_serializer_function_ser_schema(
            lambda value, serialize: serialize(value), schema=core_schema.any_schema()
        )
        return core_schema.no_info_wrap_validator_function(
            self._validate, handler.generate_schema(self._own), serialization=as_it_is
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        own = handler(schema)
        other = {
            "type": "object",
            "title": self._plugin.__name__,
            "description": "One that an installed package offers, with fields of its own.",
            "properties": {self.chooser: {"type": "string", "not": {"enum": list(self.classes)}}},
            "required": [self.chooser],
        }
        return {**own, "oneOf": [*own["oneOf"], other]}


def _is_whole(found: Plugin) -> bool:
    """Whether the package can be imported: the results of one that is broken are read as if it were absent."""
    try:
        found.load()
    except InputError:
        return False
    return True


@cache
def _adapter(chooser: str, own: type[Spec], member: type[Spec]) -> TypeAdapter[Any]:
    """Validate as a member of a union, so that errors name their place as those of our own classes do."""
    union: Any = Annotated[own | member, Field(discriminator=chooser)]
    return TypeAdapter(union)
