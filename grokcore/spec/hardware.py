"""The devices and number formats of this machine, found without importing torch where there is no GPU."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from grokcore.errors import InputError
from grokcore.spec.code import check_training
from grokcore.spec.experiment import ExperimentSpec
from grokcore.spec.ranks import rank_of_environment
from grokcore.spec.start_from import resolve_source
from grokcore.spec.training import TrainingSpec

_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-caps", "/dev/dxg", "/dev/nvmap", "/dev/kfd")
"""One of these is there wherever torch may find a GPU: NVIDIA's driver, WSL, Jetson, AMD's driver."""


@cache
def has_cuda() -> bool:
    """Return whether torch can train on a CUDA GPU here."""
    if not any(Path(device).exists() for device in _GPU_DEVICES) or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


@cache
def visible_gpus() -> int:
    """The CUDA GPUs that this process may use."""
    if not has_cuda():
        return 0
    import torch

    return torch.cuda.device_count()


@cache
def cpu_computes_bf16() -> bool:
    """Return whether the processor multiplies bf16 matrices in hardware (AVX512-BF16, AMX or Arm's BF16)."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def resolve_device(device: str) -> str:
    if device == "auto":
        return "cuda" if has_cuda() else "cpu"
    return device


def devices_here(spec: ExperimentSpec) -> int:
    """The devices that would train a spec: one for each process of its group, else each GPU, else the CPU."""
    together = rank_of_environment().world_size
    if together > 1 or resolve_device(spec.training.device) == "cpu":
        return together
    return max(1, visible_gpus())


def resolve(spec: ExperimentSpec, *, devices: int | None = None, gpu_count: int | None = None) -> ExperimentSpec:
    """The spec with what is `auto` replaced by what is taken where it will be trained, and its source identified.

    Args:
        devices: how many devices train it together; None for those of this machine, or of this group of processes.
        gpu_count: where it is trained elsewhere, the GPUs there, 0 for none; None where it is trained here.

    Raises:
        InputError: the model that it starts from is absent, or not the one that the spec names.
        TransientError: the place of that model could not be reached.
    """
    changes: dict[str, Any] = {}
    training = spec.training
    on_gpu = resolve_device(training.device) == "cuda"
    if gpu_count is not None:
        on_gpu = gpu_count > 0 and training.device != "cpu"
    if training.precision == "auto":
        changes["precision"] = "bf16" if on_gpu or cpu_computes_bf16() else "fp32"
    if training.engine == "auto":
        if devices is None:
            devices = devices_here(spec) if gpu_count is None else gpu_count
        changes["engine"] = "deepspeed" if devices > 1 else "native"
    if changes:
        spec = spec.model_copy(update={"training": training.model_copy(update=changes)})
    if spec.model.start_from is not None:
        start = resolve_source(spec.model.start_from)
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"start_from": start})})
    return spec


AUTO = "auto"
"""Value of a form's `gpu_count` that follows the experiment."""

_CPU_WEIGHTS = 1_000_000
"""Weights of the blocks, roughly, up to which a training takes minutes or hours on a CPU and not weeks."""


def gpus_for(spec: ExperimentSpec, gpu_count: str) -> str:
    """Return the number of GPUs per node to request, as text: `gpu_count`, or for "auto" the number that suits a spec.

    That is 1 for a spec that cannot be trained on a CPU (device, precision or engine), or not in reasonable time (the
    size of its blocks), else 0.
    """
    if gpu_count.strip() != AUTO:
        return gpu_count
    training, model = spec.training, spec.model
    if training.device == "cpu":
        return "0"
    needed = training.device == "cuda" or training.precision == "fp16" or training.engine == "deepspeed"
    return "1" if needed or 12 * model.layers * model.width**2 > _CPU_WEIGHTS else "0"


def resolve_elsewhere(spec: ExperimentSpec, *, gpu_count: str, nodes: str = "1") -> ExperimentSpec:
    """Resolve a spec for a training on other machines, whose size a form gives as text.

    Args:
        gpu_count: GPUs of each node, 0 for none, auto for what suits the spec; empty takes this machine for all of
            them.
        nodes: how many there are, with one process for each GPU, or one without.

    Raises:
        InputError: one of them is not a valid number.
    """
    gpu_count = gpus_for(spec, gpu_count)
    count = None if not gpu_count.strip() else _number("gpu_count", gpu_count, least=0)
    together = _number("nodes", nodes, least=1)
    if count is None:
        return resolve(spec, devices=None if together == 1 else together)
    return resolve(spec, devices=together * max(1, count), gpu_count=count)


def _number(name: str, text: str, *, least: int) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and int(stripped) >= least):
        raise InputError(f"{name}={text!r} must be a whole number from {least} on")
    return int(stripped)


def check_hardware(spec: ExperimentSpec, *, processes: int | None = None) -> None:
    """Refuse what cannot be trained here: for want of hardware, or of code that the spec names.

    Args:
        processes: that will train it together; None for those of this group.

    Raises:
        InputError: in one line, with the overrides that work here.
    """
    check_training(spec)
    training = spec.training
    device = resolve_device(training.device)
    if training.device == "cuda" and not has_cuda():
        raise InputError("training.device=cuda, but torch sees no CUDA GPU here: use --set training.device=auto")
    deepspeed = training.engine == "deepspeed"
    without = deepspeed and importlib.util.find_spec("deepspeed") is None
    native = " --set training.engine=native" if without else ""
    if training.precision == "fp16" and device == "cpu":
        raise InputError(
            "training.precision=fp16 needs a CUDA GPU and this run is on the CPU: "
            f"use{native} --set training.precision=bf16 (or fp32), or train on a GPU"
        )
    if without:
        raise InputError(
            "training.engine=deepspeed needs DeepSpeed: pip install 'grokcore[deepspeed]', or use"
            " --set training.engine=native"
        )
    together = rank_of_environment().world_size if processes is None else processes
    if together > 1 and not deepspeed:
        raise InputError(
            f"training.engine=native trains on one device and not in {together} processes: "
            "use --set training.engine=deepspeed, or one process"
        )
    if deepspeed:
        check_shares(training, together)


def check_shares(training: TrainingSpec, processes: int) -> None:
    """
    Raises:
        InputError: the batch cannot be divided among so many processes.
    """
    parts = processes * training.gradient_accumulation
    if training.batch_size % parts:
        accumulated = f" times gradient_accumulation={training.gradient_accumulation}" if parts > processes else ""
        raise InputError(
            f"training.batch_size={training.batch_size} cannot be shared by {processes} processes{accumulated}: "
            f"use a multiple of {parts}"
        )
