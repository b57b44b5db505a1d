"""Models small enough to build in milliseconds, the same for all tests of this folder."""

from typing import Any

import torch
from torch import Tensor

from grokcore.models import ARCHITECTURES as REGISTRY
from grokcore.models import SequenceModel, build_model
from grokcore.spec.models import ARCHITECTURES_IN_SPECS

SPECS: dict[str, Any] = ARCHITECTURES_IN_SPECS.classes
"""The spec class of every architecture."""
ARCHITECTURES = tuple(kind for name, kind in SPECS.items() if REGISTRY[name].transformers is not None)
"""Those that both implementations compute."""
OWN = tuple(kind for name, kind in SPECS.items() if REGISTRY[name].own is not None)
"""Those that transformers does not know."""
IMPLEMENTATIONS = ("transformers", "fast")
VOCABULARY, POSITIONS, TOKENS, LAYERS, WIDTH = 40, 7, 5, 2, 32


def tiny_spec(architecture: Any, **fields: Any) -> Any:
    return architecture(**{"implementation": "transformers", "layers": LAYERS, "width": WIDTH, **fields})


def tiny_model(architecture: Any, seed: int = 0, **fields: Any) -> SequenceModel:
    spec = tiny_spec(architecture, **fields)
    return build_model(spec, vocabulary_size=VOCABULARY, sequence_length=POSITIONS, seed=seed)


def random_tokens(batch: int = 4, seed: int = 0) -> Tensor:
    return torch.randint(0, VOCABULARY, (batch, TOKENS), generator=torch.Generator().manual_seed(seed))


def every_position(tokens: Tensor) -> Tensor:
    return torch.arange(tokens.shape[1]).expand(tokens.shape)


def last_position(tokens: Tensor) -> Tensor:
    return torch.full((len(tokens), 1), tokens.shape[1] - 1)
