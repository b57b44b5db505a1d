"""What this machine computes in, asked without importing torch where no GPU can be."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from grokcore.spec.experiment import ExperimentSpec

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvidia-caps")


@cache
def has_cuda() -> bool:
    """Whether torch can train on a CUDA GPU here."""
    if not any(Path(device).exists() for device in _GPU_DEVICES) or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


@cache
def cpu_computes_bf16() -> bool:
    """Whether the processor multiplies bf16 matrices in hardware (AVX512-BF16, AMX or Arm's BF16)."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def resolve_device(device: str) -> str:
    if device == "auto":
        return "cuda" if has_cuda() else "cpu"
    return device


def resolve(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with `precision: auto` replaced by what this machine's device computes in."""
    if spec.training.precision != "auto":
        return spec
    device = resolve_device(spec.training.device)
    precision = "bf16" if device == "cuda" or cpu_computes_bf16() else "fp32"
    return spec.model_copy(update={"training": spec.training.model_copy(update={"precision": precision})})
