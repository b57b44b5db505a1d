"""Change a package for an older installation of Kubeflow Pipelines.

An API server refuses a package with a field that it does not know. Which version brought which field is recorded in
kfp-pipeline-spec and kfp-kubernetes, which are released with the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from grokcore.cluster.kubeflow.package import PipelinePackage, with_documents
from grokcore.errors import InputError

Version = tuple[int, int]

COMPILED_FOR: Version = (2, 17)
OLDEST: Version = (2, 14)
"""Packages use fields that all versions from here on know, besides those that are removed below."""


def for_version(
    package: PipelinePackage, version: str, *, notify: Callable[[str], None] = lambda line: None
) -> PipelinePackage:
    """Remove the settings that servers of a version do not know.

    Args:
        version: of the installation, as in 2.15 or 2.15.2.
        notify: called with a line for each setting that was removed: what no longer holds, and what to do about it.

    Raises:
        InputError: not a version, or older than OLDEST.
    """
    target = _parse(version)
    if target >= COMPILED_FOR or package.platform is None:
        return package
    platform = deepcopy(dict(package.platform))
    kubernetes = platform["platforms"]["kubernetes"]
    executors = list(kubernetes["deploymentSpec"]["executors"].values())
    removed = [change(kubernetes, executors) for since, change in _CHANGES if target < since]
    for line in filter(None, removed):
        notify(f"for Kubeflow Pipelines {version}: {line}")
    return with_documents(package, package.spec, platform) if any(removed) else package


def _parse(version: str) -> Version:
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})(\.\d{1,4})?", version)
    if match is None:
        raise InputError(f"--kfp-version {version!r} must read as 2.15 or 2.15.2")
    target = int(match[1]), int(match[2])
    if target < OLDEST:
        raise InputError(
            f"--kfp-version {version}: packages can be written for {OLDEST[0]}.{OLDEST[1]} and later; upgrade Kubeflow "
            "Pipelines"
        )
    return target


def _without_ttl(kubernetes: dict[str, Any], executors: Iterable[dict[str, Any]]) -> str:
    config = kubernetes.get("pipelineConfig", {})
    found = [config.pop(name, None) for name in ("resourceTtlOnSuccess", "resourceTtlOnFailure")]
    if not config:
        kubernetes.pop("pipelineConfig", None)
    if not any(found):
        return ""
    return "workflows and logs of pods are deleted when the installation says so (an hour after the end, by default)"


def _without_security_context(kubernetes: dict[str, Any], executors: Iterable[dict[str, Any]]) -> str:
    found = [executor.pop("securityContext", None) for executor in executors]
    if not any(found):
        return ""
    return "runAsNonRoot is not asked for: label the namespace pod-security.kubernetes.io/enforce to have it enforced"


def _without_optional(kubernetes: dict[str, Any], executors: Iterable[dict[str, Any]]) -> str:
    needed: dict[str, set[str]] = {}
    for executor in executors:
        for kind, name, key in (
            ("configMapAsEnv", "configMapName", "configMapKey"),
            ("secretAsEnv", "secretName", "secretKey"),
        ):
            for source in executor.get(kind, ()):
                if source.pop("optional", False):
                    keys = {entry[key] for entry in source["keyToEnv"]}
                    needed.setdefault(f"{kind[:-5].capitalize()} {source[name]}", set()).update(keys)
    if not needed:
        return ""
    return f"nothing is optional: pods start only where there are {_listed(needed)}"


def _listed(needed: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name} with the keys {', '.join(sorted(keys))}" for name, keys in sorted(needed.items()))


_CHANGES: tuple[tuple[Version, Callable[[dict[str, Any], list[dict[str, Any]]], str]], ...] = (
    ((2, 17), _without_ttl),
    ((2, 16), _without_security_context),
    ((2, 15), _without_optional),
)
"""Version that brought a setting, and what removes it; each returns what no longer holds, or an empty text."""
