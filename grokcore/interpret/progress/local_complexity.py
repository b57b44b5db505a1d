"""Local complexity: how many units of MLPs change sign near a row (arXiv 2402.15555, section 2).

Around the stream of layer 0 of a row, x in R^(T D), stand the vertices x +- r v_i of a cross-polytope, with
`DIRECTIONS` orthonormal v_i and the radius r = `RADIUS` times the mean norm of x over rows. A unit's hyperplane cuts
the polytope if its pre-activation at the answer's position does not have the same sign at all vertices.
`local_complexity` is the mean number of such units over rows, of each MLP that runs (layer: number of its block) and,
as headline, of all of them.

Units are the outputs of W_in of an MLP, of the gate of SwiGLU, and of the key of RWKV's channel mixing. GELU and SiLU
are smooth; their units count where a ReLU's would. Mamba and Mamba-2 have no MLPs, and no number here; the memory
beside MLPs is left out. Control: `local_complexity_shuffled`, around rows whose tokens are those of training rows,
each position shuffled among rows of equal length, so that what training has cleared can be told from what is flat
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from grokcore.interpret.number import Number
from grokcore.interpret.progress.training_rows import TrainingRows, training_rows
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel
from grokcore.models.fast.layers import MLP, SwiGLU
from grokcore.models.fast.model import FastModel
from grokcore.models.fast.rwkv import ChannelMixing
from grokcore.spec.experiment import derived_seed

ROWS, DIRECTIONS, RADIUS = 128, 25, 0.01
_SEQUENCES = 2048
"""Vertices that are computed at once."""


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the mean number of units that change sign, by layer and in all, and its control."""
    rows = training_rows(subject, ROWS)
    generator = torch.Generator().manual_seed(derived_seed(subject.analysis.seed, "local complexity"))
    orthonormal = directions(rows.inputs.shape[1] * _width(subject.model, rows), generator)
    for metric, inputs in (
        ("local_complexity", rows.inputs),
        ("local_complexity_shuffled", _shuffled(rows, generator)),
    ):
        counts = local_complexity(subject.model, inputs, rows.positions[:, :1], orthonormal)
        if not len(counts):
            return
        means = counts.double().mean(1)
        yield Number(metric, means.sum().item(), len(inputs), split="train")
        for layer, mean in enumerate(means.tolist()):
            yield Number(metric, mean, len(inputs), split="train", layer=layer)


@torch.no_grad()
def local_complexity(model: SequenceModel, inputs: Tensor, positions: Tensor, orthonormal: Tensor) -> Tensor:
    """Return how many units change sign among the vertices around each row.

    Args:
        inputs: (N, T) int64.
        positions: (N, 1) int64, where units are read.
        orthonormal: (K, T D), the directions.

    Returns:
        (MLPs that run, N) int64; (0, N) where there are none.
    """
    center = layer_0(model, inputs, positions)  # (N, T, D)
    radius = RADIUS * center.flatten(1).norm(dim=1).mean()
    vertices = radius * torch.cat([orthonormal, -orthonormal]).to(center).unflatten(1, center.shape[1:])  # (2 K, T, D)
    at_once = max(1, _SEQUENCES // len(vertices))
    counts = []
    for some in torch.arange(len(inputs), device=inputs.device).split(at_once):
        moved = (center[some, None] + vertices).flatten(0, 1)
        tokens, where = (one[some].repeat_interleave(len(vertices), dim=0) for one in (inputs, positions))
        units = pre_activations(model, tokens, where, moved)
        signs = [(one > 0).unflatten(0, (len(some), len(vertices))) for one in units]
        counts.append([(one.any(1) & ~one.all(1)).sum(-1) for one in signs])
    found = [torch.cat(of_layer) for of_layer in zip(*counts, strict=True)]
    return torch.stack(found) if found else torch.zeros(0, len(inputs), dtype=torch.int64)


def directions(dimension: int, generator: torch.Generator, count: int = DIRECTIONS) -> Tensor:
    """Return `count` random orthonormal directions (K, dimension), or as many as there can be."""
    normal = torch.randn(dimension, min(count, dimension), generator=generator, dtype=torch.float64)
    orthonormal: Tensor = torch.linalg.qr(normal)[0].t().contiguous()
    return orthonormal


def layer_0(model: SequenceModel, inputs: Tensor, positions: Tensor) -> Tensor:
    """Return the stream (N, T, D) that enters the first block."""
    seen: list[Tensor] = []

    def hook(layer: int, hidden: Tensor) -> None:
        if layer == 0:
            seen.append(hidden.clone())

    with torch.no_grad(), model.residual_stream(hook):
        model(inputs, positions)
    return seen[0]


def pre_activations(model: SequenceModel, inputs: Tensor, positions: Tensor, stream: Tensor) -> list[Tensor]:
    """Return the pre-activations (N, units) of each MLP that runs, at `positions` (N, 1), from another layer 0.

    Args:
        stream: (N, T, D), in place of the embeddings of `inputs` (N, T).
    """
    if not isinstance(model, FastModel):
        return []
    seen: list[Tensor] = []
    rows = torch.arange(len(inputs), device=inputs.device)

    def keep(units: Tensor) -> None:
        seen.append(units.unflatten(0, inputs.shape)[rows, positions[:, 0]])

    def replace(layer: int, hidden: Tensor) -> Tensor | None:
        return stream if layer == 0 else None

    with model.residual_stream(replace), _watched(model.blocks, keep):
        model(inputs, positions)
    return seen


@contextmanager
def _watched(blocks: nn.Module, keep: Callable[[Tensor], None]) -> Iterator[None]:
    """Call `keep` with the pre-activations (N T, units) of every MLP that runs inside the block, in their order."""
    with ExitStack() as handles:
        for module in blocks.modules():
            match module:
                case MLP():
                    linear, parts = module.input, 1
                case SwiGLU():
                    linear, parts = module.gate_up, 2  # the gate is the first half
                case ChannelMixing():
                    linear, parts = module.key, 1
                case _:
                    continue
            handles.enter_context(
                linear.register_forward_hook(lambda _, args, units, parts=parts: keep(units.chunk(parts, dim=-1)[0]))
            )
        yield


def _width(model: SequenceModel, rows: TrainingRows) -> int:
    return layer_0(model, rows.inputs[:1], rows.positions[:1, :1]).shape[-1]


def _shuffled(rows: TrainingRows, generator: torch.Generator) -> Tensor:
    """Return (N, T) in which each position is shuffled among rows of equal length."""
    inputs = rows.inputs.clone()
    last = rows.positions[:, -1]
    for length in last.unique():
        places = (last == length).nonzero()[:, 0]
        for position in range(int(length) + 1):
            order = torch.randperm(len(places), generator=generator).to(places.device)
            inputs[places, position] = rows.inputs[places[order], position]
    return inputs
