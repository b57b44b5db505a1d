"""Number formats: fp32 weights throughout, products in the format that was asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from grokcore.errors import InputError

_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(precision: str, device: str) -> None:
    """Refuse fp16 where no GPU computes in it.

    Raises:
        InputError: in one line, with the override that works here.
    """
    if precision == "fp16" and device == "cpu":
        raise InputError(
            "training.precision=fp16 needs a CUDA GPU and this run is on the CPU: "
            "use --set training.precision=bf16 (or fp32), or train on a GPU"
        )


def check_device(device: str) -> None:
    """Refuse a GPU that is not there.

    Raises:
        InputError: in one line.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device=cuda, but torch sees no CUDA GPU here: use --set training.device=auto")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which a forward pass computes in `precision`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=_FORMATS[precision])


def loss_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Dynamic loss scaling for fp16 (arXiv 1710.03740); does nothing for other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
