"""Turn options of `grokcore pipeline` into a package, run parameters and a connection."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from grokcore.cli.specs import say
from grokcore.cluster.kubeflow.compatibility import for_version
from grokcore.cluster.kubeflow.connection import Connection, connection
from grokcore.cluster.kubeflow.form import filled_in
from grokcore.cluster.kubeflow.package import (
    PipelinePackage,
    read_lock,
    read_package,
    with_images,
    without_digest,
)
from grokcore.errors import InputError, nearest
from grokcore.local import compiled_pipeline, pipeline_names
from grokcore.spec.loading import document_of, looks_like_path, preset_names, source_text
from grokcore.storage import local_path

if TYPE_CHECKING:
    from grokcore.cluster.kubeflow.api import KubeflowApi


def package_of(options: argparse.Namespace) -> PipelinePackage:
    """Read the package that the options name, pin its images, and change it for an older Kubeflow, as they say.

    Raises:
        InputError: no such pipeline, or a lock file for other images.
    """
    source = options.pipeline
    if looks_like_path(source):
        package = read_package(local_path(source))
    else:
        names, name = pipeline_names(), source.replace("-", "_")
        if name not in names:
            raise InputError(f"unknown pipeline {source!r}: {nearest(name, names)}known are {', '.join(names)}")
        package = read_package(compiled_pipeline(name))
    if options.images:
        package = with_images(package, read_lock(local_path(options.images)))
        for image in without_digest(package):
            say(f"{options.images} has no digest for {image}: left unchanged")
    return for_version(package, options.kfp_version, notify=say) if options.kfp_version else package


def parameters_of(package: PipelinePackage, options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of the run: those of the command line, and defaults for the rest.

    Raises:
        InputError: a parameter that the pipeline does not have, or an invalid value.
    """
    entries: dict[str, str] = {}
    for text in options.parameters:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InputError(f"--param {text!r} must have the form NAME=VALUE, for example --param gpu_count=2")
        if name in entries:
            raise InputError(f"--param {name} is given twice")
        entries[name] = value
    overrides = shlex.join(options.overrides) if options.overrides else None
    for flag, name, text in (
        ("--preset", "preset", _inlined(options.preset)),
        ("--sweep", "sweep", _inlined(options.sweep, sweep=True)),
        ("--set", "overrides", overrides),
    ):
        if text is None:
            continue
        if name not in package.inputs:
            raise InputError(f"{flag}: {package.name} has no parameter {name}; it has {', '.join(package.inputs)}")
        if name in entries:
            raise InputError(f"give {flag} or --param {name}=..., not both")
        entries[name] = text
    return filled_in(package, entries)


def _inlined(source: str | None, *, sweep: bool = False) -> str | None:
    """Return a known name unchanged, and the content of a file: the pipeline runs where local files do not exist."""
    if source is None:
        return None
    if sweep:
        from grokcore.sweeps import load_sweep, sweep_names
        from grokcore.sweeps.loading import as_yaml

        return source if source in sweep_names() else as_yaml(load_sweep(source))
    if source in preset_names():
        return source
    document_of(source, preset_names())  # refuse invalid YAML here
    text, _ = source_text(source, preset_names(), allow_files=True)
    return text if "\n" in text else f"{text}\n"  # the newline marks it as content, not a name


def api_of(options: argparse.Namespace) -> KubeflowApi:
    """Connect to the API that the options and the environment name.

    Raises:
        InputError: no host is named, or the token file has no token.
    """
    at = connection(
        host=options.host,
        token_file=options.token_file,
        namespace=options.namespace,
        experiment=options.experiment,
        ca=options.ca,
    )
    from grokcore.cluster.kubeflow.api import KubeflowApi

    _warn_of_open_token(at)
    return KubeflowApi(at)


def _warn_of_open_token(at: Connection) -> None:
    host = at.host.removeprefix("http://")
    name = host.partition("/")[0].partition(":")[0]
    inside = name in ("localhost", "127.0.0.1") or name.endswith((".svc", ".local")) or "." not in name
    if at.token is not None and host != at.host and not inside:
        say(f"the token is sent unencrypted to {name}: use https")
