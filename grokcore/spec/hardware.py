"""What this machine computes in, asked without importing torch where no GPU can be."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from grokcore.errors import InputError
from grokcore.spec.experiment import ExperimentSpec

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-caps", "/dev/dxg", "/dev/nvmap", "/dev/kfd")
"""One of these is there wherever torch may find a GPU: NVIDIA's driver, WSL, Jetson, AMD's driver."""


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


def check_hardware(spec: ExperimentSpec) -> None:
    """Refuse what this machine cannot train.

    Raises:
        InputError: in one line, with the override that works here.
    """
    if spec.training.device == "cuda" and not has_cuda():
        raise InputError("training.device=cuda, but torch sees no CUDA GPU here: use --set training.device=auto")
    if spec.training.precision == "fp16" and resolve_device(spec.training.device) == "cpu":
        raise InputError(
            "training.precision=fp16 needs a CUDA GPU and this run is on the CPU: "
            "use --set training.precision=bf16 (or fp32), or train on a GPU"
        )


def resolve(spec: ExperimentSpec) -> ExperimentSpec:
    """The spec with `precision: auto` replaced by what this machine's device computes in."""
    if spec.training.precision != "auto":
        return spec
    device = resolve_device(spec.training.device)
    precision = "bf16" if device == "cuda" or cpu_computes_bf16() else "fp32"
    return spec.model_copy(update={"training": spec.training.model_copy(update={"precision": precision})})
