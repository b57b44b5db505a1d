"""Rows of parametrized tests that only `ci/test --all` runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def extended(*values: Any, id: str | None = None) -> Any:
    """Return one row of a parametrization that is left out of the default tests."""
    return pytest.param(*values, marks=pytest.mark.extended, id=id)


def mostly_extended(values: Iterable[Any], default: Collection[Any]) -> list[Any]:
    """Return all rows of a parametrization, those outside `default` marked extended."""
    return [value if value in default else extended(value) for value in values]
