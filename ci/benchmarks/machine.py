"""The measured machine: hardware, versions, and the speed of a matrix product."""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from grokcore.spec.hardware import cpu_computes_bf16

ROOT = Path(__file__).parents[2]
_SIZES = {"cpu": 2048, "cuda": 8192}
"""Rows of the square matrices whose product is timed."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def precisions_of(device: str) -> list[str]:
    """The number formats that `device` computes in."""
    if device == "cuda":
        return ["fp32", "bf16", "fp16"]
    return ["fp32", "bf16"] if cpu_computes_bf16() else ["fp32"]


def facts(device: str) -> dict[str, Any]:
    """The machine and the software, for the record."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": first_line("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") if device == "cuda" else None,
        "bf16_in_hardware": device == "cuda" or cpu_computes_bf16(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "numpy")},
        "commit": first_line("git", "-C", str(ROOT), "rev-parse", "HEAD"),
        "uncommitted_changes": bool(
            first_line("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
        ),
    }


def slug(machine: dict[str, Any]) -> str:
    """A short name for file names."""
    text = machine["gpu"] or f"{machine['processor']} {machine['cores']} cores"
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def peak_flops(device: str, precisions: Sequence[str], threads: int, repeats: int = 10) -> dict[str, float]:
    """FLOP/s of the fastest of `repeats` products of two square matrices, by number format; in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_peak, (device, precisions, threads, repeats))


def _measure_peak(device: str, precisions: Sequence[str], threads: int, repeats: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(threads)
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    size, peaks = _SIZES[device], {}
    for precision in precisions:
        left, right = torch.randn(2, size, size, device=device).to(formats[precision])
        times = []
        for _ in range(repeats + 1):
            begin = time.perf_counter()
            torch.mm(left, right)
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begin)
        peaks[precision] = 2 * size**3 / min(times[1:])
    return peaks


def _processor() -> str:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def first_line(*command: str) -> str | None:
    """First line of a command's output, or None if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("\n")[0]
