"""A CUDA device that computes nothing, to find what a training step asks of the host. No GPU is needed.

Meta tensors stand for those of the device: they have shapes and types, no numbers, and say that they are on `cuda`.
Whatever needs a number on the host fails on them, and every operation that mixes them with the host's is recorded.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA, META = torch.device("cuda", 0), torch.device("meta")
_INDEXING = ("aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_")
_IN_PLACE = ("aten::_fused_", "aten::_amp_")
"""Kernels that change what they are given and return nothing; some of them know no meta tensors."""


@contextmanager
def stand_in_cuda() -> Iterator[None]:
    """Inside the block `cuda` is the stand-in."""
    with _MetaAsCuda():
        yield


@contextmanager
def host_work() -> Iterator[list[str]]:
    """What the block asks of the host, one line for each operation, inside `stand_in_cuda`."""
    found: list[str] = []
    with _Recorder(found):
        yield found


def moved(model: nn.Module) -> nn.Module:
    """The model on the stand-in; parameters that are tied stay so, which `nn.Module.to` does not keep here."""
    there: dict[int, tuple[Tensor, Tensor]] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None:
                    continue
                if id(tensor) not in there:
                    new = tensor.detach().to(META)
                    there[id(tensor)] = tensor, nn.Parameter(new) if isinstance(tensor, nn.Parameter) else new
                table[name] = there[id(tensor)][1]
    return model


class _MetaAsCuda(TorchFunctionMode):
    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == Tensor.device.__get__:
            device = func(*args)
            return CUDA if device == META else device
        if func == Tensor.is_cuda.__get__:
            return bool(args[0].is_meta)
        kwargs = {name: value for name, value in (kwargs or {}).items() if name != "pin_memory"}
        args, kwargs = tree_map(_to_meta, (args, kwargs))
        return func(*args, **kwargs)


def _to_meta(value: Any) -> Any:
    return META if isinstance(value, torch.device) and value.type == "cuda" else value


class _Recorder(TorchDispatchMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = None if func.name().startswith(_IN_PLACE) else func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        name = func.name().partition(".")[0]
        if any(not tensor.is_meta for tensor in tensors):
            self._found.append(f"{name} works on the host, at {_where()}")
        elif _depends_on_data(func, name, args):
            self._found.append(f"{name} waits for the device, at {_where()}")
        return result


def _depends_on_data(func: Any, name: str, args: Any) -> bool:
    if name in _INDEXING:  # with numbers of rows it is harmless, with a mask it counts on the host
        return any(index.dtype in (torch.bool, torch.uint8) for index in tree_leaves(args[1]) if index is not None)
    return torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags


def _where() -> str:
    """The innermost line of grokcore's that is being worked on."""
    ours = [frame for frame in traceback.extract_stack() if "/grokcore/" in frame.filename]
    return f"{ours[-1].filename.rpartition('/grokcore/')[2]}:{ours[-1].lineno}" if ours else "the backward pass"
