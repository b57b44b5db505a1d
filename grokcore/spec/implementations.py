"""Look up what implements the names of a spec: a package with one module for each name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any


def implementations(package: str, names: Iterable[str], attribute: str) -> dict[str, Any]:
    """Return `attribute` of the module `package.NAME` for each name, so that no second list of them has to be kept."""
    return {name: getattr(import_module(f"{package}.{name}"), attribute) for name in names}
