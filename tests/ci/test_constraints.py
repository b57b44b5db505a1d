"""The versions that everything is tested with install wherever README says that grokcore runs."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ci.imagebuild.requirements import constraints

OLDEST = "3.11.2"
"""The oldest Python that a distribution in use ships: Debian 12."""


@pytest.mark.parametrize("python", [OLDEST, "3.12.3"])
def test_every_pinned_version_takes_the_pythons_that_people_have(python: str) -> None:
    installed = {canonicalize_name(one.name): one.metadata["Requires-Python"] for one in metadata.distributions()}
    pinned = {name: installed[name] for name in constraints() if name in installed}
    assert len(pinned) > 150
    refused = {name: wanted for name, wanted in pinned.items() if wanted and python not in SpecifierSet(wanted)}
    assert refused == {}
