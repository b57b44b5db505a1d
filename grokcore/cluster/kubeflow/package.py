"""Compiled pipelines: read a package, pin its images by digest, write it as Kubernetes resources.

Kubeflow caches tasks by image name, so an image that changes under a fixed name gives stale cache hits. A digest cannot
change.
"""

from __future__ import annotations

import difflib
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


API_VERSION = "pipelines.kubeflow.org/v2beta1"


def resources_of(package: PipelinePackage, namespace: str | None = None) -> list[dict[str, Any]]:
    """A Pipeline and its PipelineVersion, named by its content, since Kubeflow lets no version be changed."""
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
    """The resources as YAML."""
    return yaml.safe_dump_all(resources_of(package, namespace))


KEYS = ("runtime", "trainer")
"""What a lock file may name; the images are REGISTRY/grokcore-KEY."""

_TAG, _DIGEST = r"(?>:(?P<tag>\w(?:[\w.-]{0,126}\w)?))", "@sha256:[0-9a-f]{64}"
_LOCKED = re.compile(rf"[^\s@]+?(?:{_TAG})?{_DIGEST}")
_OURS = re.compile(
    rf"(?<![\w./:@-])(?:[\w.:-]+/)*grokcore-(?P<key>{'|'.join(KEYS)})(?:{_TAG}(?:{_DIGEST})?|{_DIGEST})(?![\w@-])"
)
"""A reference to one of our images, wherever it stands: in a container, a parameter's value, a component's source."""


def read_lock(path: Path) -> dict[str, str]:
    """References with digests, by `runtime` and `trainer`; either may be absent.

    Raises:
        InputError: the file is not there, or says something else.
    """
    try:
        lock = parse_yaml(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"there is no lock file {path}: ci/build-images --push --lock {path} writes it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    wanted = "it must map runtime, trainer or both to REPOSITORY@sha256:DIGEST"
    if not isinstance(lock, dict) or not lock or set(lock) - set(KEYS):
        raise InputError(f"{path} is no lock file of images: {wanted}")
    for key, reference in lock.items():
        if not isinstance(reference, str) or not _LOCKED.fullmatch(reference):
            raise InputError(f"{path}: {key} is {reference!r}, which has no digest: {wanted}")
    return lock


def with_images(package: PipelinePackage, lock: Mapping[str, str]) -> PipelinePackage:
    """The package with every reference to an image of the lock replaced, also where one stands as a parameter's value.

    Raises:
        InputError: the lock is of another version than the package, or has none of its images.
    """
    replaced: set[str] = set()

    def digest(reference: re.Match[str]) -> str:
        locked = lock.get(reference["key"])
        if locked is None:
            return reference[0]
        _check_version(reference, locked)
        replaced.add(reference["key"])
        return locked

    documents = [package.spec] if package.platform is None else [package.spec, package.platform]
    text = yaml.safe_dump_all(_mapped(document, lambda string: _OURS.sub(digest, string)) for document in documents)
    if not replaced:
        names = ", ".join(sorted(set(images_of(package.spec))))
        raise InputError(f"the lock has {', '.join(lock)}, and {package.name} uses {names}: nothing would be replaced")
    return parse_package(f"{_comment(package.text)}{text}", package.name)


def images_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """The image of every container of a pipeline."""
    for executor in spec.get("deploymentSpec", {}).get("executors", {}).values():
        if "container" in executor:
            yield executor["container"]["image"]


def without_digest(package: PipelinePackage) -> list[str]:
    """The images of a package that a registry may change, sorted."""
    return sorted({image for image in images_of(package.spec) if "@sha256:" not in image})


def _check_version(reference: re.Match[str], locked: str) -> None:
    """A lock need not name a version beside its digest; where it does, it must be the package's."""
    match = _LOCKED.fullmatch(locked)
    tag = match["tag"] if match else None
    if tag and reference["tag"] and tag != reference["tag"]:
        raise InputError(
            f"the lock has {locked.partition('@')[0]}, and the package needs version {reference['tag']}: build and "
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
    """The comment at the top of a compiled package, which lists its parameters for people."""
    lines = text.splitlines(keepends=True)
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:end])
