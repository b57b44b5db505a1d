"""What is installed here, and what this machine computes with."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata

from grokcore.cli.checks.check import Check
from grokcore.spec.hardware import cpu_computes_bf16, has_cuda
from grokcore.version import __version__

_EXTRAS = {
    "data": ("numpy", "pyarrow"),
    "train": ("torch", "transformers", "safetensors"),
    "report": ("bokeh", "jinja2"),
    "pipelines": ("kfp", "kfp-kubernetes"),
    "s3": ("boto3",),
    "metrics": ("prometheus-client",),
    "deepspeed": ("deepspeed",),
    "cuda": ("mamba-ssm", "causal-conv1d"),
}


def versions() -> Iterator[Check]:
    yield Check("grokcore", __version__)
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check("python", platform.python_version(), "" if supported else "supported are 3.11 to 3.13")
    for extra, packages in _EXTRAS.items():
        for package in packages:
            yield _package(package, extra)


def _package(package: str, extra: str) -> Check:
    try:
        return Check(package, metadata.version(package))
    except metadata.PackageNotFoundError:
        needs = " (needs a CUDA GPU)" if extra == "cuda" else ""
        return Check(package, "missing", f"pip install 'grokcore[{extra}]'{needs}", "absent")


def hardware() -> Iterator[Check]:
    gpus = _gpus()
    for number, gpu in enumerate(gpus):
        yield Check(f"CUDA GPU {number}", gpu)
    if not gpus:
        yield Check("CUDA GPU", "none", "fp16 is not available; training runs on the CPU", "absent")
    yield Check("cores", str(os.cpu_count()))
    bf16 = cpu_computes_bf16()
    yield Check("bf16 on the CPU", "yes" if bf16 else "no", "" if bf16 else "precision auto takes fp32 on the CPU")
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    ahead = os.environ.get("GROKCORE_KERNELS", "")
    kernels = f"kernels for the CPU lie in {ahead}" if ahead else "kernels for the CPU are not built here"
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
        yield Check("temporary directory", "none", "set TMPDIR to a directory that can be written")
    for name, directory in places:
        free = shutil.disk_usage(directory).free / 1e9
        writable = "writable" if os.access(directory, os.W_OK) else "read-only"
        yield Check(name, f"{writable}, {free:.1f} GB free", "" if free > 2 else "little room for runs")
