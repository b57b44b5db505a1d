"""The C kernels of this folder, compiled once for this machine by its own compiler; where that fails, torch computes.

What lies between the matrix products of a short sequence is little work over many small pieces: torch's general
operators copy and reorder for longer than they compute. A kernel does the same in one pass over the data as they lie.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from grokcore.errors import InputError
from grokcore.storage import read_bytes, sha256, write_atomically
from grokcore.storage.copies import is_out_of_reach, is_own_file, private_folders

_FLAGS = (
    *("-O3", "-fopenmp", "-shared", "-fPIC", "-std=gnu11"),
    *("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math"),
)
"""Not -ffast-math: a library linked with that flushes the denormal numbers of whatever process loads it."""

_NATIVE = "native"
_AHEAD = {
    "x86_64": ("x86-64-v3", frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})),
    "aarch64": ("armv8-a", frozenset()),
}
"""The processors that kernels are compiled for ahead, and what /proc/cpuinfo says of one, by the machine's kind."""

_TYPES = {torch.float32: "float", torch.float64: "double"}
_SECONDS = 300
"""A compiler that takes longer than this has hung: one that shares its cores with eight others takes 60 s."""

_obstacle: str | None = None
"""The reason why `load_kernels` has found none; None if it has, or if kernels are off."""


class Kernels:
    """The compiled functions: `call("attention_forward", torch.float32, ...)` with tensors and numbers as arguments.

    Attributes:
        processor: what they were compiled for.
        digest: of the library. Another compiler, or another processor, makes another library, whose sums may differ in
            their last bit.
    """

    def __init__(self, path: Path, processor: str = _NATIVE) -> None:
        self.processor, self.digest = processor, sha256(path)[:16]
        self._library = ctypes.CDLL(str(path))

    def call(self, name: str, dtype: torch.dtype, *arguments: Tensor | int | float) -> None:
        """Call a function on contiguous or strided memory; it writes into the tensors it is given."""
        getattr(self._library, f"{name}_{_TYPES[dtype]}")(*(_argument(value, dtype) for value in arguments))


def _argument(value: Tensor | int | float, dtype: torch.dtype) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_double:
    if isinstance(value, Tensor):
        if value.dtype is not dtype and value.is_floating_point():  # it would be read, and written, beyond its end
            raise TypeError(f"a kernel for {dtype} was given a tensor of {value.dtype}")
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_double(value)


def kernels_for(tensor: Tensor) -> Kernels | None:
    """The kernels, if they compute on tensors like this one: on the CPU, in fp32 or fp64, not inside a transform."""
    if tensor.device.type != "cpu" or tensor.dtype not in _TYPES:
        return None
    return None if inside_transform() else load_kernels()


def inside_transform() -> bool:
    """Return whether torch.func is at work, whose tensors have no memory of their own."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def kernel_choice() -> str:
    """Return what computes between the matrix products on this machine's CPU, for the manifest.

    `native` for kernels compiled here, `torch` for none, else the processor that they were compiled for ahead.
    """
    kernels = load_kernels()
    return "torch" if kernels is None else kernels.processor


def kernel_facts() -> dict[str, str]:
    """Return `kernels` as `kernel_choice` does, with the library's `kernel_digest` or the reason why there is none."""
    kernels = load_kernels()
    facts = {"kernels": kernel_choice()}
    if kernels is not None:
        return facts | {"kernel_digest": kernels.digest}
    return facts if _obstacle is None else facts | {"kernel_obstacle": _obstacle}


@cache
def load_kernels() -> Kernels | None:
    """Find the kernels, or compile them.

    GROKCORE_KERNELS=FOLDER takes those that lie there if this processor has what they need; GROKCORE_KERNELS=off takes
    none. None without a C compiler, too.
    """
    global _obstacle
    _obstacle = None
    choice = os.environ.get("GROKCORE_KERNELS", "")
    if choice == "off":
        return None
    return _compiled_ahead(Path(choice)) if choice and Path(choice).is_dir() else _compiled_here()


