"""A compiled pipeline: the file that Kubeflow Pipelines is given."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokcore.documents import DuplicateKeyError, parse_generated_yaml
from grokcore.errors import InputError
from grokcore.version import __version__

TYPES = ("STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT")
"""Kubeflow's types of parameters."""


@dataclass(frozen=True)
class Input:
    """A parameter of a pipeline, as a line of the UI's form.

    Attributes:
        type: one of TYPES.
        default: None where there is none; no parameter of ours has null for a default.
    """

    name: str
    type: str
    default: Any
    optional: bool


@dataclass(frozen=True)
class PipelinePackage:
    """The text of a compiled pipeline, and what it says.

    Attributes:
        name: the pipeline's name, as Kubeflow shows it: grokking-experiment.
        spec: the pipeline itself, Kubeflow's PipelineSpec.
        platform: what it asks of Kubernetes, Kubeflow's PlatformSpec, if anything.
    """

    text: str
    name: str
    description: str
    spec: Mapping[str, Any]
    platform: Mapping[str, Any] | None

    @property
    def inputs(self) -> dict[str, Input]:
        """The parameters by name, in the order of the form."""
        parameters = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return {
            name: Input(name, entry["parameterType"], entry.get("defaultValue"), entry.get("isOptional", False))
            for name, entry in parameters.items()
        }

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of what the package says; comments and layout do not count."""
        canonical = json.dumps([self.spec, self.platform], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """Name of this version of the pipeline: the same content has the same name, other content another one.

        It begins with the pipeline's name, since Kubeflow may keep versions as resources of one namespace.
        """
        return f"{self.name}-{__version__}-{self.digest}"


def read_package(path: Path) -> PipelinePackage:
    """
    Raises:
        InputError: the file cannot be read, or is no compiled pipeline.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_package(text, str(path))


def parse_package(text: str, origin: str) -> PipelinePackage:
    """A package from its text; `origin` is what errors call it.

    Raises:
        InputError: it is no compiled pipeline.
    """
    try:
        spec, *more = parse_generated_yaml(text, origin)
        name = spec["pipelineInfo"]["name"]
        package = PipelinePackage(text, name, _description(text), spec, more[0] if more else None)
        unknown = {entry.type for entry in package.inputs.values()} - set(TYPES)
        dag = spec["root"]["dag"]
    except DuplicateKeyError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{origin} is no compiled pipeline: write one with grokcore pipeline compile") from None
    if unknown or len(more) > 1 or not dag:
        raise InputError(f"{origin} is of a kind that this grokcore does not know: recompile it with kfp 2.17")
    return package


def nearest(name: str, known: list[str]) -> str:
    """`did you mean this? ` where one of `known` is close to `name`, else nothing."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}? " if near else ""


def _description(text: str) -> str:
    """What the compiler has written of the pipeline's docstring into the comment at the top: its first paragraph."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("#"):
            break
        if line.startswith("# Description: "):
            return line.removeprefix("# Description: ").strip()
    return ""
