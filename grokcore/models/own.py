"""Architectures that transformers does not know: their configuration, a new model, and their files.

A directory that holds one says so (`"format": "grokcore"` in config.json), and `load_model` reads it; transformers'
`AutoModelForCausalLM` does not.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from grokcore.models.fast import FAST_ARCHITECTURES, FastModel
from grokcore.models.files import CONFIG
from grokcore.models.registry import ARCHITECTURES
from grokcore.storage import write_json

FORMAT = "grokcore"


class OwnConfig(SimpleNamespace):
    """A model's fields as attributes, the common ones under the names that transformers gives them.

    Attributes:
        model_type: the architecture's name in the registry.
        hidden_size, num_hidden_layers, vocab_size, max_position_embeddings, tie_word_embeddings, eos_token_id: as in
            the configurations of transformers.
    """

    def save_pretrained(self, directory: Path) -> None:
        """Write config.json, under the name that the configurations of transformers have for it."""
        write_json(directory / CONFIG, {**vars(self), "format": FORMAT})


def new_model(fields: dict[str, Any], init: str) -> FastModel:
    """A new model of these configuration fields, its weights drawn from torch's generator of the CPU alone."""
    model = _empty(fields)
    own = ARCHITECTURES[model.architecture].own
    if own is None:
        raise ValueError(f"transformers draws the weights of {model.architecture}")
    with torch.no_grad():
        own.initialise(model, init)
    return model


def loaded_model(fields: dict[str, Any], weights: dict[str, Tensor], device: str = "cpu") -> FastModel:
    """A model from the content of its files.

    Raises:
        AttributeError: a field is missing.
        ValueError: a weight is missing, unknown, or has another shape.
    """
    model = _empty(fields, device)
    model.load_transformers(weights)
    return model


def _empty(fields: dict[str, Any], device: str = "cpu") -> FastModel:
    """Its constructors' random numbers are none of the model's: they are drawn beside the generator in use."""
    with torch.random.fork_rng(devices=[]), torch.device(device):
        config = OwnConfig(**fields)
        return FastModel(FAST_ARCHITECTURES[config.model_type], config)