def compile_ahead(folder: Path) -> Path:
    """Compile the kernels for the common processors of this machine's kind, and return the library.

    Raises:
        InputError: there is no compiler, it fails, or nothing is known of this kind of machine.
    """
    compiler = _compiler()
    if compiler is None or platform.machine() not in _AHEAD:
        raise InputError(f"compiling kernels needs a C compiler (CC) and one of {', '.join(_AHEAD)}")
    processor, _ = _AHEAD[platform.machine()]
    library = folder / _name_ahead(processor)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _compile(compiler, processor, library)
    except subprocess.SubprocessError as error:
        raise InputError(f"no kernels were compiled: {_reason(compiler, error)}") from None
    return library


def _compiled_ahead(folder: Path) -> Kernels | None:
    processor, needed = _AHEAD.get(platform.machine(), ("", frozenset()))
    library = folder / _name_ahead(processor)
    if not processor or not library.is_file() or not needed <= set(_processor().split()):
        return _compiled_here()
    try:
        return Kernels(library, processor)
    except OSError:
        return _compiled_here()


def _name_ahead(processor: str) -> str:
    return f"kernels-{_source_hash().hexdigest()[:16]}-{processor}.so"


def _compiled_here() -> Kernels | None:
    global _obstacle
    compiler = _compiler()
    if compiler is None:
        _obstacle = "there is no C compiler"
        return None
    key = _source_hash()
    key.update(" ".join((compiler, *_FLAGS, _processor())).encode())
    name = f"kernels-{key.hexdigest()[:16]}.so"
    try:
        for folder in filter(is_out_of_reach, private_folders("kernels")):
            with suppress(OSError, InputError):
                return Kernels(_cached(folder / name, compiler))
        with tempfile.TemporaryDirectory(prefix="grokcore-") as scratch:  # for this process alone
            library = Path(scratch) / name
            _compile(compiler, _NATIVE, library)
            return Kernels(library)
    except (OSError, subprocess.SubprocessError, InputError) as error:
        _obstacle = _reason(compiler, error)
        return None


def _reason(compiler: str, error: Exception) -> str:
    """Return why `compiler` made no library, in a few words."""
    name = Path(compiler).name
    match error:
        case subprocess.TimeoutExpired(timeout=seconds):
            return f"{name} was not done after {seconds:g} s"
        case subprocess.CalledProcessError(stderr=said):
            lines = (said or b"").decode(errors="replace").splitlines()
            return f"{name} failed: {next(filter(None, lines), error)}"
    return str(error)


def _cached(library: Path, compiler: str) -> Path:
    """A library of the cache, compiled unless it lies there as it was when its digest was written beside it."""
    digest = library.with_suffix(".sha256")
    if not (is_own_file(library) and is_own_file(digest) and sha256(library).encode() == read_bytes(digest)):
        _compile(compiler, _NATIVE, library)
        write_atomically(digest, sha256(library).encode())
        digest.chmod(0o600)
    return library


def _compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc"))


def _sources() -> list[Path]:
    return sorted(Path(__file__).parent.glob("*.c"))


def _source_hash() -> hashlib._Hash:
    headers = sorted(Path(__file__).parent.glob("*.h"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in (*_sources(), *headers)))


def _processor() -> str:
    """Return a name for this processor's instructions, since machines may share a home directory."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _compile(compiler: str, processor: str, library: Path) -> None:
    """Compile each source for `processor`, in fp32 and fp64 into `library`, which appears whole or not at all."""
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        units = []
        for source in _sources():
            for real in _TYPES.values():
                unit = Path(scratch) / f"{source.stem}_{real}.c"
                unit.write_text(f'#define REAL {real}\n#include "{source}"\n')
                units.append(str(unit))
        made = Path(scratch) / library.name
        subprocess.run(
            [compiler, *_FLAGS, f"-march={processor}", *units, "-o", str(made), "-lm"],
            check=True,
            capture_output=True,
            timeout=_SECONDS,
        )
        made.chmod(0o755)
        made.replace(library)
