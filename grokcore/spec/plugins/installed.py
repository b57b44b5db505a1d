"""What installed packages offer by entry points, and what was registered in this process.

Entry points are read when a name is asked for that is not one of our own, or a list of all. Only then is a package
imported, and only the one that offers the name.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata
from typing import Any, Literal

from grokcore.errors import InputError
from grokcore.spec.plugins.digest import definition_digest, package_digest
from grokcore.spec.plugins.source import PluginSource

Kind = Literal["task", "architecture", "optimizer", "loss", "filter", "projection"]

GROUPS: dict[Kind, str] = {
    "task": "grokcore.tasks",
    "architecture": "grokcore.architectures",
    "optimizer": "grokcore.optimizers",
    "loss": "grokcore.losses",
    "filter": "grokcore.filters",
    "projection": "grokcore.projections",
}
"""The group of entry points of every kind of part."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OWN: dict[Kind, tuple[str, ...]] = {}
"""Our own names, which nothing else may take."""


@dataclass(frozen=True)
class Plugin:
    """A part that a package offers, or that was registered in this process."""

    kind: Kind
    name: str
    distribution: str | None
    """None where it was registered in this process."""
    version: str | None
    read_digest: Callable[[], str]
    import_it: Callable[[], Any]

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}" if self.distribution else "this process, where it was registered"

    @cached_property
    def source(self) -> PluginSource:
        """Its origin, with the digest of its source, without importing it.

        Raises:
            InputError: its source cannot be read.
        """
        return PluginSource(
            kind=self.kind,
            name=self.name,
            distribution=self.distribution,
            version=self.version,
            sha256=self._tried(self.read_digest),
        )

    def load(self) -> Any:
        """Import the package, and return what its entry point names.

        Raises:
            InputError: it cannot be imported.
        """
        return self._tried(self.import_it)

    def refuse(self, problem: str) -> InputError:
        return InputError(f"{self.kind} `{self.name}` of {self.origin} cannot be used: {problem}")

    def _tried(self, attempt: Callable[[], Any]) -> Any:
        try:
            return attempt()
        except (Exception, SystemExit) as error:  # whatever the code of others raises
            told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            raise self.refuse(told) from None


@dataclass(frozen=True)
class Refused:
    """An entry point that is not used, and why."""

    name: str
    problem: str


_REGISTERED: dict[tuple[Kind, str], Plugin] = {}


def reserve(kind: Kind, own: tuple[str, ...]) -> None:
    """Keep our own names of a kind from being taken."""
    _OWN[kind] = own


def names(kind: Kind) -> list[str]:
    """Names that are installed or registered, besides our own; nothing is imported."""
    offered = (name for name, offers in _offers(kind).items() if len(offers) == 1)
    return sorted({*offered, *(name for of, name in _REGISTERED if of == kind)})


def find(kind: Kind, name: str) -> Plugin | None:
    """Return what is installed or registered under a name that is not one of our own; nothing is imported.

    Raises:
        InputError: several packages offer it.
    """
    if (kind, name) in _REGISTERED:
        return _REGISTERED[kind, name]
    offers = _offers(kind).get(name, [])
    if len(offers) > 1:
        raise InputError(_conflict(kind, name, offers))
    return offers[0] if offers else None


def source_here(kind: Kind, name: str) -> PluginSource | None:
    """Return the origin of what is installed or registered under a name, if anything is."""
    found = find(kind, name)
    return None if found is None else found.source


def register(kind: Kind, name: str, definition: Any, *sources: Any) -> None:
    """Make a part known in this process; one that was registered under the name before is replaced.

    Args:
        sources: the functions and classes that it consists of, whose source the ids of runs cover.

    Raises:
        InputError: the name is taken or is none, or the source is not known.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{kind} {name!r}: a name is of a-z, 0-9 and _, begins with a letter, and has at most 64")
    if name in _OWN.get(kind, ()):
        raise InputError(f"{kind} `{name}` is one of grokcore's own: choose another name")
    if offers := _offers(kind).get(name):
        raise InputError(f"{kind} `{name}` comes from {offers[0].origin} already: choose another name, or uninstall it")
    digest = definition_digest(*sources)
    _REGISTERED[kind, name] = Plugin(kind, name, None, None, lambda: digest, lambda: definition)


def survey(kind: Kind) -> Iterator[Plugin | Refused]:
    """Everything that is installed or registered of a kind, in the order of names; what is not used, with the reason.

    Nothing is imported.
    """
    for name in sorted({*_offers(kind), *_refused(kind), *(name for of, name in _REGISTERED if of == kind)}):
        offers = _offers(kind).get(name, [])
        if name in _refused(kind):
            yield Refused(name, _refused(kind)[name])
        elif len(offers) > 1:
            yield Refused(name, _conflict(kind, name, offers))
        else:
            yield _REGISTERED.get((kind, name)) or offers[0]


def _conflict(kind: Kind, name: str, offers: list[Plugin]) -> str:
    origins = " and ".join(one.origin for one in offers)
    return f"{kind} `{name}` is offered by {origins}: uninstall all but one of them"


def _offers(kind: Kind) -> dict[str, list[Plugin]]:
    return {name: offers for name, offers in _read(kind, _installation()).items() if name not in _refused(kind)}


def _refused(kind: Kind) -> dict[str, str]:
    found = {}
    for name, offers in _read(kind, _installation()).items():
        if name in _OWN.get(kind, ()):
            found[name] = f"{kind} `{name}` of {offers[0].origin} is not used: grokcore has its own of this name"
        elif not _NAME.fullmatch(name):
            found[name] = f"{kind} {name!r} of {offers[0].origin} is not used: names are of a-z, 0-9 and _"
    return found


def _installation() -> tuple[tuple[str, int], ...]:
    """What changes when a package is installed or removed: the times of the folders of sys.path."""
    folders = []
    for path in sys.path:
        try:
            folders.append((path, os.stat(path or ".").st_mtime_ns))
        except OSError:
            continue
    return tuple(folders)


@lru_cache(maxsize=2 * len(GROUPS))
def _read(kind: Kind, installation: tuple[tuple[str, int], ...]) -> dict[str, list[Plugin]]:
    found: dict[str, list[Plugin]] = {}
    for entry in metadata.entry_points(group=GROUPS[kind]):
        if entry.dist is not None:
            found.setdefault(entry.name, []).append(_offered(kind, entry, entry.dist))
    return found


def _offered(kind: Kind, entry: metadata.EntryPoint, distribution: metadata.Distribution) -> Plugin:
    name, version = distribution.metadata["Name"], distribution.version
    return Plugin(kind, entry.name, name, version, lambda: package_digest(entry.module), entry.load)
