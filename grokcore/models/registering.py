"""Architectures of a notebook or script: known in its process."""

from __future__ import annotations

from typing import Any, TypeVar

from grokcore.errors import InputError
from grokcore.models.architecture import Architecture
from grokcore.spec.models import PluginModel
from grokcore.spec.plugins import register

T = TypeVar("T", bound=PluginModel)


def register_architecture(architecture: Architecture[T], *sources: Any) -> Architecture[T]:
    """Make an architecture known in this process; the same name again replaces it.

    Args:
        architecture: with `spec`, whose `architecture` is the name, `own` and `fast`.
        sources: further functions and classes that it consists of, such as those of its token mixer: ids of runs cover
            their source, and that of `spec`, `fast` and `own.initialize`.

    Raises:
        InputError: the name is taken or is none, a part is missing, or the source is not known.
    """
    spec, fast, own = architecture.spec, architecture.fast, architecture.own
    if spec is None or fast is None or own is None:
        raise InputError("register_architecture needs an Architecture with `spec`, `own` and `fast`")
    register(
        "architecture", spec.model_fields["architecture"].default, architecture, spec, fast, own.initialize, *sources
    )
    return architecture
