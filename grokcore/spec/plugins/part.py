"""What spec classes of plug-ins, and the records of such, do alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grokcore.spec.base import no_template
from grokcore.spec.plugins.installed import Kind, find
from grokcore.spec.plugins.source import PluginSource, check_here

DESCRIPTION = "where the code comes from, which grokcore writes itself; ids cover it"


def with_origin(kind: Kind, name: str, document: Any) -> Any:
    """Return the document of a part that another package or a notebook offers, with its origin.

    Raises:
        ValueError: nothing is installed or registered under the name, or something else than the document records.
    """
    if not isinstance(document, Mapping):
        return document
    found = find(kind, name)
    if found is None:
        raise ValueError(
            f"{kind} `{name}` is neither installed nor registered: pip install its package, or register it"
        )
    given = document.get("plugin")
    if given is not None:
        check_here(PluginSource.model_validate(given), found.source)
    return {**document, "plugin": found.source}


def as_recorded(document: Any) -> Any:
    """Check a document that no code of its own checks.

    Raises:
        ValueError: it holds what Kubeflow Pipelines would put something else in the place of.
    """
    no_template(repr(document))
    return document
