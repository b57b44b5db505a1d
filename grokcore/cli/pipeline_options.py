"""The package, parameters and connection that the options of `grokcore pipeline` name."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from grokcore.cli.specs import say
from grokcore.cluster.kubeflow.connection import Connection, connection
from grokcore.cluster.kubeflow.form import filled_in
from grokcore.cluster.kubeflow.package import (
    PipelinePackage,
    nearest,
    read_lock,
    read_package,
    with_images,
    without_digest,
)
from grokcore.errors import InputError
from grokcore.local import compiled_pipeline, pipeline_names
from grokcore.spec.loading import document_of, looks_like_path, preset_names, source_text
from grokcore.storage import local_path

if TYPE_CHECKING:
    from grokcore.cluster.kubeflow.api import KubeflowApi


def package_of(options: argparse.Namespace) -> PipelinePackage:
    """The package that a command line asks for, its images by digest where it names a lock file.

    Raises:
        InputError: there is none of that name, or the lock does not fit it.
    """
    source = options.pipeline
    if looks_like_path(source):
        package = read_package(local_path(source))
    else:
        names, name = pipeline_names(), source.replace("-", "_")
        if name not in names:
            raise InputError(f"there is no pipeline {source!r}: {nearest(name, names)}there are {', '.join(names)}")
        package = read_package(compiled_pipeline(name))
    if options.images:
        package = with_images(package, read_lock(local_path(options.images)))
        for image in without_digest(package):
            say(f"{options.images} does not have {image}: left as it is")
    return package


def parameters_of(package: PipelinePackage, options: argparse.Namespace) -> dict[str, Any]:
    """All parameters of the run: those of the command line, and defaults.

    Raises:
        InputError: one of them does not belong to the pipeline, or has a value that it cannot have.
    """
    entries: dict[str, str] = {}
    for text in options.parameters:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InputError(f"--param {text!r} must read NAME=VALUE, for example --param gpu_count=2")
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
    """A name as it is, and a file as its text, since no file of this machine is there where the pipeline runs."""
    if source is None:
        return None
    if sweep:
        from grokcore.sweeps import load_sweep, sweep_names
        from grokcore.sweeps.loading import as_yaml

        return source if source in sweep_names() else as_yaml(load_sweep(source))
    if source in preset_names():
        return source
    document_of(source, preset_names())  # so that what is no YAML is refused here
    text, _ = source_text(source, preset_names(), allow_files=True)
    return text if "\n" in text else f"{text}\n"  # a single line could pass for a name


def api_of(options: argparse.Namespace) -> KubeflowApi:
    """
    Raises:
        InputError: there is no host, or no token where a file was named.
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
        say(f"the token goes to {name} in the open: use https")
