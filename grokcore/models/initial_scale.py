"""Change the scale of a new model's matrices, the lever of Omnigrok (arXiv 2210.01117, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from grokcore.models.roles import layouts
from grokcore.models.sequence_model import SequenceModel
from grokcore.spec.models import ModelSpec


@torch.no_grad()
def scale_matrices(model: SequenceModel, spec: ModelSpec) -> None:
    """Multiply all matrices by `init_scale`, or scale each of their rows to the norm `init_row_norm`.

    Embeddings, head, norms, biases and state stay as they were drawn. A row holds the weights of one output; one that
    starts at zero stays so.
    """
    if spec.init_scale == 1 and spec.init_row_norm is None:
        return
    found = layouts(model)
    for name, weight in model.named_parameters():
        if found[name].role != "matrix":
            continue
        if spec.init_row_norm is not None:
            set_row_norms(weight.t() if found[name].outputs else weight, spec.init_row_norm)
        else:
            weight.mul_(spec.init_scale)


def set_row_norms(weight: Tensor, norm: float) -> None:
    """Scale each row of a matrix (outputs, inputs) in place to an L2 norm; zero rows stay zero."""
    rows = weight.double().contiguous()  # so that a transposed copy is summed in the same order
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    weight.copy_(rows * (norm / norms).nan_to_num(posinf=0.0))
