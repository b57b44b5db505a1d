"""Check a config.json before a model is built from it: only fields and values that grokcore writes are allowed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from grokcore.documents import decode_json
from grokcore.models.architecture import ATTENTION, Architecture, TransformersModel
from grokcore.models.composition import Composition
from grokcore.spec.models import ModelSpec

NO_DEFAULTS = {"use_cache": False, "bos_token_id": None, "pad_token_id": None}
"""Defaults of transformers name tokens of other vocabularies. A padding token would be left untrained in LLaMA's
embedding, and looked for on the device in every forward pass of GPT-2."""

_LAYERS = ("n_layer", "num_hidden_layers")
_POSITIONS = ("n_positions", "max_position_embeddings", "context_length")
_MOST_POSITIONS, _MOST = 2**14, 2**24
"""Bounds of sizes; a mask has as many numbers as the square of the positions."""
_WORD = re.compile(r"[A-Za-z0-9_.]{1,64}")
_FRAME = {"model_type", "architecture", "architectures", "composition", "format", "transformers_version"}
"""Fields that name the kind of file; only the composition is built from them, and its values are checked."""


def transformers_config(layout: TransformersModel[Any], fields: Mapping[str, Any]) -> Any:
    """Return the configuration of transformers for a model."""
    import transformers

    config = getattr(transformers, layout.config_class).from_dict(dict(fields), attn_implementation=ATTENTION)
    config.architectures = [layout.model_class]
    return config


def checked_fields(
    document: Mapping[str, Any], kind: str, architecture: Architecture[Any], tensors: int
) -> dict[str, Any]:
    """Return the fields of a config.json that a model of an `architecture` named `kind` is built from.

    Those are the fields that grokcore sets, each a number within bounds, a truth value or a string. All others must be
    as transformers derives them from these, so that nothing is fetched, imported or run because of a name in the file.

    Args:
        tensors: number of the model's weights, at least one per layer.

    Raises:
        ValueError: a field is unknown, of another kind, or has another value than grokcore writes.
    """
    layout = architecture.transformers
    spec: Any = TypeAdapter(ModelSpec).validate_python({"architecture": kind})
    example = {
        **architecture.weights.config(spec, spec.layers, 8),
        "vocab_size": 8,
        "tie_word_embeddings": True,
        "eos_token_id": None,
    }
    ours = {
        name: _checked(name, document[name], example[name], _most(name, tensors))
        for name in example
        if name in document
    }
    if layout is None:
        _refuse_others(document, ours)
    else:
        config = transformers_config(layout, ours | NO_DEFAULTS)
        _refuse_others(document, decode_json(config.to_json_string(use_diff=False)))
        ours |= NO_DEFAULTS
    ours["model_type"] = kind
    if "composition" in document:
        ours["composition"] = _checked_composition(document["composition"], tensors)
    return ours


def _checked_composition(written: Any, tensors: int) -> dict[str, Any]:
    if not isinstance(written, dict):
        raise ValueError("composition must be a mapping")
    _checked("composition.blocks", written.get("blocks", 0), 0, tensors)
    Composition.read({name: part for name, part in written.items() if name != "blocks"})
    return written


def _refuse_others(document: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    for name, value in document.items():
        if name in _FRAME:
            continue
        if name not in written:
            raise ValueError(f"grokcore writes no field {name[:64]!r}")
        if written[name] != value or type(written[name]) is not type(value):
            raise ValueError(f"{name} is not the {json.dumps(written[name])[:64]} that goes with its other fields")


def _most(name: str, tensors: int) -> int:
    if name in _LAYERS:
        return tensors
    return _MOST_POSITIONS if name in _POSITIONS else _MOST


def _checked(name: str, value: Any, example: Any, most: int) -> Any:
    kinds: tuple[type, ...]
    if name == "eos_token_id":
        kinds, wanted = (int, type(None)), "a token or null"
    elif isinstance(example, bool):
        kinds, wanted = (bool,), "true or false"
    elif isinstance(example, str):
        kinds, wanted = (str,), "a word"
    elif isinstance(example, float):
        kinds, wanted = (float, int), "a number"
    else:
        kinds, wanted = (int,), f"a whole number from 0 to {most}"
    right = type(value) in kinds
    if right and type(value) is int:
        right = 0 <= value <= most
    elif right and isinstance(value, float):
        right = math.isfinite(value)
    elif right and isinstance(value, str):
        right = _WORD.fullmatch(value) is not None
    if not right:
        raise ValueError(f"{name} must be {wanted}")
    return value
