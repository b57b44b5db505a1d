"""`grokcore doctor`: check packages, hardware, directories, a store and the rights in a cluster; print a table.

With a spec it also estimates the GPU memory that training it takes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from itertools import chain
from typing import TYPE_CHECKING, Literal

from grokcore.cli.registries import REGISTRIES
from grokcore.cli.specs import spec_of
from grokcore.errors import GrokcoreError, InputError
from grokcore.spec.hardware import cpu_computes_bf16, has_cuda
from grokcore.spec.plugins import GROUPS, Refused, survey
from grokcore.storage import Store, open_store
from grokcore.storage.layout import STORE_VARIABLE
from grokcore.terminal.output import print_line
from grokcore.version import __version__

if TYPE_CHECKING:
    from grokcore.cluster.trainjobs.api import TrainJobApi


@dataclass(frozen=True)
class Check:
    """One row of the table.

    Attributes:
        verdict: ok; absent, for what only some uses need; or failed, for what was asked for and does not work.
        remark: consequence, or remedy.
    """

    name: str
    found: str
    remark: str = ""
    verdict: Literal["ok", "absent", "failed"] = "ok"


def doctor(options: argparse.Namespace) -> None:
    """Run all checks, printing each result at once.

    Raises:
        InputError: the store or cluster fails a check.
    """
    failed = []
    for check in _checks(options):
        print_line(f"{check.name:<20}  {check.found:<24}  {check.remark}".rstrip())
        if check.verdict == "failed":
            failed.append(check.name.strip())
    if failed:
        raise InputError(f"failed checks: {', '.join(failed)}; see the table")


def _checks(options: argparse.Namespace) -> Iterator[Check]:
    uri = options.store or os.environ.get(STORE_VARIABLE, "")
    return chain(
        versions(),
        plugins(),
        hardware(),
        directories(),
        store(uri) if uri else (),
        cluster() if options.cluster or in_cluster() else (),
        memory(options) if options.spec is not None else (),
    )


_EXTRAS = {
    "data": ("numpy", "pyarrow"),
    "train": ("torch", "transformers", "safetensors"),
    "report": ("bokeh", "jinja2"),
    "pipelines": ("kfp", "kfp-kubernetes"),
    "s3": ("boto3",),
    "metrics": ("prometheus-client",),
    "mlflow": ("mlflow-skinny",),
    "tensorboard": ("tensorboard",),
    "deepspeed": ("deepspeed",),
    "cuda": ("mamba-ssm", "causal-conv1d"),
}


def versions() -> Iterator[Check]:
    yield Check("grokcore", __version__)
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", platform.python_version(), "" if supported else "supported versions: 3.11 to 3.13")
    for extra, packages in _EXTRAS.items():
        for package in packages:
            yield _package(package, extra)


def _package(package: str, extra: str) -> Check:
    try:
        return Check(package, metadata.version(package))
    except metadata.PackageNotFoundError:
        needs = " (needs a CUDA GPU)" if extra == "cuda" else ""
        return Check(package, "missing", f"pip install 'grokcore[{extra}]'{needs}", "absent")


def plugins() -> Iterator[Check]:
    """Check every part that other packages offer; one that cannot be used stops nothing else."""
    for kind in GROUPS:
        for found in survey(kind):
            name = f"{kind} {found.name}"
            if isinstance(found, Refused):
                yield Check(name, "not used", found.problem, "absent")
                continue
            try:
                digest = found.source.sha256[:12]
                REGISTRIES[kind]()[found.name]
            except InputError as error:
                yield Check(name, "broken", str(error), "absent")
            else:
                yield Check(name, f"{found.distribution} {found.version}", f"sha256 {digest}")


def hardware() -> Iterator[Check]:
    gpus = _gpus()
    for number, gpu in enumerate(gpus):
        yield Check(f"CUDA GPU {number}", gpu)
    if not gpus:
        yield Check("CUDA GPU", "none", "training runs on the CPU, without fp16", "absent")
    yield Check("cores", str(os.cpu_count()))
    bf16 = cpu_computes_bf16()
    yield Check("bf16 on the CPU", "yes" if bf16 else "no", "" if bf16 else "precision auto means fp32 on the CPU")
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    ahead = os.environ.get("GROKCORE_KERNELS", "")
    kernels = f"CPU kernels are prebuilt in {ahead}" if ahead else "CPU kernels cannot be built"
    yield Check("C compiler", compiler or "none", "" if compiler else kernels)


def _gpus() -> list[str]:
    if not has_cuda():
        return []
    import torch

    return [
        f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"
        for properties in map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    ]


def directories() -> Iterator[Check]:
    yield Check("user", f"{os.getuid()}:{os.getgid()}")
    places = [("current directory", ".")]
    try:
        places.append(("temporary directory", tempfile.gettempdir()))
    except FileNotFoundError:
        yield Check("temporary directory", "none", "set TMPDIR to a writable directory")
    for name, directory in places:
        free = shutil.disk_usage(directory).free / 1e9
        writable = "writable" if os.access(directory, os.W_OK) else "read-only"
        yield Check(name, f"{writable}, {free:.1f} GB free", "" if free > 2 else "little space for runs")


def memory(options: argparse.Namespace) -> Iterator[Check]:
    """Estimate what an optimizer step of a spec holds on a GPU; takes seconds, and needs no GPU.

    Raises:
        InputError: no such spec, an invalid one, or an impossible task.
    """
    from grokcore.training.memory import estimate_memory

    spec = spec_of(options)
    estimate = estimate_memory(spec)
    yield Check("GPU memory", _gigabytes(estimate.peak), f"for {spec.name}: an estimate, not yet seen on a GPU")
    for name in ("weights", "gradients", "optimizer_state", "examples", "activations"):
        yield Check(f"  {name.replace('_', ' ')}", _gigabytes(getattr(estimate, name)))


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def store(uri: str) -> Iterator[Check]:
    """Write, read, list and delete in a temporary folder of the store.

    Raises:
        InputError: invalid URI.
    """
    top = open_store(uri)
    yield Check("store", top.uri)
    folder = f"grokcore-doctor-{uuid.uuid4().hex}"
    place = top.child(folder)
    try:
        for name, attempt in _ATTEMPTS.items():
            check = _tried(name, attempt, place)
            yield check
            if check.verdict == "failed" and name == "write":  # the rest needs it
                return
    finally:
        with suppress(GrokcoreError):
            top.delete_all(folder)


def _tried(name: str, attempt: Callable[[Store], str], place: Store) -> Check:
    try:
        trouble = attempt(place)
    except GrokcoreError as error:
        trouble = str(error)
    return Check(f"  {name}", "failed", trouble, "failed") if trouble else Check(f"  {name}", "ok")


def _write(place: Store) -> str:
    place.write("probe", b"grokcore")
    return ""


def _read(place: Store) -> str:
    return "" if place.read("probe") == b"grokcore" else "read back different bytes than were written"


def _list(place: Store) -> str:
    return "" if [file.key for file in place.files()] == ["probe"] else "does not list a written file"


def _conditional_write(place: Store) -> str:
    first, second = (place.write_new("new", content) for content in (b"first", b"second"))
    if first and not second and place.read("new") == b"first":
        return ""
    return "does not refuse a second writer: train each run, and promote champions, in one process at a time"


def _delete(place: Store) -> str:
    place.delete("probe")
    return "" if place.find("probe") is None else "a deleted file is still there"


_ATTEMPTS: dict[str, Callable[[Store], str]] = {
    "write": _write,
    "read": _read,
    "list": _list,
    "conditional write": _conditional_write,
    "delete": _delete,
}
"""Each returns the problem, or an empty text."""


TASK_RIGHTS = {
    "workflowtaskresults.argoproj.io": ("create", "patch"),
    "pods": ("get", "list", "watch"),
    "pods/log": ("get",),
}
"""Rights that a pipeline task needs: verbs by resource."""
TRAINJOB_RIGHTS = {
    "trainjobs.trainer.kubeflow.org": ("create", "get", "list", "watch", "patch", "delete"),
    "trainingruntimes.trainer.kubeflow.org": ("get",),
}
"""Additional rights of the launcher of a TrainJob."""


def in_cluster() -> bool:
    """Whether this process runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def cluster() -> Iterator[Check]:
    """Check rights and the TrainingRuntime by asking the API, without creating anything.

    Raises:
        InputError: no cluster is configured.
        TransientError: the API does not answer.
    """
    from grokcore.cluster.trainjobs.api import TrainJobApi
    from grokcore.cluster.trainjobs.request import RUNTIME

    api = TrainJobApi.connect()
    yield Check("namespace", api.namespace)
    lacking = _lacking(api, TASK_RIGHTS)
    yield (
        Check("  rights of tasks", "ok")
        if not lacking
        else Check("  rights of tasks", "failed", f"no right to {lacking}: apply manifests/base", "failed")
    )
    lacking = _lacking(api, TRAINJOB_RIGHTS)
    if lacking:
        yield Check("  TrainJobs", "no rights", f"no right to {lacking}: {_FOR_TRAINJOBS}", "absent")
    elif api.get_runtime(RUNTIME) is None:
        yield Check("  TrainJobs", "no runtime", f"no TrainingRuntime {RUNTIME}: {_FOR_TRAINJOBS}", "absent")
    else:
        yield Check("  TrainJobs", RUNTIME)


_FOR_TRAINJOBS = "apply manifests/components/trainjob to train with TrainJobs"


def _lacking(api: TrainJobApi, rights: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(
        f"{verb} {resource}" for resource, verbs in rights.items() for verb in verbs if not api.allowed(verb, resource)
    )
