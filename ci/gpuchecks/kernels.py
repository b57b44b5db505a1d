"""Kernels of other libraries beside our own forms, forward and backward, by the length of the sequences."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ci.gpuchecks.setting import Setting
from ci.gpuchecks.trajectories import distance
from grokcore.models.fast import flash_linear_attention as fla
from grokcore.models.fast.causal_convolution import plain_causal_convolution
from grokcore.models.fast.decayed_attention import attend_decaying
from grokcore.models.fast.deltanet import attend_by_delta_rule
from grokcore.models.fast.layout import Layout
from grokcore.models.fast.mamba import library_selective_scan, plain_selective_scan

TOKENS = 32_768
"""Of all examples of a call together: 512 of length 64."""
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
HEADS, SIZE, STATES, TAPS = 12, 64, 16, 4
WIDTH = HEADS * SIZE
FAR = 0.05
"""Relative distance of a result that half precision does not explain."""


@dataclass(frozen=True)
class Kernel:
    """Our own form and a library's, of the same inputs.

    Attributes:
        package: what is imported for the library's form.
        inputs: (layout, device) -> the tensors that both take.
        ours, theirs: (layout, tensors) -> result.
    """

    name: str
    package: str
    inputs: Callable[[Layout, str], list[Tensor]]
    ours: Callable[..., Tensor]
    theirs: Callable[..., Tensor]


def time_kernels(setting: Setting) -> None:
    lengths = LENGTHS[:2] if setting.rehearse else LENGTHS
    for kernel in KERNELS:
        there = setting.device == "cuda" and importlib.util.find_spec(kernel.package) is not None
        pays = None
        for length in lengths:
            row = _compared(kernel, length, setting, there=there)
            setting.add(kernel=kernel.name, package=kernel.package, length=length, **row)
            if row["distance"] is not None and row["distance"] > FAR:
                setting.problem(f"{kernel.name} of {length} tokens: {kernel.package} is {row['distance']:.2g} away")
            pays = (pays or length) if _is_faster(row) else None
        setting.add(
            kernel=kernel.name,
            package=kernel.package,
            pays_from=(pays or "no length tried") if there else "absent: not installed",
        )


def _is_faster(row: Mapping[str, Any]) -> bool:
    """Tell whether the library is faster, or computes where our own form has no memory for it."""
    ours, theirs = row["milliseconds"], row["milliseconds_of_library"]
    return theirs is not None and (ours is None or theirs < ours)


def _compared(kernel: Kernel, length: int, setting: Setting, *, there: bool) -> dict[str, Any]:
    examples = 4 if setting.rehearse else TOKENS // length
    layout = Layout(examples, length, torch.device(setting.device))
    torch.manual_seed(0)
    tensors = [tensor.requires_grad_() for tensor in kernel.inputs(layout, setting.device)]
    ours = partial(kernel.ours, layout, tensors)
    row: dict[str, Any] = {"milliseconds": None, "milliseconds_of_library": None, "distance": None}
    try:
        row["milliseconds"] = _milliseconds(ours, tensors, setting.device)
        if there:
            theirs = partial(kernel.theirs, layout, tensors)
            row["milliseconds_of_library"] = _milliseconds(theirs, tensors, setting.device)
            with torch.no_grad():
                row["distance"] = distance({"": theirs().float()}, {"": ours().float()})
    except Exception as error:  # a kernel that cannot be compiled, or too little memory: the others go on
        line = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        setting.problem(f"{kernel.name} of {length} tokens: {line}")
    return row


def _milliseconds(call: Callable[[], Tensor], tensors: Sequence[Tensor], device: str) -> float:
    """Median duration of a forward and a backward pass; the first two calls compile and do not count."""
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        torch.autograd.grad(call().float().sum(), list(tensors))
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times[2:])


def _scan_inputs(layout: Layout, device: str) -> list[Tensor]:
    """u, delta, delta_bias, a, b_c, d, z of `selective_scan`, in fp32 as it computes."""
    rows = layout.examples * layout.tokens
    shapes = [(rows, WIDTH), (rows, WIDTH), (WIDTH,), (WIDTH, STATES), (rows, 2 * STATES), (WIDTH,), (rows, WIDTH)]
    u, delta, bias, a, b_c, d, z = (torch.randn(*shape, device=device) for shape in shapes)
    return [u, delta, bias, -a.exp(), b_c, d, z]


def _half(*shapes: tuple[int, ...], device: str) -> list[Tensor]:
    return [torch.randn(*shape, device=device).to(torch.bfloat16) for shape in shapes]


def _decaying_inputs(layout: Layout, device: str, *, decays: int) -> list[Tensor]:
    rows = layout.examples * layout.tokens
    query, key, value, decay = _half((rows, WIDTH), (rows, WIDTH), (rows, WIDTH), (rows, decays), device=device)
    return [query, key / SIZE, value, -decay.float().exp() / 4]


def _delta_inputs(layout: Layout, device: str) -> list[Tensor]:
    rows = layout.examples * layout.tokens
    query, key, value, rate = _half((rows, WIDTH), (rows, WIDTH), (rows, WIDTH), (rows, HEADS), device=device)
    key = torch.nn.functional.normalize(key.unflatten(1, (HEADS, -1)), dim=2).flatten(1)
    return [query, key, value, rate.sigmoid()]


def _convolution_inputs(layout: Layout, device: str) -> list[Tensor]:
    rows = layout.examples * layout.tokens
    return [torch.randn(*shape, device=device) for shape in ((rows, WIDTH), (WIDTH, TAPS), (WIDTH,))]


@contextmanager
def _own_forms() -> Iterator[None]:
    """Keep grokcore from taking flash-linear-attention inside the block."""
    before, fla.LONG = fla.LONG, 2**30
    try:
        yield
    finally:
        fla.LONG = before


def _our_decay(layout: Layout, tensors: list[Tensor], *, itself: bool) -> Tensor:
    query, key, value, log_decay = tensors
    with _own_forms():
        return attend_decaying(query, key, value, log_decay, HEADS, layout, None, itself=itself)


def _their_decay(layout: Layout, tensors: list[Tensor], *, itself: bool) -> Tensor:
    query, key, value, log_decay = tensors
    return fla.library_attend_decaying(query, key, value, log_decay, HEADS, layout, groups=None, itself=itself)


def _our_delta(layout: Layout, tensors: list[Tensor]) -> Tensor:
    query, key, value, rate = tensors
    with _own_forms():
        return attend_by_delta_rule(query, key, value, rate, HEADS, layout, None)


def _their_delta(layout: Layout, tensors: list[Tensor]) -> Tensor:
    query, key, value, rate = tensors
    return fla.library_attend_by_delta_rule(query, key, value, rate, HEADS, layout)


def _our_scan(layout: Layout, tensors: list[Tensor]) -> Tensor:
    u, delta, bias, a, b_c, d, z = tensors
    return plain_selective_scan(u, delta, bias, a, b_c, d, z, layout, None)


def _their_scan(layout: Layout, tensors: list[Tensor]) -> Tensor:
    u, delta, bias, a, b_c, d, z = tensors
    return library_selective_scan(u, delta, bias, a, b_c, d, z, layout, None)


def _our_convolution(layout: Layout, tensors: list[Tensor]) -> Tensor:
    x, weight, bias = tensors
    return plain_causal_convolution(x, weight, bias, layout)


def _their_convolution(layout: Layout, tensors: list[Tensor]) -> Tensor:
    """transformers takes it for Mamba where it is installed; our own form does not."""
    from causal_conv1d import causal_conv1d_fn

    x, weight, bias = tensors
    mixed: Tensor = causal_conv1d_fn(layout.of_examples(x).transpose(1, 2), weight, bias, activation="silu")
    return mixed.transpose(1, 2).flatten(0, 1)


def _decaying(name: str, *, decays: int, itself: bool) -> Kernel:
    return Kernel(
        f"flash-linear-attention: {name}",
        "fla",
        partial(_decaying_inputs, decays=decays),
        partial(_our_decay, itself=itself),
        partial(_their_decay, itself=itself),
    )


KERNELS = (
    Kernel("mamba-ssm: selective scan", "mamba_ssm", _scan_inputs, _our_scan, _their_scan),
    Kernel("causal-conv1d", "causal_conv1d", _convolution_inputs, _our_convolution, _their_convolution),
    _decaying("decay per head", decays=HEADS, itself=True),
    _decaying("decay per channel", decays=WIDTH, itself=True),
    _decaying("decay per channel, before the token", decays=WIDTH, itself=False),
    Kernel("flash-linear-attention: delta rule", "fla", _delta_inputs, _our_delta, _their_delta),
)
