"""CUDA graphs on the CPU: a recording of operations that a replay repeats on the same tensors. No GPU is needed.

As on a GPU, recording computes nothing that lasts, a replay reads and writes the memory that was recorded, and numbers
and Python are not looked at again. C kernels are not operations of torch, so that they have to be off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grokcore.models.fast.kernels import library


class Stream:
    def wait_stream(self, other: Stream) -> None:
        pass


class Graph:
    """A recording.

    Attributes:
        replays: how often it was replayed.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        with torch.no_grad():
            for func, args, kwargs, outputs in self.calls:
                for old, new in zip(outputs, _tensors(func(*args, **kwargs)), strict=True):
                    if old is not new and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class _Recording(TorchDispatchMode):
    """Note every operation; undo at the end what it has written to memory that was there before."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._ours: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._kept: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags:
            raise RuntimeError("operation not permitted when stream is capturing")
        for tensor in _written(func, args, kwargs):
            storage = tensor.untyped_storage()
            if storage._cdata not in self._ours | self._before.keys():
                whole = torch.empty(0, dtype=tensor.dtype).set_(storage)
                self._before[storage._cdata] = whole, whole.clone()
        result = func(*args, **kwargs)
        outputs = _tensors(result)
        self._kept += outputs
        given = {tensor.untyped_storage()._cdata for tensor in _tensors((args, kwargs))}
        self._ours |= {tensor.untyped_storage()._cdata for tensor in outputs} - given
        self._graph.calls.append((func, args, kwargs, outputs))
        return result

    def restore(self) -> None:
        for whole, values in self._before.values():
            whole.copy_(values)


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    found = []
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            found += _tensors(value)
    return found


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


@contextmanager
def _graph(graph: Graph) -> Iterator[None]:
    random, recording = torch.get_rng_state(), _Recording(graph)
    try:
        with recording:
            yield
    finally:
        torch.set_rng_state(random)
        recording.restore()


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    """Let CUDA graphs be recordings on the CPU, which are listed as they are made."""
    made: list[Graph] = []

    class Listed(Graph):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(library, "load_kernels", lambda: None)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Listed)
    monkeypatch.setattr(torch.cuda, "graph", _graph)
    return made
