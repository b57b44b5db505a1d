"""A training step on a fake CUDA device, and what a GPU, or a CUDA graph of it, would object to. No GPU is needed."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from grokcore.data import open_dataset
from grokcore.spec import load_spec
from grokcore.training.fake_cuda import CUDA, fake_cuda
from grokcore.training.seeds.stacked import StackedStep
from grokcore.training.source import drawn_model
from grokcore.training.step import StepGraphs
from grokcore.training.trainer import Trainer

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PRODUCTS = frozenset(["mm", "addmm", "bmm", "baddbmm", "mv", "addmv", "dot"])
IN_FP32 = ("over_sequences", "weight", "attend_by_delta_rule", "newton_schulz")
"""Functions whose matrix products are in fp32 whatever the precision: sums of decays, a product as an embedding, a
triangular system, and the optimizer's."""
INDEXING = frozenset(("index", "index_put_", "index_put", "_index_put_impl_"))


def findings(
    data: Path,
    *overrides: str,
    precision: str = "fp32",
    seeds: int = 1,
    device: Callable[[], AbstractContextManager[None]] = fake_cuda,
) -> list[str]:
    """Return what is wrong in the training steps of a spec on `cuda`, one line for each, and the first error.

    Args:
        device: makes `cuda` what it is inside the block; `nullcontext` takes a real one.
    """
    with device():
        step, graphs, kind = _step(data, [f"training.precision={precision}", *overrides], seeds)
        found: list[str] = []
        traces: dict[int, list[tuple[str, ...]]] = {}
        for number in range(2):
            with checked(precision, found) as check, recorded(graphs, check):
                step()
            if found:
                return found
            traces.setdefault(kind(number), []).append(tuple(check.numbers))
    return [line for taken in traces.values() for line in _baked(taken)]


def _step(data: Path, overrides: list[str], seeds: int) -> tuple[Callable[[], None], StepGraphs, Callable[[int], int]]:
    """Return a step, what would record it, and the function that names the kind of the step of each number."""
    trainers = [trainer_of(data, *overrides, f"seed={seed}") for seed in range(seeds)]
    for trainer in trainers:
        trainer.sampler(0)  # permutations are drawn on the host, and copied outside the graph
    first = trainers[0]
    step = first.take_step if seeds == 1 else StackedStep(trainers, notify=lambda line: None)
    assert first.graphs is not None
    return step, first.graphs, first.model.prepare


def trainer_of(data: Path, *overrides: str) -> Trainer:
    """Return a trainer on the fake device; its learning rate differs from step to step."""
    spec = load_spec("smoke", ["training.cuda_graph=false", "training.warmup_steps=9", *overrides])
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    return Trainer(spec, dataset, drawn_model(spec, dataset), device=CUDA)


def _baked(traces: list[tuple[str, ...]]) -> list[str]:
    """Return the calls whose numbers differ from one step of a kind to another: a graph replays those of the first."""
    first, *others = traces
    return [
        f"{before} is another number in the next step: {after}"
        for other in others[:1]
        for before, after in zip(first, other, strict=True)
        if before != after
    ]


@contextmanager
def checked(precision: str, found: list[str]) -> Iterator[StepCheck]:
    """Collect in `found` what is wrong inside the block, the error that ends it included."""
    check = StepCheck(precision, found)
    try:
        with check:
            yield check
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        found.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}, at {_raised_at(error)}")


@contextmanager
def recorded(graphs: StepGraphs, check: StepCheck) -> Iterator[None]:
    """Let `check` keep the numbers of what a graph would hold."""
    work = graphs._work

    def watched() -> None:
        check.numbers = []
        check.records = True
        work()
        check.records = False

    graphs._work = watched
    try:
        yield
    finally:
        graphs._work = work


class StepCheck(TorchDispatchMode):
    """Look at every operation; what is found is noted at once, whether or not the error it leads to is caught."""

    def __init__(self, precision: str, found: list[str]) -> None:
        super().__init__()
        self._format, self._found = FORMATS[precision], found
        self._has_fp32_parts = precision == "fp32"
        self.numbers: list[str] = []
        self.records = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::").partition(".")[0]
        self._look(func, name, args, kwargs)
        result = func(*args, **kwargs)
        if any(not _on_gpu(leaf) for leaf in tree_leaves(result) if isinstance(leaf, Tensor)):
            self._note(f"{name} works on the host")
        return result

    def _look(self, func: Any, name: str, args: Any, kwargs: Any) -> None:
        leaves = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        numbers = [leaf for leaf in leaves if isinstance(leaf, (int, float)) and not isinstance(leaf, bool)]
        if self.records:
            self.numbers.append(f"{name}{numbers} at {_where()}")
        if any(not _on_gpu(tensor) for tensor in tensors):
            self._note(f"{name} works on the host")
        if any(isinstance(leaf, torch.Generator) and leaf.device.type != "cuda" for leaf in leaves):
            self._note(f"{name} draws from a generator that no graph advances")
        if _depends_on_data(func, name, args):
            self._note(f"{name} waits for the device")
        if name in PRODUCTS:
            self._look_at_product(name, tensors)
        if name.startswith("_fused_") and any(tensor.dtype != torch.float32 for tensor in tensors):
            self._note(f"{name} is given other numbers than float32")

    def _look_at_product(self, name: str, tensors: list[Tensor]) -> None:
        formats = {tensor.dtype for tensor in tensors}
        in_fp32 = any(frame.f_code.co_name in IN_FP32 for frame in _frames())
        if in_fp32:
            self._has_fp32_parts = True
        expected = torch.float32 if in_fp32 else self._format
        if formats != {expected} and not (in_backward() and self._has_fp32_parts and formats == {torch.float32}):
            self._note(f"{name} multiplies {', '.join(sorted(map(str, formats)))}, not {expected}")

    def _note(self, text: str) -> None:
        self._found.append(f"{text}, at {_where()}")


def _on_gpu(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


def _depends_on_data(func: Any, name: str, args: Any) -> bool:
    if name in INDEXING:  # with numbers of rows it is harmless, with a mask it counts on the host
        return any(index.dtype in (torch.bool, torch.uint8) for index in tree_leaves(args[1]) if index is not None)
    return torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags


def in_backward() -> bool:
    return torch._C._current_graph_task_id() != -1


def _frames() -> Iterator[FrameType]:
    """Yield grokcore's frames from the innermost outwards."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if "/grokcore/" in frame.f_code.co_filename and "fake_cuda" not in frame.f_code.co_filename:
            yield frame
        frame = frame.f_back


def _where() -> str:
    """Return the innermost line of grokcore's that is being worked on."""
    if in_backward():
        return "the backward pass"
    return next((f"{_room(frame.f_code.co_filename)}:{frame.f_lineno}" for frame in _frames()), "no line of grokcore")


def _raised_at(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if "/grokcore/" in frame.filename and "fake_cuda" not in frame.filename]
    return f"{_room(places[-1].filename)}:{places[-1].lineno}"


def _room(file: str) -> str:
    return file.rpartition("/grokcore/")[2]
