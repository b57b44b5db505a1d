"""The ways of training that are compared, by name. No torch is imported before one is prepared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ci.benchmarks.work import Stepper
from grokcore.models import ARCHITECTURES
from grokcore.spec import ExperimentSpec

if TYPE_CHECKING:
    import torch


def _plain_seconds(spec: ExperimentSpec, plain_flops: float, peak: float) -> float:
    return 1.5 * plain_flops / peak + 0.02 * spec.model.layers


def _seconds_of_transformers(spec: ExperimentSpec, plain_flops: float, peak: float) -> float:
    """transformers computes Mamba's recurrence token by token, in tensors with one more axis."""
    slowness = 8 if spec.model.architecture == "mamba" else 1
    return slowness * _plain_seconds(spec, plain_flops, peak)


def _seconds_of_reference(spec: ExperimentSpec, plain_flops: float, peak: float) -> float:
    """Twice the blocks' arithmetic, and the logits, which a CPU's memory is too slow for."""
    logits = spec.training.batch_size * 10 * 51_368
    return 2.5 * plain_flops / peak + logits * (6 * spec.model.width * 2 / peak + 1e-8)


@dataclass(frozen=True)
class Variant:
    label: str
    prepare: Callable[[ExperimentSpec, Path, torch.device], AbstractContextManager[Stepper]]
    """(spec, directory of its dataset, device) -> a model on that device, to be trained inside the context."""
    overrides: tuple[str, ...] = ()
    """Overrides of a case's spec."""
    architectures: tuple[str, ...] = tuple(ARCHITECTURES)
    profiled: bool = False
    """Whether the results say where its time goes."""
    estimate: Callable[[ExperimentSpec, float, float], float] = _plain_seconds
    """(spec, operations of a step of the plain model, FLOP/s of the machine) -> roughly the seconds of a step, for the
    plan that is shown before anything is measured."""


def _reference(spec: ExperimentSpec, data: Path, device: torch.device) -> AbstractContextManager[Stepper]:
    from ci.benchmarks.reference import reference

    return reference(spec, data, device)


def _library(spec: ExperimentSpec, data: Path, device: torch.device) -> AbstractContextManager[Stepper]:
    from ci.benchmarks.library import library

    return library(spec, data, device)


def _unshared(spec: ExperimentSpec, data: Path, device: torch.device) -> AbstractContextManager[Stepper]:
    from ci.benchmarks.library import library

    return library(spec, data, device, share_prefixes=False)


def _sdpa(spec: ExperimentSpec, data: Path, device: torch.device) -> AbstractContextManager[Stepper]:
    from ci.benchmarks.library import library

    return library(spec, data, device, attention="sdpa")


VARIANTS: dict[str, Variant] = {
    "reference": Variant("(a) reference", _reference, architectures=("gpt2",), estimate=_seconds_of_reference),
    "transformers": Variant(
        "(b) transformers",
        _library,
        ("model.implementation=transformers",),
        architectures=tuple(name for name, kind in ARCHITECTURES.items() if kind.transformers is not None),
        estimate=_seconds_of_transformers,
    ),
    "transformers-sdpa": Variant(
        "(b) with sdpa", _sdpa, ("model.implementation=transformers",), architectures=("gpt2", "llama")
    ),
    "fast": Variant("(c) fast", _unshared, ("model.implementation=fast",)),
    "fast-shared": Variant("(d) fast, shared", _library, ("model.implementation=fast",), profiled=True),
    "deepspeed": Variant("(e) DeepSpeed", _library, ("model.implementation=fast", "training.engine=deepspeed")),
}
