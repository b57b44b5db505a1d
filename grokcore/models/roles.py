"""The role of every parameter, and the logical parameters that it holds side by side.

Implementations store the same weights differently: `fast` packs query, key and value of LLaMA in one matrix, GPT-2 of
transformers keeps the transpose. What treats a matrix as a matrix has to see the same ones in both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from grokcore.models.architecture import Parameter
from grokcore.models.fast.block import MEMORY_PARAMETERS
from grokcore.models.registry import ARCHITECTURES
from grokcore.models.sequence_model import SequenceModel
from grokcore.spec.training import Role


@dataclass(frozen=True)
class Layout:
    """How a parameter is stored.

    Attributes:
        parts: sizes of its logical parameters along the dimension `outputs`, in their order; their sum is its size.
        outputs: the dimension whose indices are outputs: 0, or 1 where transformers keeps the transpose.
    """

    role: Role
    decayed: bool
    parts: tuple[int, ...]
    outputs: int = 0

    def split(self, tensor: Tensor, *, stacked: bool = False) -> Sequence[Tensor]:
        """Return views of the logical parameters of a tensor in this layout, such as a weight or its gradient.

        Args:
            stacked: the tensor has a first dimension more, of seeds.
        """
        if len(self.parts) == 1:
            return (tensor,)
        pieces: Sequence[Tensor] = tensor.split(self.parts, dim=self.outputs + stacked)
        return pieces


def layouts(model: SequenceModel) -> dict[str, Layout]:
    """Return the layout of every parameter, by the names of `model.named_parameters()`, tied ones once.

    Raises:
        LookupError: the architecture does not list a parameter, or describes weights differently that are one here.
    """
    described = _description(model)
    return {name: _layout(model, tensor, *described[name]) for name, tensor in model.named_parameters()}


def _description(model: SequenceModel) -> dict[str, tuple[Parameter, int]]:
    """Return each parameter's description, and how many weights of transformers it packs along its outputs."""
    listed = MEMORY_PARAMETERS | dict(ARCHITECTURES[model.architecture].weights.parameters)
    found = {}
    for name, theirs in model.transformers_names().items():
        patterns = {re.sub(r"\.\d+\.", ".*.", one) for one in theirs}
        if unlisted := sorted(patterns - listed.keys()):
            raise LookupError(f"{unlisted[0]} is not among the parameters of {model.architecture}")
        first, *others = (listed[one] for one in patterns)
        if any(other != first for other in others):
            raise LookupError(f"{name} holds parameters that {model.architecture} describes differently")
        found[name] = first, len(patterns)
    return found


def _layout(model: SequenceModel, tensor: Tensor, described: Parameter, packed: int) -> Layout:
    outputs = int(model.stores_transposed and described.transposed)
    relative = described.parts(model.config) if callable(described.parts) else described.parts
    relative = tuple(relative) * packed
    size = tensor.shape[outputs] if tensor.ndim else 1
    parts = tuple(size * part // sum(relative) for part in relative)
    return Layout(described.role, described.decayed, parts, outputs)
