"""Compiled pipelines: read a package, pin its images by digest, write it as Kubernetes resources.

Kubeflow caches tasks by image name, so an image that changes under a fixed name gives stale cache hits. A digest cannot
change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grokcore.documents import DuplicateKeyError, parse_generated_yaml, parse_yaml
from grokcore.errors import InputError
from grokcore.version import __version__

TYPES = ("STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT")
"""Parameter types of Kubeflow Pipelines."""


@dataclass(frozen=True)
class Input:
    """A parameter of a pipeline: a line of the UI's form.

    Attributes:
        type: one of TYPES.
        default: None if there is none; our pipelines have no null defaults.
    """

    name: str
    type: str
    default: Any
    optional: bool


@dataclass(frozen=True)
class PipelinePackage:
    """A compiled pipeline: its text and parsed content.

    Attributes:
        name: as Kubeflow shows it, for example grokking-experiment.
        spec: PipelineSpec.
        platform: PlatformSpec (Kubernetes settings), if any.
    """

    text: str
    name: str
    description: str
    spec: Mapping[str, Any]
    platform: Mapping[str, Any] | None

    @property
    def inputs(self) -> dict[str, Input]:
        """Parameters by name, in the order of the form."""
        parameters = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return {
            name: Input(name, entry["parameterType"], entry.get("defaultValue"), entry.get("isOptional", False))
            for name, entry in parameters.items()
        }

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the content; comments and layout do not count."""
        canonical = json.dumps([self.spec, self.platform], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        """Name of this version, determined by its content.

        It begins with the pipeline's name, since Kubeflow may keep the versions of all pipelines in one namespace.
        """
        return f"{self.name}-{__version__}-{self.digest}"


def read_package(path: Path) -> PipelinePackage:
    """Read a compiled package.

    Raises:
        InputError: the file is unreadable or not a compiled pipeline.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_package(text, str(path))


def parse_package(text: str, origin: str) -> PipelinePackage:
    """Parse a compiled package; errors name it `origin`.

    Raises:
        InputError: it is not a compiled pipeline.
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
        raise InputError(f"{origin} is not a compiled pipeline: write one with grokcore pipeline compile") from None
    if unknown or len(more) > 1 or not dag:
        raise InputError(f"{origin} has an unsupported format: recompile it with kfp 2.17")
    return package


def _description(text: str) -> str:
    """Description from the comment at the top, which the compiler takes from the pipeline's docstring."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("#"):
            break
        if line.startswith("# Description: "):
            return line.removeprefix("# Description: ").strip()
    return ""


API_VERSION = "pipelines.kubeflow.org/v2beta1"


def resources_of(package: PipelinePackage, namespace: str | None = None) -> list[dict[str, Any]]:
    """Build a Pipeline and its PipelineVersion; versions are immutable, so its name depends on its content."""
    where = {"namespace": namespace} if namespace else {}
    description = {"description": package.description} if package.description else {}
    platform = {"platformSpec": dict(package.platform)} if package.platform else {}
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "Pipeline",
            "metadata": {"name": package.name, **where},
            "spec": {"displayName": package.name, **description},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "PipelineVersion",
            "metadata": {"name": package.version, **where},
            "spec": {
                "displayName": package.version,
                "pipelineName": package.name,
                "pipelineSpec": dict(package.spec),
                **platform,
                **description,
            },
        },
    ]


def as_manifest(package: PipelinePackage, namespace: str | None = None) -> str:
    """Format the resources as YAML."""
    return yaml.safe_dump_all(resources_of(package, namespace))


KEYS = ("runtime", "trainer")
"""Keys of a lock file; the images are REGISTRY/grokcore-KEY."""

_TAG, _DIGEST = r"(?>:(?P<tag>\w(?:[\w.-]{0,126}\w)?))", "@sha256:[0-9a-f]{64}"
_LOCKED = re.compile(rf"[^\s@]+?(?:{_TAG})?{_DIGEST}")
_OURS = re.compile(
    rf"(?<![\w./:@-])(?:[\w.:-]+/)*grokcore-(?P<key>{'|'.join(KEYS)})(?:{_TAG}(?:{_DIGEST})?|{_DIGEST})(?![\w@-])"
)
"""A reference to one of our images, in a container, a parameter's value or a component's source."""


def read_lock(path: Path) -> dict[str, str]:
    """Read a lock file: image references with digests, by `runtime` and `trainer`; either may be absent.

    Raises:
        InputError: the file is missing or malformed.
    """
    try:
        lock = parse_yaml(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"lock file not found: {path}; ci/build-images --push --lock {path} writes it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    wanted = "it must map runtime, trainer or both to REPOSITORY@sha256:DIGEST"
    if not isinstance(lock, dict) or not lock or set(lock) - set(KEYS):
        raise InputError(f"{path} is not a lock file of images: {wanted}")
    for key, reference in lock.items():
        if not isinstance(reference, str) or not _LOCKED.fullmatch(reference):
            raise InputError(f"{path}: {key} is {reference!r}, without a digest: {wanted}")
    return lock


def with_images(package: PipelinePackage, lock: Mapping[str, str]) -> PipelinePackage:
    """Replace every reference to a locked image, in parameter values too.

    Raises:
        InputError: the lock is for another version, or has none of the package's images.
    """
    replaced: set[str] = set()

    def digest(reference: re.Match[str]) -> str:
        locked = lock.get(reference["key"])
        if locked is None:
            return reference[0]
        _check_version(reference, locked)
        replaced.add(reference["key"])
        return locked

    spec, platform = (
        _mapped(part, lambda string: _OURS.sub(digest, string)) for part in (package.spec, package.platform)
    )
    if not replaced:
        names = ", ".join(sorted(set(images_of(package.spec))))
        raise InputError(f"the lock has {', '.join(lock)}, but {package.name} uses {names}: nothing to replace")
    return with_documents(package, spec, platform)


def with_documents(
    package: PipelinePackage, spec: Mapping[str, Any], platform: Mapping[str, Any] | None
) -> PipelinePackage:
    """Write a package anew with other content, under the same comment."""
    text = yaml.safe_dump_all([spec] if platform is None else [spec, platform])
    return parse_package(f"{_comment(package.text)}{text}", package.name)


def images_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """Images of all containers of a pipeline."""
    for executor in spec.get("deploymentSpec", {}).get("executors", {}).values():
        if "container" in executor:
            yield executor["container"]["image"]


def without_digest(package: PipelinePackage) -> list[str]:
    """Images of a package that are not pinned, sorted."""
    return sorted({image for image in images_of(package.spec) if "@sha256:" not in image})


def _check_version(reference: re.Match[str], locked: str) -> None:
    """Refuse a lock whose tag, if it has one, differs from the package's version."""
    match = _LOCKED.fullmatch(locked)
    tag = match["tag"] if match else None
    if tag and reference["tag"] and tag != reference["tag"]:
        raise InputError(
            f"the lock has {locked.partition('@')[0]}, but the package needs version {reference['tag']}: build and "
            f"lock the images of {reference['tag']}, or compile with grokcore {tag}"
        )


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value


def _comment(text: str) -> str:
    """Comment at the top of a compiled package, which lists its parameters."""
    lines = text.splitlines(keepends=True)
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:end])
