"""CUDA and Triton kernels of other packages: taken only where GROKCORE_GPU_KERNELS=on asks for them.

They round otherwise than our own forms, so that a package that happens to be installed must not change a run.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from importlib.util import find_spec

from grokcore.errors import InputError

VARIABLE = "GROKCORE_GPU_KERNELS"
PACKAGES = {"fla": "fla-core", "mamba_ssm": "mamba-ssm"}
"""Modules with kernels for long sequences, and the packages that they come from."""


def may_use(module: str) -> bool:
    """Return whether a module of `PACKAGES` was asked for and is installed.

    Raises:
        InputError: the variable is neither on nor off.
    """
    choice = os.environ.get(VARIABLE, "") or "off"
    if choice not in ("on", "off"):
        raise InputError(f"{VARIABLE}={choice!r} must be on or off")
    return choice == "on" and find_spec(module) is not None


def gpu_kernel_facts() -> dict[str, str]:
    """Return `gpu_kernels`, the packages that may be used with their versions, for the manifest; nothing without any.

    Raises:
        InputError: as `may_use`.
    """
    used = [f"{package} {version(package)}" for module, package in PACKAGES.items() if may_use(module)]
    return {"gpu_kernels": ", ".join(used)} if used else {}
