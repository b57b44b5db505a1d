"""The registry of architectures, and the table of them for `grokcore models` and the documentation.

A new one is a file beside this, a file of its fast blocks in `fast/`, a class in `grokcore/spec/models/`, and a line
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from grokcore.models import deltanet, gla, gpt2, linear_attention, llama, mamba, mamba2, retnet, rwkv, rwkv6
from grokcore.models.architecture import Architecture
from grokcore.spec.models import ModelSpec
from grokcore.spec.plugins import Plugin, Registry, names


def _accept(found: Plugin, definition: Any) -> Architecture[Any]:
    if not isinstance(definition, Architecture) or definition.fast is None or definition.own is None:
        raise found.refuse("its entry point must name an Architecture with `spec`, `own` and `fast`")
    return definition


_OWN: dict[str, Architecture[Any]] = {
    "gpt2": gpt2.ARCHITECTURE,
    "llama": llama.ARCHITECTURE,
    "rwkv": rwkv.ARCHITECTURE,
    "mamba": mamba.ARCHITECTURE,
    "linear_attention": linear_attention.ARCHITECTURE,
    "retnet": retnet.ARCHITECTURE,
    "gla": gla.ARCHITECTURE,
    "deltanet": deltanet.ARCHITECTURE,
    "mamba2": mamba2.ARCHITECTURE,
    "rwkv6": rwkv6.ARCHITECTURE,
}

ARCHITECTURES = Registry("architecture", _OWN, _accept)
"""Architectures by the spec's `architecture`, which is also the `model_type` in the files of a model.

Other packages may add theirs."""


@dataclass(frozen=True)
class ArchitectureInfo:
    """One architecture in one size."""

    architecture: str
    """Its name in a spec."""
    title: str
    """Its name in papers."""
    token_mixer: str
    """How tokens reach each other."""
    parameters_per_block: int
    state: int
    """Size of the state of a block that the next token is computed from."""
    state_per_token: bool
    """Whether `state` is the size for each token."""
    source: str
    """The paper."""
    transformers_class: str | None
    """The class of transformers that its files load into, and that `implementation: transformers` trains."""
    deviations: tuple[str, ...]
    """Where it departs from its paper or from its authors' code."""


def catalog(fields: dict[str, Any] | None = None) -> Iterator[ArchitectureInfo]:
    """List every architecture, those of other packages last, with its defaults for all but `fields`.

    Args:
        fields: of a model's spec, such as `width` and `heads`; each architecture takes those that it has.

    Raises:
        ValueError: an architecture cannot have such a size.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(ModelSpec)
    for name in [*ARCHITECTURES, *names("architecture")]:
        architecture = ARCHITECTURES[name]
        known = type(adapter.validate_python({"architecture": name})).model_fields
        chosen = {field: value for field, value in (fields or {}).items() if field in known}
        spec = adapter.validate_python({**chosen, "architecture": name})
        layout = architecture.transformers
        yield ArchitectureInfo(
            architecture=name,
            title=architecture.title,
            token_mixer=architecture.mixing,
            parameters_per_block=architecture.block_parameters(spec),
            state=architecture.state(spec),
            state_per_token=architecture.state_grows,
            source=architecture.source,
            transformers_class=None if layout is None else layout.model_class,
            deviations=architecture.deviations,
        )
