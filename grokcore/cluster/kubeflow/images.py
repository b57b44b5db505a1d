"""Images by digest: what a lock file says, put into a compiled package.

Kubeflow's cache goes by the image's name, so a name whose content changes gives stale hits; a digest cannot change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from grokcore.cluster.kubeflow.package import PipelinePackage, parse_package
from grokcore.documents import parse_yaml
from grokcore.errors import InputError

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
