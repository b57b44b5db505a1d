"""A CUDA device that computes nothing: fake tensors, which have shapes, number formats and a device, but no numbers.

Inside `fake_cuda` a model, an optimizer and a whole training step can be made on `cuda` on a machine without a GPU and
with any build of torch. Mixed devices are refused as a GPU refuses them, autocast casts as on a GPU, and whatever needs
a number on the host raises an error.

torch's FakeTensorMode alone can do this only where torch was built for CUDA: elsewhere autograd looks for streams of a
device that is not there. So C++ is told here that these tensors are on `meta`, and Python that they are on `cuda`.
Autocast, which asks in C++, is written out below.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from grokcore.errors import InputError

_IS_CUDA: Any = vars(torch._C.TensorBase)["is_cuda"].__get__
CUDA, META = torch.device("cuda", 0), torch.device("meta")

IN_PLACE = ("aten::_fused_", "aten::_amp_")
"""Kernels that change what they are given and return nothing; some of them cannot be called with fake tensors."""

LOWER, PROMOTED = "LOWER_PRECISION_FP", "PROMOTE"
"""Operators that autocast computes in fp16 or bf16, and those in the widest format of their arguments; all others that
it knows are computed in fp32."""


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Make `cuda` the fake device inside the block; everything has to be made inside it, too.

    Raises:
        RuntimeError: in the block, where a tensor's number is asked for, or devices are mixed.
    """
    mode = _FakeCuda(allow_non_fake_inputs=True)  # before the patch below, which its first import does not survive
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Tensor, "_make_subclass", _on_meta(Tensor._make_subclass)))
        stack.enter_context(
            mock.patch.object(torch.cuda.amp.common, "amp_definitely_not_available", return_value=False)
        )
        stack.enter_context(mock.patch.object(torch.cuda, "is_bf16_supported", return_value=True))
        stack.enter_context(mock.patch.object(nn.Module, "to", _moved))
        stack.enter_context(_autocast())
        stack.enter_context(mode)
        stack.enter_context(_MetaAsCuda())
        yield


def _moved(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace `nn.Module.to`, which cannot exchange fake parameters; those that are tied stay so."""
    there: dict[int, tuple[Tensor, Tensor]] = {}
    for module in model.modules():
        tables: Any = module._parameters, module._buffers
        for table in tables:
            for name, tensor in table.items():
                if tensor is None:
                    continue
                if id(tensor) not in there:
                    new = tensor.detach().to(device)
                    there[id(tensor)] = tensor, nn.Parameter(new) if isinstance(tensor, nn.Parameter) else new
                table[name] = there[id(tensor)][1]
    return model


def _on_meta(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(cls: type, elem: Tensor, *args: Any, dispatch_device: bool = False, **keywords: Any) -> Tensor:
        return make(cls, elem, *args, **keywords)

    return made


class _MetaAsCuda(TorchFunctionMode):
    """Tell Python that all tensors on `meta` are on `cuda`: those that torch.func wraps do not know it themselves."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == Tensor.device.__get__ and torch._C._functorch.is_functorch_wrapped_tensor(args[0]):
            device = func(*args)
            return CUDA if device == META else device
        if func == _IS_CUDA:
            return args[0].device.type == "cuda"
        return func(*args, **(kwargs or {}))


class _FakeCuda(FakeTensorMode):
    """Make on `cuda` what C++ wants like another tensor, and leave out kernels that change numbers alone."""

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().startswith(IN_PLACE):
            return None
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == META:
            kwargs["device"] = CUDA
        return super().dispatch(func, types, args, kwargs)


@contextmanager
def _autocast() -> Iterator[None]:
    """Cast what operators are given as autocast does on CUDA, inside `torch.autocast("cuda")`."""
    library, casts = torch.library.Library("aten", "IMPL"), _Casts()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels are replaced, which is meant
            for name in torch._C._dispatch_get_registrations_for_dispatch_key("AutocastCUDA"):
                operator, _, overload = name.removeprefix("aten::").partition(".")
                called = getattr(getattr(torch.ops.aten, operator), overload or "default")
                library.impl(name.removeprefix("aten::"), partial(casts.call, called, operator), "AutocastCUDA")
        with mock.patch.object(torch, "clear_autocast_cache", casts.clear):
            yield
    finally:
        library._destroy()


@cache
def policy(name: str) -> frozenset[str]:
    """Return the operators of one of autocast's policies, as the installed torch lists them for CUDA.

    Raises:
        InputError: it was installed without its headers.
    """
    header = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
    try:
        text = header.read_text()
    except OSError:
        raise InputError(f"a fake GPU needs {header}: install torch from a wheel, which has it") from None
    lines = text.partition(f"#define AT_FORALL_{name}(_)")[2].partition("\n\n")[0]
    return frozenset(re.findall(r"_\((\w+)", lines))


class _Casts:
    """Autocast's policies, and the weights that are cast already: each is cast once until autocast ends."""

    def __init__(self) -> None:
        self._cast: dict[int, tuple[Tensor, Tensor]] = {}

    def clear(self) -> None:
        self._cast.clear()

    def call(self, called: Any, operator: str, *args: Any, **kwargs: Any) -> Any:
        low = torch.get_autocast_dtype("cuda")
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCUDA)):
            if operator in policy(LOWER):
                dtype = low
            elif operator in policy(PROMOTED):
                given = [leaf.dtype for leaf in _leaves((args, kwargs)) if _is_cast(leaf)]
                dtype = torch.float32 if torch.float32 in given else low
            elif (place := _place_of_dtype(called)) is not None:
                if _is_cast(args[0]) and len(args) <= place and kwargs.get("dtype") is None:
                    kwargs["dtype"] = torch.float32
                return called(*args, **kwargs)
            else:
                dtype = torch.float32
            cast = partial(self._as, dtype=dtype, low=low)
            return called(*_mapped(cast, args), **_mapped(cast, kwargs))

    def _as(self, value: Any, dtype: torch.dtype, low: torch.dtype) -> Any:
        if not _is_cast(value) or value.dtype == dtype:
            return value
        is_weight = value.requires_grad and value.is_leaf and not value._is_view()
        if not (is_weight and dtype == low and value.dtype == torch.float32):
            return value.to(dtype)
        if id(value) not in self._cast:
            self._cast[id(value)] = value, value.to(dtype)
        return self._cast[id(value)][1]


def _place_of_dtype(called: Any) -> int | None:
    """Return which argument sets the format of an operator's result, for those that autocast asks for fp32 by it."""
    return next((place for place, argument in enumerate(called._schema.arguments) if argument.name == "dtype"), None)


def _is_cast(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype != torch.float64 and _on_gpu(value)


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.device.type in ("cuda", "meta")


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _mapped(change, part) for name, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_mapped(change, part) for part in value]
    return change(value)


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(found.append, value)
    return found
