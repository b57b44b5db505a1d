"""The C kernels of this folder, compiled once for this machine by its own compiler; where that fails, torch computes.

What lies between the matrix products of a short sequence is little work over many small pieces: torch's general
operators copy and reorder for longer than they compute. A kernel does the same in one pass over the data as they lie.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from grokcore.storage.cache import cache_places

_FLAGS = (
    *("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-std=gnu11"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math"),
)
"""Not -ffast-math: a library linked with that flushes the denormal numbers of whatever process loads it."""

_TYPES = {torch.float32: "float", torch.float64: "double"}
_SECONDS = 120
"""A compiler that takes longer than this has hung."""


class Kernels:
    """The compiled functions: `call("attention_forward", torch.float32, ...)` with tensors and numbers as arguments."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def call(self, name: str, dtype: torch.dtype, *arguments: Tensor | int | float) -> None:
        """Call a function on contiguous or strided memory; it writes into the tensors it is given."""
        getattr(self._library, f"{name}_{_TYPES[dtype]}")(*map(_argument, arguments))


def _argument(value: Tensor | int | float) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_double:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_double(value)


def kernels_for(tensor: Tensor) -> Kernels | None:
    """The kernels, if they compute on tensors like this one: on the CPU, in fp32 or fp64, not inside a transform."""
    if tensor.device.type != "cpu" or tensor.dtype not in _TYPES:
        return None
    return None if inside_transform() else load_kernels()


def inside_transform() -> bool:
    """Whether torch.func is at work, whose tensors have no memory of their own."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def kernel_choice() -> str:
    """What computes between the matrix products on this machine's CPU, for the manifest: `native` or `torch`."""
    return "torch" if load_kernels() is None else "native"


@cache
def load_kernels() -> Kernels | None:
    """Compile the kernels, or find them compiled; None without a C compiler, or with GROKCORE_KERNELS=off."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or os.environ.get("GROKCORE_KERNELS") == "off":
        return None
    folder = Path(__file__).parent
    sources = sorted(folder.glob("*.c"))
    key = hashlib.sha256(b"".join(source.read_bytes() for source in (*sources, *sorted(folder.glob("*.h")))))
    key.update(" ".join((compiler, *_FLAGS, _processor())).encode())
    for folder in cache_places():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                continue  # never run what somebody else has put there
            library = folder / f"kernels-{key.hexdigest()[:16]}.so"
            if not library.exists():
                _compile(compiler, sources, library)
            return Kernels(library)
        except (OSError, subprocess.SubprocessError):
            continue
    return None


def _processor() -> str:
    """What tells processors with other instructions apart, where a home directory is shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, sources: list[Path], library: Path) -> None:
    """Compile each source for fp32 and fp64 into `library`, which appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        units = []
        for source in sources:
            for real in _TYPES.values():
                unit = Path(scratch) / f"{source.stem}_{real}.c"
                unit.write_text(f'#define REAL {real}\n#include "{source}"\n')
                units.append(str(unit))
        made = Path(scratch) / library.name
        subprocess.run(
            [compiler, *_FLAGS, *units, "-o", str(made), "-lm"], check=True, capture_output=True, timeout=_SECONDS
        )
        made.replace(library)
