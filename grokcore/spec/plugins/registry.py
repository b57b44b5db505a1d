"""Registries of our own parts, which know those of others by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from grokcore.errors import InputError
from grokcore.spec.plugins.installed import Kind, Plugin, find, names

T = TypeVar("T")


class Registry(dict[str, T]):
    """Our own parts by name, in their order; a name that is none of them is looked for among those of others.

    Loops, lengths and `in` know our own alone. Looking up a name imports the package that offers it.
    """

    def __init__(self, kind: Kind, own: Mapping[str, T], accept: Callable[[Plugin, Any], T]) -> None:
        """
        Args:
            accept: what is found and what its entry point names -> the part; raises `Plugin.refuse`.
        """
        super().__init__(own)
        self._kind, self._accept = kind, accept

    def __missing__(self, name: str) -> T:
        """
        Raises:
            InputError: there is none of this name, several packages offer it, or it cannot be used.
        """
        found = find(self._kind, name)
        if found is None:
            known = ", ".join([*self, *names(self._kind)])
            raise InputError(f"there is no {self._kind} `{name}` here; those that there are: {known}")
        return self._accept(found, found.load())
