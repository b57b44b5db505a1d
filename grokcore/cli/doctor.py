"""`grokcore doctor`: what works on this machine, in one table."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

from grokcore import __version__
from grokcore.spec.hardware import cpu_computes_bf16, has_cuda

_EXTRAS = {
    "data": ("numpy", "pyarrow"),
    "train": ("torch", "transformers", "safetensors"),
    "report": ("bokeh", "jinja2"),
    "pipelines": ("kfp", "kfp-kubernetes"),
    "s3": ("boto3",),
    "metrics": ("prometheus-client",),
    "cuda": ("mamba-ssm", "causal-conv1d"),
}


def doctor(options: argparse.Namespace) -> None:
    rows = list(_rows())
    width = max(len(name) for name, _, _ in rows)
    for name, value, remark in rows:
        print(f"{name:<{width}}  {value:<24}  {remark}".rstrip())


def _rows() -> Iterator[tuple[str, str, str]]:
    yield "grokcore", __version__, ""
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield "python", platform.python_version(), "" if supported else "supported are 3.11 to 3.13"
    for extra, packages in _EXTRAS.items():
        for package in packages:
            yield package, *_package(package, extra)
    gpu = _gpu()
    yield "CUDA GPU", gpu or "none", "" if gpu else "fp16 is not available; training runs on the CPU"
    yield "cores", str(os.cpu_count()), ""
    bf16 = cpu_computes_bf16()
    yield "bf16 on the CPU", "yes" if bf16 else "no", "" if bf16 else "precision auto takes fp32 on the CPU"
    free = shutil.disk_usage(".").free / 1e9
    yield "free disk here", f"{free:.1f} GB", "" if free > 2 else "little room for runs"
    yield "current directory", "writable" if os.access(".", os.W_OK) else "read-only", ""


def _package(package: str, extra: str) -> tuple[str, str]:
    try:
        return metadata.version(package), ""
    except metadata.PackageNotFoundError:
        return "missing", f"pip install 'grokcore[{extra}]'" + (" (needs a CUDA GPU)" if extra == "cuda" else "")


def _gpu() -> str | None:
    if not has_cuda() or importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name()
